// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// inContainer starts a container on the root directory and gives the attachment for it.
func inContainer(t *testing.T, root string) (*testnet.Container, attachment) {
	t.Helper()
	c := testnet.NewContainer(t, root)
	return c, attachment{"net", "c1", "eth0", c.Path, servers("", "192.0.2.1")}
}

func TestContainerRoot(t *testing.T) {
	for _, tc := range []struct {
		name  string
		setup func(t *testing.T, root string)
	}{
		{"no /etc", func(*testing.T, string) {}},
		{"an empty /etc", func(t *testing.T, root string) { mkdir(t, root+"/etc") }},
		{"a file", func(t *testing.T, root string) { put(t, root+"/etc/resolv.conf", "nameserver 9.9.9.9\n# x") }},
		{"a file of another owner and mode", func(t *testing.T, root string) {
			put(t, root+"/etc/resolv.conf", "nameserver 9.9.9.9\n")
			if err := os.Chmod(root+"/etc/resolv.conf", 0o604); err != nil {
				t.Fatal(err)
			}
			chown(t, root+"/etc/resolv.conf", 123, 456)
		}},
		{"/etc of another owner", func(t *testing.T, root string) {
			mkdir(t, root+"/etc")
			chown(t, root+"/etc", 123, 456)
		}},
		{"a link inside", func(t *testing.T, root string) {
			put(t, root+"/run/resolv.conf", "nameserver 9.9.9.9\n")
			link(t, "../run/resolv.conf", root+"/etc/resolv.conf")
		}},
		{"a link that leads nowhere", func(t *testing.T, root string) {
			link(t, "/run/none/resolv.conf", root+"/etc/resolv.conf")
		}},
		{"a link to itself", func(t *testing.T, root string) { link(t, "resolv.conf", root+"/etc/resolv.conf") }},
		{"/etc is a link", func(t *testing.T, root string) {
			mkdir(t, root+"/usr/etc")
			link(t, "/usr/etc", root+"/etc")
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			root := t.TempDir()
			tc.setup(t, root)
			_, a := inContainer(t, root)
			before := world(t, root)
			for _, del := range []string{"given all", "the names alone"} {
				a.ok(t, "ADD")
				a.ok(t, "CHECK")
				etc := root + "/etc"
				if _, err := os.Stat(root + "/usr/etc"); err == nil {
					etc = root + "/usr/etc" // what the link means inside
				}
				wantServers(t, etc+"/resolv.conf", "192.0.2.1")
				gone := a
				if del == "the names alone" {
					gone.netns, gone.conf = "", ""
				}
				gone.ok(t, "DEL")
				unchanged(t, before, root)
				gone.ok(t, "DEL")
			}
		})
	}
}

func TestNewFileBelongsToTheContainer(t *testing.T) {
	for _, tc := range []struct {
		name, path string // the one to look at
		setup      func(t *testing.T, root string)
		mode       os.FileMode
		uid        uint32
	}{
		{"a file in an /etc that is not ours", "etc/resolv.conf", func(t *testing.T, root string) {
			mkdir(t, root+"/etc")
			chown(t, root+"/etc", 123, 456)
		}, 0o644, 123},
		{"an /etc", "etc", func(t *testing.T, root string) { chown(t, root, 123, 456) }, 0o755 | os.ModeDir, 123},
		{"a replaced file", "etc/resolv.conf", func(t *testing.T, root string) {
			put(t, root+"/etc/resolv.conf", "")
			chown(t, root+"/etc/resolv.conf", 124, 456)
		}, 0o644, 124},
	} {
		t.Run(tc.name, func(t *testing.T) {
			root := t.TempDir()
			tc.setup(t, root)
			_, a := inContainer(t, root)
			old := syscall.Umask(0o077)
			a.ok(t, "ADD")
			syscall.Umask(old)
			info, err := os.Stat(filepath.Join(root, tc.path))
			if err != nil {
				t.Fatal(err)
			}
			if uid := info.Sys().(*syscall.Stat_t).Uid; info.Mode() != tc.mode || uid != tc.uid {
				t.Errorf("%v of user %d, want %v of %d", info.Mode(), uid, tc.mode, tc.uid)
			}
		})
	}
}

