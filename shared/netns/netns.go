// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Package netns opens network namespaces, runs functions inside them, and makes named ones the way ip-netns(8) does.
//
// A thread that is in the wrong namespace is the worst bug of this field: everything later lands on the wrong machine
// half. Do therefore never lends the caller's thread: each call has a goroutine and a thread of its own, and a thread
// that cannot be brought back dies. Where a netlink socket is all that is needed, opening it in the namespace
// (netlink.NewHandleAt) is cheaper and needs no Do; Do is for sysctls, ordinary sockets and programs.
package netns

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// ErrNotNetNS is in the error of Open for a path that exists and is not a network namespace: a directory, a file whose
// namespace was unmounted, a namespace of another kind.
var ErrNotNetNS = errors.New("not a network namespace")

// own is the namespace of the calling thread.
const own = "/proc/thread-self/ns/net"

// Open opens the network namespace at path, such as /run/netns/NAME or /proc/PID/ns/net. The error has fs.ErrNotExist
// when nothing is there and ErrNotNetNS when something else is. The open file keeps the namespace alive; it is what
// should be used from then on, as the path may be made to name another namespace at any time.
func Open(path string) (*os.File, error) {
	// O_NONBLOCK: the path comes from outside, and opening a pipe would block until somebody writes.
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		if errors.Is(err, unix.ENXIO) { // a socket
			err = ErrNotNetNS
		}
		return nil, fmt.Errorf("open network namespace %q: %w", path, withoutPath(err))
	}
	if err := check(file); err != nil {
		file.Close()
		return nil, fmt.Errorf("open network namespace %q: %w", path, err)
	}
	return file, nil
}

// Current opens the namespace that the calling goroutine is in. Outside Do, and unless the caller has locked its thread
// and switched it, that is the namespace of the process.
func Current() (*os.File, error) {
	return Open(own)
}

// New makes a network namespace without a name. It lives until the file and everything else that refers to it is
// closed. Its loopback interface is down, as the kernel makes it.
func New() (*os.File, error) {
	var created *os.File
	err := onOwnThread(func() error { return unix.Unshare(unix.CLONE_NEWNET) }, func() (err error) {
		created, err = Current()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("make network namespace: %w", err)
	}
	return created, nil
}

// Same reports whether two open namespaces are one.
func Same(a, b *os.File) (bool, error) {
	aInfo, err := a.Stat()
	if err != nil {
		return false, fmt.Errorf("compare network namespaces: %w", err)
	}
	bInfo, err := b.Stat()
	if err != nil {
		return false, fmt.Errorf("compare network namespaces: %w", err)
	}
	return os.SameFile(aInfo, bInfo), nil
}

// Do runs fn in the namespace, on a goroutine and a thread of its own, and returns fn's error as it is. Goroutines that
// fn starts are not in the namespace; sockets and child processes that fn opens or starts are. A panic in fn, and the
// runtime.Goexit of a failed test, go on in the caller.
func Do(ns *os.File, fn func() error) error {
	return onOwnThread(func() error {
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter network namespace %q: %w", ns.Name(), err)
		}
		return nil
	}, fn)
}

// DoPath opens the namespace at path and runs fn in it.
func DoPath(path string, fn func() error) error {
	ns, err := Open(path)
	if err != nil {
		return err
	}
	defer ns.Close()
	return Do(ns, fn)
}

// onOwnThread runs enter and then fn on a fresh locked goroutine, and takes the thread back to the namespace it came
// from. A thread that cannot go back stays locked, and the runtime ends it with its goroutine.
func onOwnThread(enter, fn func() error) error {
	var err error
	var panicked any
	exited := true // until fn returns or panics: what else ends a goroutine is Goexit
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		home, openErr := unix.Open(own, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if openErr != nil {
			err, exited = fmt.Errorf("open network namespace %q: %w", own, openErr), false
			return
		}
		defer func() {
			if unix.Setns(home, unix.CLONE_NEWNET) == nil {
				runtime.UnlockOSThread()
			}
			_ = unix.Close(home)
		}()
		defer func() {
			if v := recover(); v != nil {
				panicked, exited = fmt.Sprintf("%v\n\nin a network namespace:\n%s", v, debug.Stack()), false
			}
		}()
		if err = enter(); err == nil {
			err = fn()
		}
		exited = false
	}()
	<-done
	switch {
	case panicked != nil:
		panic(panicked)
	case exited:
		runtime.Goexit()
	}
	return err
}

// check reports ErrNotNetNS unless the file is a network namespace: on nsfs, and by NS_GET_NSTYPE of the right kind.
func check(file *os.File) error {
	var fsInfo unix.Statfs_t
	if err := unix.Fstatfs(int(file.Fd()), &fsInfo); err != nil {
		return fmt.Errorf("statfs: %w", err)
	}
	if int64(fsInfo.Type) != unix.NSFS_MAGIC {
		return describe(file)
	}
	kind, err := unix.IoctlRetInt(int(file.Fd()), unix.NS_GET_NSTYPE)
	if err != nil {
		return fmt.Errorf("ask for the kind of namespace: %w", err)
	}
	if kind != unix.CLONE_NEWNET {
		return fmt.Errorf("a namespace of another kind: %w", ErrNotNetNS)
	}
	return nil
}

// describe says what the file is instead of a namespace.
func describe(file *os.File) error {
	info, err := file.Stat()
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("a directory: %w", ErrNotNetNS)
	case info.Mode().IsRegular():
		return fmt.Errorf("a plain file (has the namespace been unmounted?): %w", ErrNotNetNS)
	default:
		return fmt.Errorf("a %s file: %w", info.Mode().Type(), ErrNotNetNS)
	}
}

// withoutPath drops the path from an error of package os, as ours already has it.
func withoutPath(err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Err
	}
	return err
}
