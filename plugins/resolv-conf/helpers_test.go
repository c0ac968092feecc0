// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/chain/chaintest"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// attachment is one of the tests', with the fields of its configuration.
type attachment struct {
	network, container, ifname, netns, conf string
}

func (a attachment) call(verb string) chaintest.Call {
	conf := a.conf
	if verb == "CHECK" {
		conf = strings.TrimPrefix(conf+`, "prevResult": {}`, ", ")
	}
	if conf != "" {
		conf = ", " + conf
	}
	return chaintest.Call{Command: verb, ContainerID: a.container, IfName: a.ifname, NetNS: a.netns,
		Config: fmt.Sprintf(`{"cniVersion": "1.1.0", "name": %q, "type": "resolv-conf"%s}`, a.network, conf)}
}

func (a attachment) run(t *testing.T, verb string) chaintest.Outcome {
	t.Helper()
	return chaintest.Run(t, plugin, a.call(verb))
}

func (a attachment) ok(t *testing.T, verb string) chaintest.Outcome {
	t.Helper()
	return a.run(t, verb).OK(t)
}

// servers is a configuration that inherits nothing from the machine that runs the tests.
func servers(more string, list ...string) string {
	conf := fmt.Sprintf(`"dns": {"nameservers": ["%s"], "search": [], "options": []}`, strings.Join(list, `", "`))
	if more != "" {
		conf += ", " + more
	}
	return conf
}

// world is all that the link may change below the directories, and its own state.
func world(t *testing.T, dirs ...string) string {
	t.Helper()
	var b strings.Builder
	for _, dir := range append(dirs, "/etc/netns", stateDir) {
		err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) || path == stateDir || path == "/etc/netns" && machineHasNetns {
				return nil
			}
			if err != nil {
				return err
			}
			return describe(&b, path, entry)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

func describe(b *strings.Builder, path string, entry fs.DirEntry) error {
	info, err := entry.Info()
	if err != nil {
		return err
	}
	owner := info.Sys().(*syscall.Stat_t)
	text := ""
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		text, err = os.Readlink(path)
	case info.Mode().IsRegular() && info.Size() < 1<<16:
		var data []byte
		data, err = os.ReadFile(path)
		text = string(data)
	}
	fmt.Fprintf(b, "%s %v %d:%d %q\n", path, info.Mode(), owner.Uid, owner.Gid, text)
	return err
}

// unchanged fails the test unless the world is what it was.
func unchanged(t *testing.T, before string, dirs ...string) {
	t.Helper()
	if diff := cmp.Diff(before, world(t, dirs...)); diff != "" {
		t.Errorf("left behind (-before +after):\n%s", diff)
	}
}

func wantText(t *testing.T, path, want string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(data)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// wantServers compares the name servers that a resolver would read from the file.
func wantServers(t *testing.T, path string, want ...string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(data)) {
		if server, ok := strings.CutPrefix(line, "nameserver "); ok {
			got = append(got, strings.TrimSpace(server))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("name servers in %s (-want +got):\n%s", path, diff)
	}
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func mkdir(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o750); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, target, path string) {
	t.Helper()
	mkdir(t, filepath.Dir(path))
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

func edit(path, old, now string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte(strings.Replace(string(data), old, now, 1)), 0o644)
}

func chown(t *testing.T, path string, uid, gid int) {
	t.Helper()
	if err := os.Lchown(path, uid, gid); err != nil {
		testnet.Lacks(t, "more users than one in the user namespace")
	}
}

// mount binds source over target until the test ends.
func mount(t *testing.T, source, target string, flags uintptr) {
	t.Helper()
	testnet.Need(t)
	if err := unix.Mount(source, target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(target, unix.MNT_DETACH) })
	if flags == 0 {
		return
	}
	if err := unix.Mount("", target, "", unix.MS_BIND|unix.MS_REMOUNT|flags, ""); err != nil {
		t.Fatal(err)
	}
}
