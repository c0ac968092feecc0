// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/chain"
)

// goneError: the place's root directory does not exist, or belongs to somebody else by now.
type goneError struct{ error }

func (e goneError) Unwrap() error { return e.error }

func isGone(err error) bool {
	var e goneError
	return errors.As(err, &e)
}

// errHostRoot: a process that shares the host's files, as one that has only left the network namespace, or one whose
// runtime has not changed its root directory yet (an OCI hook createRuntime).
var errHostRoot = chain.Errorf(codePlace, "the process has the host's own root directory, "+
	"whose resolv.conf is not the container's")

// inRoot takes ".." and absolute links for what they are inside the root directory, and leads nowhere by the links of
// /proc, which point at open files of any place (openat2(2)).
const inRoot = unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS

// openRoot opens the place's root directory. For a container's, sandbox is the network namespace that its process must
// have, or nil where nothing is known of it: a process of the same number may be another one.
func (p place) openRoot(sandbox *os.File) (*os.File, error) {
	if !p.inContainer() {
		root, err := os.OpenFile(p.Root, unix.O_PATH|unix.O_DIRECTORY, 0)
		return root, gone(err, "make the directory, in which writeTo has its files")
	}
	// The open directory is that process, never a later one of its number.
	proc := filepath.Dir(p.Root)
	process, err := os.OpenFile(proc, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, gone(err, "the process has ended")
	}
	defer closeFile(process)
	if sandbox != nil {
		var has unix.Stat_t
		wants, err := stat(sandbox)
		if err := errors.Join(err, gone(unix.Fstatat(fd(process), "ns/net", &has, 0), "the process has ended")); err != nil {
			return nil, err
		}
		if has.Dev != wants.Dev || has.Ino != wants.Ino {
			return nil, goneError{fmt.Errorf("%s is another container's process by now", proc)}
		}
	}
	root, err := openAt(process, "root", &unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY})
	if err != nil {
		return nil, gone(err, "the process has ended")
	}
	if err := notHost(root); err != nil {
		closeFile(root)
		return nil, err
	}
	return root, nil
}

// gone marks the errors of a process or directory that does not exist.
func gone(err error, why string) error {
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH) {
		return goneError{fmt.Errorf("%w: %s", err, why)}
	}
	return err
}

// notHost returns errHostRoot when the directory is the host's root.
func notHost(root *os.File) error {
	var host unix.Stat_t
	if err := unix.Stat("/", &host); err != nil {
		return &os.PathError{Op: "stat", Path: "/", Err: err}
	}
	has, err := stat(root)
	if err == nil && has.Dev == host.Dev && has.Ino == host.Ino {
		return errHostRoot
	}
	return err
}

// openDir opens a directory below root. A mount on the way is followed, as whoever set up the container has made it; a
// link is followed only to where nothing else is mounted: it comes from the image, which must not choose a volume.
func openDir(root *os.File, path string) (*os.File, error) {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY, Resolve: inRoot | unix.RESOLVE_NO_SYMLINKS}
	dir, err := openAt(root, path, &how)
	if errors.Is(err, unix.ELOOP) {
		how.Resolve = inRoot | unix.RESOLVE_NO_XDEV
		dir, err = openAt(root, path, &how)
	}
	return dir, err
}

// openAt is openat2(2), again when a signal or a rename somewhere in the system came in between (EAGAIN).
func openAt(dir *os.File, path string, how *unix.OpenHow) (*os.File, error) {
	how.Flags |= unix.O_CLOEXEC
	for try := 0; ; try++ {
		n, err := unix.Openat2(fd(dir), path, how)
		switch {
		case err == nil:
			return os.NewFile(uintptr(n), filepath.Join(dir.Name(), path)), nil
		case errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN) && try < 1000:
		case errors.Is(err, unix.ENOSYS):
			return nil, fmt.Errorf("openat2 %s: %w (Linux 5.6 or later is needed)", path, err)
		default:
			return nil, &os.PathError{Op: "open", Path: filepath.Join(dir.Name(), path), Err: err}
		}
	}
}

