// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"syscall"
)

// openSandbox opens and checks CNI_NETNS before the link runs: an interface made in the wrong namespace is made on the
// host. On DEL a namespace that is gone, or that never was one, is none: what the link made on the host goes all the
// same.
func (r *Request[C]) openSandbox(cmd, override string) error {
	if cmd == "GC" || cmd == "STATUS" || r.NetNS == "" {
		r.NetNS = ""
		return nil
	}
	file, err := openNetNS(r.NetNS, override == "1" || strings.EqualFold(override, "true"))
	if err == nil {
		r.sandbox = file
		return nil
	}
	if cmd != "DEL" {
		return err
	}
	level := slog.LevelInfo
	if errors.Is(err, fs.ErrPermission) {
		level = slog.LevelWarn // it may well be there: what is in it stays
	}
	r.Log.Log(context.Background(), level, "DEL goes on without a namespace", "netns", r.NetNS, "err", err)
	r.NetNS = ""
	return nil
}

// openNetNS opens a network namespace that is not the process' own, unless that is allowed (CNI_NETNS_OVERRIDE, which
// libcni's tools use).
func openNetNS(path string, allowOwn bool) (*os.File, error) {
	file, err := openBlocking(path)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, Errorf(CodeNetNS, "open CNI_NETNS: %w: CAP_SYS_PTRACE is needed for the namespace of a process that has "+
			"other capabilities, or another user", err)
	case err != nil:
		return nil, Errorf(CodeNetNS, "open CNI_NETNS: %w: the runtime makes the namespace before ADD", err)
	}
	own, err := os.Stat("/proc/thread-self/ns/net")
	if err != nil {
		_ = file.Close()
		return nil, Errorf(CodeNetNS, "read the plugin's own network namespace: %w", err)
	}
	is, err := file.Stat()
	switch {
	case err != nil:
		err = Errorf(CodeNetNS, "read what CNI_NETNS %s is: %w", path, err)
	case !isNetNS(file):
		err = Errorf(CodeNetNS, "CNI_NETNS %s is no network namespace: give a path like /run/netns/NAME or "+
			"/proc/PID/ns/net", path)
	case os.SameFile(own, is) && !allowOwn:
		err = Errorf(CodeNetNS, "CNI_NETNS %s is the host's own network namespace, where the plugin itself runs: "+
			"give the container's", path)
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}

// openBlocking is os.Open without a wait for who writes to a FIFO, and without Go's poller, which costs as much as all
// the rest of this and is for files that can be waited for.
func openBlocking(path string) (*os.File, error) {
	for {
		fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC|syscall.O_NONBLOCK, 0)
		switch {
		case err == syscall.EINTR:
			continue
		case err != nil:
			return nil, &fs.PathError{Op: "open", Path: path, Err: err}
		}
		if err := syscall.SetNonblock(fd, false); err != nil {
			_ = syscall.Close(fd)
			return nil, &fs.PathError{Op: "open", Path: path, Err: err}
		}
		return os.NewFile(uintptr(fd), path), nil
	}
}

// isNetNS asks the kernel for the kind of a namespace file (ioctl_ns(2), linux/nsfs.h). The file's name does not say
// it: that of a namespace mounted elsewhere, as /run/netns/NAME, is where it is mounted.
func isNetNS(file *os.File) bool {
	nsGetNSType := uintptr(0xb703)
	if strings.HasPrefix(runtime.GOARCH, "ppc64") || strings.HasPrefix(runtime.GOARCH, "mips") {
		nsGetNSType |= 1 << 29 // their _IOC_NONE is 1 (uapi/asm/ioctl.h)
	}
	kind, _, errno := syscall.Syscall(syscall.SYS_IOCTL, file.Fd(), nsGetNSType, 0)
	return errno == 0 && kind == syscall.CLONE_NEWNET
}
