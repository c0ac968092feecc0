// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

const foreign = "nameserver 9.9.9.9\n"

// An image, or who runs in the container, may put anything into the root directory. Whatever it is, nothing outside is
// read, written or waited for; and a DEL succeeds.
func TestHostileRoot(t *testing.T) {
	for _, tc := range []struct {
		name  string
		setup func(t *testing.T, root, outside string)
		code  uint // of ADD; 0 for success
		word  string
	}{
		{"resolv.conf is an absolute link outside", func(t *testing.T, root, outside string) {
			link(t, outside+"/resolv.conf", root+"/etc/resolv.conf")
		}, 0, ""},
		{"resolv.conf is a relative link outside", func(t *testing.T, root, outside string) {
			link(t, up(outside)+"/resolv.conf", root+"/etc/resolv.conf")
		}, 0, ""},
		{"resolv.conf is a link to a link to itself", func(t *testing.T, root, _ string) {
			link(t, "a", root+"/etc/resolv.conf")
			link(t, "resolv.conf", root+"/etc/a")
		}, 0, ""},
		{"resolv.conf is a link through /proc", func(t *testing.T, root, _ string) {
			link(t, "/proc/1/root/etc/hostname", root+"/etc/resolv.conf")
		}, 0, ""},
		{"/etc is an absolute link outside", func(t *testing.T, root, outside string) { link(t, outside, root+"/etc") },
			codePlace, "leads nowhere"},
		{"/etc is a relative link outside", func(t *testing.T, root, outside string) { link(t, up(outside), root+"/etc") },
			codePlace, "leads nowhere"},
		{"/etc is a link to itself", func(t *testing.T, root, _ string) { link(t, "etc", root+"/etc") },
			chain.CodeStep, "too many levels"},
		{"/etc is a file", func(t *testing.T, root, _ string) { put(t, root+"/etc", foreign) },
			chain.CodeStep, "not a directory"},
		{"/etc is a link to a volume", func(t *testing.T, root, outside string) {
			mkdir(t, root+"/volume")
			mount(t, outside, root+"/volume", 0)
			link(t, "/volume", root+"/etc")
		}, chain.CodeStep, "cross-device"},
		{"/etc is a link through /proc", func(t *testing.T, root, _ string) {
			mkdir(t, root+"/proc")
			mount(t, "/proc", root+"/proc", 0)
			link(t, "/proc/1/root/etc", root+"/etc")
		}, chain.CodeStep, "cross-device"},
		{"resolv.conf is a directory", func(t *testing.T, root, _ string) { mkdir(t, root+"/etc/resolv.conf") },
			codePlace, "is a directory"},
		{"resolv.conf is a pipe", func(t *testing.T, root, _ string) {
			mkdir(t, root+"/etc")
			if err := unix.Mkfifo(root+"/etc/resolv.conf", 0o644); err != nil {
				t.Fatal(err)
			}
		}, codePlace, "is a named pipe"},
		{"resolv.conf is a socket", func(t *testing.T, root, _ string) {
			mkdir(t, root+"/etc")
			listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: root + "/etc/resolv.conf"})
			if err != nil {
				t.Fatal(err)
			}
			listener.SetUnlinkOnClose(false)
			_ = listener.Close()
		}, codePlace, "is a socket"},
		{"resolv.conf is a device", func(t *testing.T, root, _ string) {
			mkdir(t, root+"/etc")
			if err := unix.Mknod(root+"/etc/resolv.conf", unix.S_IFCHR|0o644, 0); err != nil { // 0:0 on a disk is a whiteout
				testnet.Lacks(t, "mknod")
			}
		}, codePlace, "is a device"},
		{"resolv.conf is a switch of the kernel", func(t *testing.T, root, _ string) {
			put(t, root+"/etc/resolv.conf", "")
			mount(t, "/proc/self/comm", root+"/etc/resolv.conf", 0)
		}, codePlace, "file of the kernel"},
		{"resolv.conf is too long", func(t *testing.T, root, _ string) {
			put(t, root+"/etc/resolv.conf", strings.Repeat("# comment\n", 1<<18))
		}, codePlace, "more than"},
		{"the name of the new file is taken by a link", func(t *testing.T, root, outside string) {
			link(t, outside+"/resolv.conf", root+"/etc/"+tempName("cni-chain:net/c1/eth0"))
		}, 0, ""},
		{"the name of the new file is taken by a directory", func(t *testing.T, root, _ string) {
			mkdir(t, root+"/etc/"+tempName("cni-chain:net/c1/eth0"))
		}, chain.CodeStep, "is a directory"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			testnet.Need(t)
			root, outside := t.TempDir(), t.TempDir()
			put(t, outside+"/resolv.conf", foreign)
			tc.setup(t, root, outside)
			_, a := inContainer(t, root)
			before := world(t, outside)
			switch o := a.run(t, "ADD"); {
			case tc.code != 0:
				o.Fails(t, tc.code, tc.word)
				unchanged(t, before, outside)
			default:
				o.OK(t)
				wantServers(t, root+"/etc/resolv.conf", "192.0.2.1")
				a.ok(t, "CHECK")
			}
			a.ok(t, "DEL")
			unchanged(t, before, outside)
		})
	}
}

