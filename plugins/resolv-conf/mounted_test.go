// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/chain"
)

// Runtimes mount a file of theirs over the container's. It is written in place, and the mount stays.
func TestMountedFile(t *testing.T) {
	root := t.TempDir()
	theirs := filepath.Join(t.TempDir(), "theirs")
	put(t, theirs, "nameserver 9.9.9.9\n"+strings.Repeat("# a long comment\n", 20))
	put(t, root+"/etc/resolv.conf", "beneath")
	mount(t, theirs, root+"/etc/resolv.conf", 0)
	_, a := inContainer(t, root)
	before := world(t, root, theirs)
	a.ok(t, "ADD")
	a.ok(t, "CHECK")
	wantServers(t, theirs, "192.0.2.1")
	wantServers(t, root+"/etc/resolv.conf", "192.0.2.1")
	b := a
	b.network, b.conf = "other", servers("", "192.0.2.2")
	b.ok(t, "ADD")
	wantServers(t, theirs, "192.0.2.1", "192.0.2.2")
	b.ok(t, "DEL")
	a.netns, a.conf = "", ""
	a.ok(t, "DEL")
	unchanged(t, before, root, theirs)
}

func TestMountedFileThatCannotBeWritten(t *testing.T) {
	for _, tc := range []struct {
		name  string
		flags uintptr
		owner int // of the root directory: the container's root
		code  uint
		word  string
	}{
		{"read-only", unix.MS_RDONLY, 0, chain.CodeStep, "read-only"},
		{"not the container's", 0, 123, codePlace, "does not belong to the container's root"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			root := t.TempDir()
			theirs := filepath.Join(t.TempDir(), "theirs")
			put(t, theirs, "nameserver 9.9.9.9\n")
			put(t, root+"/etc/resolv.conf", "")
			chown(t, root, tc.owner, 0)
			chown(t, root+"/etc", tc.owner, 0)
			mount(t, theirs, root+"/etc/resolv.conf", tc.flags)
			_, a := inContainer(t, root)
			before := world(t, root, theirs)
			a.run(t, "ADD").Fails(t, tc.code, tc.word)
			unchanged(t, before, root, theirs)
			a.ok(t, "DEL")
			unchanged(t, before, root, theirs)
		})
	}
}

// In a user namespace, who runs in the container can mount a directory of the host's over /etc.
func TestMountedDirectory(t *testing.T) {
	for _, tc := range []struct {
		name      string
		root, etc int // owners
		code      uint
	}{
		{"as the runtime does", 0, 0, 0},
		{"in a user namespace", 123, 123, 0},
		{"in a user namespace, and the host's", 123, 0, codePlace},
	} {
		t.Run(tc.name, func(t *testing.T) {
			root, volume := t.TempDir(), t.TempDir()
			mkdir(t, root+"/etc")
			put(t, volume+"/resolv.conf", "nameserver 9.9.9.9\n")
			chown(t, root, tc.root, 0)
			chown(t, volume, tc.etc, 0)
			mount(t, volume, root+"/etc", 0)
			_, a := inContainer(t, root)
			before := world(t, root, volume)
			if o := a.run(t, "ADD"); tc.code != 0 {
				o.Fails(t, tc.code, "container's root")
			} else {
				o.OK(t)
				wantServers(t, volume+"/resolv.conf", "192.0.2.1")
			}
			a.ok(t, "DEL")
			unchanged(t, before, root, volume)
		})
	}
}
