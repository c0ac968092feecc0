// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package testnet

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/netns"
)

// childVar tells a start of the program that it is to do one thing for another start of it, and what.
const childVar = "TESTNET_CHILD"

// What a child does. Its arguments begin with the namespace's name, or the container's root directory.
const (
	childExec  = "exec"
	childSleep = "sleep"
)

// childCommand starts this program once more, as a child.
func childCommand(what string, args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), childVar+"="+what)
	return cmd
}

// runChild does the child's work and ends the process, if this process is one.
func runChild() {
	what := os.Getenv(childVar)
	if what == "" {
		return
	}
	runtime.LockOSThread()
	err := os.Unsetenv(childVar)
	switch {
	case err != nil:
	case what == childExec && len(os.Args) > 2:
		err = execIn(os.Args[1], os.Args[2:])
	case what == childSleep && len(os.Args) == 2:
		err = sleepIn(os.Args[1])
	default:
		err = fmt.Errorf("unknown or without arguments")
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "testnet child %s: %v\n", what, err)
		syscall.Exit(1)
	}
	syscall.Exit(0)
}

// execIn becomes the command, in the namespace and with its files of /etc. The process has a mount namespace of its
// own already.
func execIn(name string, command []string) error {
	path, err := exec.LookPath(command[0])
	if err != nil {
		return err
	}
	dir := filepath.Join("/etc/netns", name)
	files, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, file := range files {
		over := filepath.Join("/etc", file.Name())
		if err := unix.Mount(filepath.Join(dir, file.Name()), over, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount %s/%s on %s: %w", dir, file.Name(), over, err)
		}
	}
	ns, err := netns.Open(netns.Path(name))
	if err != nil {
		return err
	}
	if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter network namespace %q: %w", name, err)
	}
	return unix.Exec(path, command, os.Environ())
}

// sleepIn makes root the root directory of this process, says so on stdout, and sleeps until stdin is closed: then the
// process that wanted the container has no more use for it, or has died.
func sleepIn(root string) error {
	if root != "" {
		if err := pivot(root); err != nil {
			return err
		}
	}
	if err := setUp("lo"); err != nil {
		return err
	}
	if _, err := os.Stdout.WriteString("ready\n"); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// pivot makes root the root of this process' mount namespace, with nothing else in it, as a container runtime does.
func pivot(root string) error {
	if err := unix.Mount(root, root, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("mount %s: %w", root, err)
	}
	if err := os.Chdir(root); err != nil {
		return err
	}
	// With both arguments the same, the old root ends up over the new one and can be unmounted: pivot_root(2), notes.
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot_root to %s: %w", root, err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount the old root: %w", err)
	}
	return os.Chdir("/")
}
