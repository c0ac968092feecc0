// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Package runtimes puts chains under the programs that people run containers with, each started here on a machine of
// its own: containerd (by ctr and by the CRI), podman, go-cni as nerdctl uses it, and a caller with the manners of
// CRI-O. What came of it is one table, in docs/runtimes.md. It is a module of its own for the sake of the CRI's API and
// go-cni.
package runtimes

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/e2e/harness"
)

func TestMain(m *testing.M) { harness.Main(reported{m}, shareNamespaces, ownLocks) }

// shareNamespaces does what "ip netns add" and podman do when they are first called. Done later, it would put a second
// mount over every namespace that there is.
func shareNamespaces() error {
	const dir = "/run/netns"
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(dir, dir, "none", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("mount %s: %w", dir, err)
	}
	return unix.Mount("", dir, "none", unix.MS_SHARED|unix.MS_REC, "")
}

// ownLocks keeps podman's, which are in shared memory, apart from those of the machine's podman.
func ownLocks() error { return unix.Mount("tmpfs", "/dev/shm", "tmpfs", 0, "mode=1777") }

// cgroup is what all cgroups of containers are under: runtimes leave some.
func cgroup() string { return fmt.Sprintf("/cni-chain-e2e-%d", os.Getpid()) }

// removeCgroups removes those left, the inner ones first, in every hierarchy.
func removeCgroups() {
	roots, _ := filepath.Glob("/sys/fs/cgroup/*" + cgroup())
	for _, root := range append(roots, "/sys/fs/cgroup"+cgroup()) {
		var dirs []string
		_ = filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append(dirs, path)
			}
			return nil
		})
		for _, dir := range slices.Backward(dirs) {
			_ = unix.Rmdir(dir)
		}
	}
}

// reported runs the tests and tells their outcome as a table, which goes into the page when RUNTIMES_PAGE=write.
type reported struct{ tests interface{ Run() int } }

func (r reported) Run() int {
	defer removeCgroups()
	code := r.tests.Run()
	if len(matrix.rows) == 0 {
		return code
	}
	fmt.Print("\n", matrix.markdown(), "\n")
	if os.Getenv("RUNTIMES_PAGE") != "write" || flag.Lookup("test.run").Value.String() != "" { // a part is no table
		return code
	}
	if err := matrix.writeTo(filepath.Join(harness.Root(), "docs/runtimes.md")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}
