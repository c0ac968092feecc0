// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/shared/resolv"
)

// attributes are what a new file takes over from the one that it replaces.
type attributes struct {
	mode     uint32 // permission bits alone
	uid, gid uint32
}

// found is what stands at the end of a place's path.
type found struct {
	dir  *os.File
	name string
	// was is nil when there is nothing.
	was        *original
	attributes attributes
	// mount is the file, opened as a path, when it is mounted there, as containerd and podman do. The kernel would let us
	// rename over it, from our mount namespace, and take the mount away for good; so the file itself is written.
	mount *os.File
}

func (f *found) close() {
	if f.mount != nil {
		closeFile(f.mount)
	}
}

// look reads what stands under the name. What is neither a file nor a link is an error: it cannot be put aside.
func look(dir *os.File, name string) (*found, error) {
	f := &found{dir: dir, name: name}
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_NOFOLLOW, Resolve: unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV}
	node, err := openAt(dir, name, &how)
	mounted := errors.Is(err, unix.EXDEV)
	if mounted {
		how.Resolve = unix.RESOLVE_NO_SYMLINKS
		node, err = openAt(dir, name, &how)
	}
	switch {
	case errors.Is(err, unix.ENOENT):
		above, err := stat(dir)
		if err != nil {
			return nil, err
		}
		f.attributes = attributes{mode: 0o644, uid: above.Uid, gid: above.Gid}
		return f, nil
	case err != nil:
		return nil, err
	}
	if err := f.read(node); err != nil || !mounted {
		closeFile(node)
		return f, err
	}
	f.mount = node
	return f, nil
}

// read takes what the open node is.
func (f *found) read(node *os.File) error {
	s, err := stat(node)
	if err != nil {
		return err
	}
	f.attributes = attributes{mode: s.Mode & 0o777, uid: s.Uid, gid: s.Gid}
	switch s.Mode & unix.S_IFMT {
	case unix.S_IFLNK:
		f.attributes.mode = 0o644
		target, err := readLink(node)
		f.was = &original{link: true, text: target}
		return err
	case unix.S_IFREG:
	default:
		return chain.Errorf(codePlace, "%s is a %s and not a file: remove it from the image", node.Name(), kind(s.Mode))
	}
	if s.Size > resolv.MaxFile {
		return chain.Errorf(codePlace, "%s has more than %d bytes: it cannot be put aside", node.Name(), resolv.MaxFile)
	}
	if err := ordinary(node); err != nil {
		return err
	}
	file, err := reopen(node, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer closeFile(file)
	data, err := resolv.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read %s: %w", node.Name(), err)
	}
	f.was = &original{text: string(data)}
	return nil
}

// reopen opens a node that was opened as a path, and so is known not to be a pipe or device, where to open is to act.
func reopen(node *os.File, flags int) (*os.File, error) {
	file, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", node.Fd()), flags|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", node.Name(), errors.Unwrap(err))
	}
	return file, nil
}

// ordinary refuses the files of file systems that are switches of the kernel, by the numbers in statfs(2). What counts
// there is who writes, and the host's root must not do it for a container.
func ordinary(node *os.File) error {
	var s unix.Statfs_t
	if err := unix.Fstatfs(fd(node), &s); err != nil {
		return &os.PathError{Op: "statfs", Path: node.Name(), Err: err}
	}
	switch int64(s.Type) {
	case unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC, unix.CGROUP_SUPER_MAGIC, unix.CGROUP2_SUPER_MAGIC, unix.DEBUGFS_MAGIC,
		unix.TRACEFS_MAGIC, unix.SECURITYFS_MAGIC, unix.BPF_FS_MAGIC, unix.EFIVARFS_MAGIC, unix.PSTOREFS_MAGIC,
		unix.BINFMTFS_MAGIC, unix.SELINUX_MAGIC, unix.SMACK_MAGIC, unix.NSFS_MAGIC:
		return chain.Errorf(codePlace, "%s is a file of the kernel", node.Name())
	}
	return nil
}

func kind(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return "directory"
	case unix.S_IFIFO:
		return "named pipe"
	case unix.S_IFSOCK:
		return "socket"
	}
	return "device"
}

func readLink(node *os.File) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd(node), "", buf)
	if err != nil {
		return "", &os.PathError{Op: "readlink", Path: node.Name(), Err: err}
	}
	return string(buf[:n]), nil
}