// makeDirs makes the directories that the place lacks, marks them as ours, and opens the last. They get the owner of
// the directory above: in a user namespace that is the container's root.
func (p place) makeDirs(root *os.File) (*os.File, error) {
	dir, err := openDir(root, ".")
	for _, path := range p.dirs() {
		if err != nil {
			return nil, err
		}
		above := dir
		dir, err = openDir(root, path)
		if errors.Is(err, unix.ENOENT) {
			dir, err = p.makeDir(above, path)
		}
		closeFile(above)
	}
	return dir, err
}

// makeDir makes and opens one directory. It does not go by the root any more: above is open, and stays what it is.
func (p place) makeDir(above *os.File, path string) (*os.File, error) {
	full, name := filepath.Join(p.Root, path), filepath.Base(path)
	if err := mark(full); err != nil {
		return nil, err
	}
	err := unix.Mkdirat(fd(above), name, 0o755)
	if errors.Is(err, unix.EEXIST) {
		err = chain.Errorf(codePlace, "there is a link that leads nowhere: %w", err)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make directory %s: %w", full, err), unmark(full))
	}
	how := &unix.OpenHow{Flags: unix.O_RDONLY | unix.O_DIRECTORY, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS}
	dir, err := openAt(above, name, how)
	if err != nil {
		return nil, err
	}
	owner, err := stat(above)
	if err == nil {
		err = own(dir, attributes{mode: 0o755, uid: owner.Uid, gid: owner.Gid}) // the umask may have taken from it
	}
	if err != nil {
		closeFile(dir)
		return nil, fmt.Errorf("make directory %s: %w", full, err)
	}
	return dir, nil
}

// removeDirs removes the directories that the link has made for the place, if they are empty, the last first. alone
// says that the last can have no other file of the link: when it is not empty, it is somebody else's from now on.
func (p place) removeDirs(root *os.File, alone bool) error {
	dirs := p.dirs()
	for i := len(dirs) - 1; i >= 0; i-- {
		full := filepath.Join(p.Root, dirs[i])
		ours, err := marked(full)
		if err != nil {
			return err
		}
		if !ours {
			continue
		}
		err = removeDir(root, dirs[i])
		if errors.Is(err, unix.ENOTEMPTY) {
			if alone && i == len(dirs)-1 {
				return unmark(full)
			}
			return nil // the last of our files to go removes it
		}
		if unlessMoved(err) != nil {
			return fmt.Errorf("remove directory %s: %w", full, err)
		}
		if err := unmark(full); err != nil {
			return err
		}
	}
	return nil
}

// alone reports whether the file is the only one of the link in its directory, whatever attachments there are.
func (p place) alone() bool { return p.Root == "/" || p.inContainer() }

// inContainer reports whether the root is a process' own: what is below it is the container's, and so is not trusted.
func (p place) inContainer() bool {
	return strings.HasPrefix(p.Root, "/proc/") && filepath.Base(p.Root) == "root"
}

func removeDir(root *os.File, path string) error {
	above, err := openDir(root, filepath.Dir(path))
	if err != nil {
		return err
	}
	defer closeFile(above)
	return unix.Unlinkat(fd(above), filepath.Base(path), unix.AT_REMOVEDIR)
}

// forgetDirs forgets which directories the link has made below a root that is gone.
func (p place) forgetDirs() error {
	var errs []error
	for _, path := range p.dirs() {
		errs = append(errs, unmark(filepath.Join(p.Root, path)))
	}
	return errors.Join(errs...)
}

// dirs are the directories from the root to the file, the outermost first: "a/b/file" has "a" and "a/b".
func (p place) dirs() []string {
	var dirs []string
	for i, r := range p.Path {
		if r == '/' {
			dirs = append(dirs, p.Path[:i])
		}
	}
	return dirs
}

func fd(file *os.File) int { return int(file.Fd()) }

// closeFile closes what was only read or opened as a path: nothing can be lost.
func closeFile(file *os.File) { _ = file.Close() }

func stat(file *os.File) (*unix.Stat_t, error) {
	s := &unix.Stat_t{}
	if err := unix.Fstat(fd(file), s); err != nil {
		return nil, &os.PathError{Op: "stat", Path: file.Name(), Err: err}
	}
	return s, nil
}
