// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Package lock keeps the processes of concurrent attachments from changing one shared thing (a bridge, a table, a pool)
// at the same time. One lock per thing, held for the change alone, never one lock for the whole host.
//
// A lock is a flock(2) on a file of its own. The kernel drops it when the holder dies, however it dies, so a killed
// plugin never leaves a lock behind. The file stays: if the holder removed it, one process could hold the removed file
// while another locks a new one of the same name, and both would think they are alone. /run is empty after a reboot.
package lock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Dir holds one file per lock.
const Dir = "/run/cni-chain/lock"

// Acquire waits until the lock of that name is the caller's, and returns the function that gives it back. It waits at
// most until ctx is done, and then returns the context's error. The name becomes a file name: 1 to 255 bytes, no "/",
// not starting with a ".". A lock is not re-entrant: taking it twice in one process waits for ever.
func Acquire(ctx context.Context, name string) (release func(), err error) {
	file, err := open(name)
	if err != nil {
		return nil, fmt.Errorf("take lock %q: %w", name, err)
	}
	err = flock(file, unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return wait(ctx, name, file)
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("take lock %q: %w", name, err)
	}
	return func() { file.Close() }, nil
}

// wait blocks in the kernel, on another goroutine because flock knows no context. When ctx is done first, that
// goroutine stays until the lock is free (flock cannot be called off, and Go offers no signal to one thread), and then
// gives it back at once.
func wait(ctx context.Context, name string, file *os.File) (release func(), err error) {
	got := make(chan error, 1)
	go func() { got <- flock(file, unix.LOCK_EX) }()
	select {
	case err := <-got:
		if err != nil {
			file.Close()
			return nil, fmt.Errorf("wait for lock %q: %w", name, err)
		}
		return func() { file.Close() }, nil
	case <-ctx.Done():
		go func() {
			<-got
			file.Close()
		}()
		return nil, fmt.Errorf("wait for lock %q, which another process holds: %w", name, context.Cause(ctx))
	}
}

// open makes the directory and the file when they are missing. It opens the directory first and the file beneath it, so
// that nobody can slip a link in between, and follows no link at either.
func open(name string) (*os.File, error) {
	if len(name) == 0 || len(name) > 255 || name[0] == '.' || strings.ContainsAny(name, "/\x00") {
		return nil, errors.New("not a file name")
	}
	if err := os.MkdirAll(Dir, 0o700); err != nil {
		return nil, err
	}
	dir, err := unix.Open(Dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: Dir, Err: err}
	}
	defer unix.Close(dir)
	for {
		// O_RDWR does not wait for the other end, should it be a FIFO.
		fd, err := unix.Openat(dir, name, unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, &os.PathError{Op: "open", Path: Dir + "/" + name, Err: err}
		}
		return os.NewFile(uintptr(fd), Dir+"/"+name), nil
	}
}

// flock is flock(2), again when a signal interrupts it.
func flock(file *os.File, how int) error {
	for {
		if err := unix.Flock(int(file.Fd()), how); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