// put makes the file say data: by a rename, so that a reader sees the old or the new file and never a part, or in place
// where something is mounted. temp is a name that only the caller uses.
func (f *found) put(temp string, data []byte) error {
	if f.mount != nil {
		return f.putInPlace(data)
	}
	if err := f.makeTemp(temp, data); err != nil {
		return err
	}
	return f.rename(temp)
}

// makeTemp writes the new file beside the old. It is not synced: after a power failure the namespace is gone, and what
// is left is a file of no owner or none.
func (f *found) makeTemp(temp string, data []byte) error {
	if err := f.removeTemp(temp); err != nil {
		return err
	}
	flags := uint64(unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW)
	file, err := openAt(f.dir, temp, &unix.OpenHow{Flags: flags, Mode: 0o600, Resolve: unix.RESOLVE_BENEATH})
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err == nil {
		err = own(file, f.attributes)
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, f.removeTemp(temp))
	}
	return nil
}

func (f *found) rename(temp string) error {
	if err := unix.Renameat(fd(f.dir), temp, fd(f.dir), f.name); err != nil {
		err = fmt.Errorf("replace %s: %w", filepath.Join(f.dir.Name(), f.name), err)
		return errors.Join(err, f.removeTemp(temp))
	}
	return nil
}

func (f *found) removeTemp(temp string) error { return unlink(f.dir, temp) }

// restore puts the original back in place of our file.
func (f *found) restore(temp string, was *original) error {
	switch {
	case f.mount != nil && (was == nil || was.link):
		return f.putInPlace(nil)
	case was == nil:
		return unlink(f.dir, f.name)
	case !was.link:
		return f.put(temp, []byte(was.text))
	}
	if err := f.removeTemp(temp); err != nil {
		return err
	}
	if err := unix.Symlinkat(was.text, fd(f.dir), temp); err != nil {
		return fmt.Errorf("make link %s again: %w", filepath.Join(f.dir.Name(), f.name), err)
	}
	return f.rename(temp)
}

// unlink removes a file that may be missing; on a read-only file system the kernel does not look whether it is.
func unlink(dir *os.File, name string) error {
	err := unix.Unlinkat(fd(dir), name, 0)
	if errors.Is(err, unix.EROFS) && errors.Is(unix.Faccessat(fd(dir), name, unix.F_OK, 0), unix.ENOENT) {
		return nil
	}
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return &os.PathError{Op: "remove", Path: filepath.Join(dir.Name(), name), Err: err}
	}
	return nil
}

// mayWrite refuses a directory, or a mounted file, that the container's root does not own. In a user namespace of his
// own, anybody can mount what he merely sees, a directory of the host in a volume for example. The owner of the root
// directory tells the container's root from the host's.
func (f *found) mayWrite(root *os.File) error {
	top, err := stat(root)
	if err != nil {
		return err
	}
	dir, err := stat(f.dir)
	if err != nil || top.Uid == 0 {
		return err
	}
	if dir.Uid != top.Uid || f.mount != nil && f.attributes.uid != top.Uid {
		return chain.Errorf(codePlace, "%s or what is mounted there does not belong to the container's root (user %d)",
			filepath.Join(f.dir.Name(), f.name), top.Uid)
	}
	return nil
}

// putInPlace changes a mounted file with one write that is as long as the old content, the rest empty lines, and cuts
// those off afterwards: a reader in between sees the whole new file. Only a file of more than a page can be seen half.
func (f *found) putInPlace(data []byte) error {
	file, err := reopen(f.mount, os.O_RDWR)
	if err != nil {
		return fmt.Errorf("write the file mounted there: %w", err)
	}
	old := 0
	if f.was != nil {
		old = len(f.was.text)
	}
	padded := append(bytes.Clone(data), bytes.Repeat([]byte("\n"), max(0, old-len(data)))...)
	_, err = file.WriteAt(padded, 0)
	if err == nil {
		err = file.Truncate(int64(len(data)))
	}
	return errors.Join(err, file.Close())
}

// own gives a file its mode and owner, in this order: what is another's is changed by CAP_FOWNER alone. In a user
// namespace, or without CAP_CHOWN, not every owner can be given: then the file belongs to us, and its readers are those
// that the mode lets in.
func own(file *os.File, want attributes) error {
	if err := file.Chmod(os.FileMode(want.mode)); err != nil {
		return err
	}
	has, err := stat(file)
	if err != nil || has.Uid == want.uid && has.Gid == want.gid {
		return err
	}
	err = unix.Fchown(fd(file), int(want.uid), int(want.gid))
	if err != nil && !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EINVAL) {
		return &os.PathError{Op: "chown", Path: file.Name(), Err: err}
	}
	return nil
}