// A process that has only left the network namespace reads the host's file: it is not to be touched.
func TestHostsOwnFileIsNotTouched(t *testing.T) {
	c, a := inContainer(t, "")
	before, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		t.Fatal(err)
	}
	if o := a.ok(t, "ADD"); !strings.Contains(o.Stderr, "host's own root directory") ||
		!strings.Contains(o.Stdout, "192.0.2.1") {
		t.Errorf("no warning, or no result: %s%s", o.Stderr, o.Stdout)
	}
	a.ok(t, "CHECK")
	a.ok(t, "DEL")
	a.conf = servers(`"writeTo": "rootfs"`, "192.0.2.1")
	a.run(t, "ADD").Fails(t, codePlace, "host's own root directory")
	wantText(t, "/etc/resolv.conf", string(before))
	wantText(t, fmt.Sprintf("/proc/%d/root/etc/resolv.conf", c.PID), string(before))
	unchanged(t, "")
}

func TestContainerIsGone(t *testing.T) {
	root := t.TempDir()
	c, a := inContainer(t, root)
	a.ok(t, "ADD")
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	a.ok(t, "DEL")
	unchanged(t, "")
	// Its files may be somebody's still, as when the container is started again.
	_, again := inContainer(t, root)
	again.conf = servers("", "192.0.2.2")
	again.ok(t, "ADD")
	wantServers(t, root+"/etc/resolv.conf", "192.0.2.2")
	again.ok(t, "DEL")
	unchanged(t, "")
}

// The same container in a new namespace, and no DEL in between.
func TestEarlierLifeIsCleared(t *testing.T) {
	ns1, ns2 := testnet.NewNS(t), testnet.NewNS(t)
	a := attachment{"net", "c1", "eth0", ns1.Path, servers("", "192.0.2.1")}
	a.ok(t, "ADD")
	a.netns = ns2.Path
	a.ok(t, "ADD")
	if _, err := os.Stat(fileOf(ns1)); err == nil {
		t.Error("the file of the first namespace is still there")
	}
	a.ok(t, "CHECK")
	a.ok(t, "DEL")
	unchanged(t, "")
}

// The record names a process, and by the time of DEL another process has its number.
func TestProcessNumberIsUsedAgain(t *testing.T) {
	mine, others := t.TempDir(), t.TempDir()
	put(t, mine+"/etc/resolv.conf", "")
	put(t, others+"/etc/resolv.conf", "nameserver 9.9.9.9\n")
	_, a := inContainer(t, mine)
	c2, b := inContainer(t, others)
	b.container = "c2"
	b.conf = servers("", "192.0.2.2")
	b.ok(t, "ADD")
	a.ok(t, "ADD")
	rec, err := readRecord("cni-chain:net/c1/eth0")
	if err != nil {
		t.Fatal(err)
	}
	rec.Files[0].place = rootOf(c2.PID)
	if err := rec.write(); err != nil {
		t.Fatal(err)
	}
	a.netns = ""
	a.ok(t, "DEL")
	wantServers(t, others+"/etc/resolv.conf", "192.0.2.2")
	b.ok(t, "CHECK")
	b.ok(t, "DEL")
	wantText(t, others+"/etc/resolv.conf", "nameserver 9.9.9.9\n")
}

func TestNamespaceOfAnotherProcess(t *testing.T) {
	c1, _ := inContainer(t, t.TempDir())
	c2, _ := inContainer(t, t.TempDir())
	root, err := rootOf(c1.PID).openRoot(c2.File())
	if err == nil {
		closeFile(root)
		t.Fatal("the root of one process is opened for the namespace of another")
	}
	if root, err = rootOf(c1.PID).openRoot(c1.File()); err != nil {
		t.Fatal(err)
	}
	closeFile(root)
}

func TestReadOnlyRoot(t *testing.T) {
	root := t.TempDir()
	mkdir(t, root+"/etc")
	mount(t, root, root, unix.MS_RDONLY)
	_, a := inContainer(t, root)
	before := world(t, root)
	a.run(t, "ADD").Fails(t, chain.CodeStep, "read-only file system")
	unchanged(t, before, root)
	a.ok(t, "DEL")
}