// What is put in the place of our file after ADD does not keep DEL from succeeding, and is left as it is.
func TestHostileAfterAdd(t *testing.T) {
	for _, tc := range []struct {
		name string
		do   func(t *testing.T, root, outside string)
	}{
		{"resolv.conf is a link outside", func(t *testing.T, root, outside string) {
			link(t, outside+"/resolv.conf", root+"/etc/resolv.conf")
		}},
		{"resolv.conf is a pipe", func(t *testing.T, root, _ string) {
			if err := unix.Mkfifo(root+"/etc/resolv.conf", 0o644); err != nil {
				t.Fatal(err)
			}
		}},
		{"resolv.conf is a directory", func(t *testing.T, root, _ string) { mkdir(t, root+"/etc/resolv.conf") }},
		{"/etc is a link outside", func(t *testing.T, root, outside string) {
			if err := os.RemoveAll(root + "/etc"); err != nil {
				t.Fatal(err)
			}
			link(t, outside, root+"/etc")
		}},
		{"/etc is gone", func(t *testing.T, root, _ string) { _ = os.RemoveAll(root + "/etc") }},
		{"the name of the new file is taken", func(t *testing.T, root, _ string) {
			mkdir(t, root+"/etc/"+tempName("cni-chain:net/c1/eth0"))
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			root, outside := t.TempDir(), t.TempDir()
			_, a := inContainer(t, root)
			// Our tag is no secret: outside, it must not help.
			put(t, outside+"/resolv.conf", "# cni-chain:net/c1/eth0 nameserver 192.0.2.1\n# was: x\n")
			before := world(t, outside)
			a.ok(t, "ADD")
			_ = os.Remove(root + "/etc/resolv.conf")
			tc.do(t, root, outside)
			mine := world(t, root)
			a.netns = ""
			a.ok(t, "DEL")
			unchanged(t, before, outside)
			if got := world(t, root); strings.Count(got, "\n") > strings.Count(mine, "\n") {
				t.Errorf("more than before:\n%s\nnow:\n%s", mine, got)
			}
		})
	}
}

// While the link writes, /etc is a directory one moment and a link outside the next.
func TestEtcIsSwappedMeanwhile(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	put(t, outside+"/resolv.conf", foreign)
	put(t, root+"/etc/resolv.conf", foreign)
	put(t, root+"/usr/etc/resolv.conf", foreign)
	_, a := inContainer(t, root)
	before := world(t, outside)
	link(t, up(outside), root+"/link")
	stop, swapped := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		defer func() { swapped <- n }()
		for _, other := range cycle(root+"/link", root+"/usr/etc") {
			select {
			case <-stop:
				return
			default:
			}
			if unix.Renameat2(unix.AT_FDCWD, root+"/etc", unix.AT_FDCWD, other, unix.RENAME_EXCHANGE) == nil {
				n++
			}
		}
	}()
	done := map[bool]int{}
	for range 500 {
		o := a.run(t, "ADD")
		done[o.Exit == 0]++
		a.ok(t, "DEL")
	}
	close(stop)
	t.Logf("%d swaps, %d ADDs succeeded, %d failed", <-swapped, done[true], done[false])
	unchanged(t, before, outside)
}

// cycle yields the values over and over.
func cycle(values ...string) func(func(int, string) bool) {
	return func(yield func(int, string) bool) {
		for i := 0; yield(i, values[i%len(values)]); i++ {
		}
	}
}

// up leads from anywhere to an absolute path.
func up(path string) string {
	return filepath.Join(strings.Repeat("../", 30), path)
}
