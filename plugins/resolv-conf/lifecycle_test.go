// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/chain/chaintest"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

func TestCheckTellsMissingFromChanged(t *testing.T) {
	for _, tc := range []struct {
		name string
		do   func(path string) error
		code uint
		word string
	}{
		{"removed", os.Remove, codeMissing, "removed"},
		{"removed with its directory", func(path string) error {
			return os.RemoveAll(filepath.Dir(path))
		}, codeMissing, "missing"},
		{"replaced", func(path string) error {
			return os.WriteFile(path, []byte("nameserver 9.9.9.9\n"), 0o600)
		}, codeChanged, "no part of"},
		{"a line more", func(path string) error {
			return edit(path, "\nnameserver", "\nnameserver 9.9.9.9\nnameserver")
		}, codeChanged, "come to"},
		{"another server", func(path string) error {
			return edit(path, "192.0.2.1", "192.0.2.9")
		}, codeChanged, "192.0.2.9"},
		{"a link in its place", func(path string) error {
			return errors.Join(os.Remove(path), os.Symlink("/nowhere", path))
		}, codeChanged, "no part of"},
		{"written again as it was", func(path string) error { return edit(path, "", "") }, 0, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ns := testnet.NewNS(t)
			before := world(t)
			a := attachment{"net", "c1", "eth0", ns.Path, servers("", "192.0.2.1")}
			a.ok(t, "ADD")
			if err := tc.do(fileOf(ns)); err != nil {
				t.Fatal(err)
			}
			if tc.code != 0 {
				a.run(t, "CHECK").Fails(t, tc.code, "/etc/netns/"+ns.Name+"/resolv.conf", tc.word)
			} else {
				a.ok(t, "CHECK")
			}
			a.ok(t, "DEL")
			if tc.code == codeChanged && tc.word == "no part of" { // somebody else's file now, in a directory of ours
				if _, err := os.Lstat(fileOf(ns)); err != nil {
					t.Error("DEL has removed a file that is not ours")
				}
				_ = os.RemoveAll("/etc/netns")
				_ = os.RemoveAll(stateDir)
			}
			unchanged(t, before)
		})
	}
}

func TestCheckWithoutFiles(t *testing.T) {
	ns := testnet.NewNS(t)
	a := attachment{"net", "c1", "eth0", ns.Path, `"writeTo": "none"`}
	a.ok(t, "CHECK")
	a.conf = ""
	a.run(t, "CHECK").Fails(t, codeMissing, "no record")
}

func TestAddFailsAtEachStep(t *testing.T) {
	ns := testnet.NewNS(t)
	other := attachment{"other", "c1", "eth1", ns.Path, servers("", "192.0.2.9")}
	dir := t.TempDir()
	a := attachment{"net", "c1", "eth0", ns.Path,
		servers(fmt.Sprintf(`"writeTo": ["auto", %q]`, dir+"/{network}/{containerID}"), "192.0.2.1")}
	for _, tc := range []struct {
		name  string
		setup func(t *testing.T)
	}{
		{"nothing there", func(*testing.T) {}},
		{"a file there", func(t *testing.T) { put(t, fileOf(ns), "nameserver 9.9.9.9") }},
		{"a part of another network there", func(t *testing.T) { other.ok(t, "ADD") }},
		{"a part of the same attachment there", func(t *testing.T) { a.ok(t, "ADD") }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.setup(t)
			again := a
			again.conf = strings.ReplaceAll(a.conf, "192.0.2.1", "192.0.2.7")
			look := func(t *testing.T) string { return world(t, dir) }
			steps := chaintest.FailEachStep(t, plugin, again.call("ADD"), nil, look)
			if steps != 3 {
				t.Errorf("%d steps, want 3", steps)
			}
			a.ok(t, "DEL")
			other.ok(t, "DEL")
			_ = os.RemoveAll("/etc/netns")
		})
	}
}

func TestGC(t *testing.T) {
	var all []attachment
	for i := range 4 {
		ns := testnet.NewNS(t)
		all = append(all, attachment{"net", fmt.Sprint("c", i), "eth0", ns.Path, servers("", "192.0.2.1")})
	}
	other := attachment{"other", "c0", "eth0", all[0].netns, servers("", "192.0.2.2")}
	for _, a := range append(all, other) {
		a.ok(t, "ADD")
	}
	gc := func(valid string) {
		t.Helper()
		chaintest.Run(t, plugin, chaintest.Call{Command: "GC",
			Config: `{"cniVersion": "1.1.0", "name": "net", "type": "resolv-conf"` + valid + `}`}).OK(t)
	}
	before := world(t)
	gc("")
	unchanged(t, before)
	// As after a reboot: the record is gone, the file is not.
	if err := removeRecord("cni-chain:net/c3/eth0"); err != nil {
		t.Fatal(err)
	}
	gc(`, "cni.dev/valid-attachments": [{"containerID": "c1", "ifname": "eth0"}]`)
	all[1].ok(t, "CHECK")
	other.ok(t, "CHECK")
	for _, i := range []int{0, 2, 3} {
		all[i].run(t, "CHECK").Fails(t, codeMissing)
	}
	gc(`, "cni.dev/valid-attachments": null`)
	other.ok(t, "DEL")
	if left := world(t); strings.Contains(left, "resolv.conf") {
		t.Errorf("left behind:\n%s", left)
	}
	_ = os.RemoveAll("/etc/netns")
	_ = os.RemoveAll(stateDir)
}

// After a reboot the records are gone. Parts from before count no more, and what was put aside still comes back.
func TestReboot(t *testing.T) {
	ns := testnet.NewNS(t)
	put(t, fileOf(ns), "nameserver 9.9.9.9\n")
	t.Cleanup(func() { _ = os.RemoveAll("/etc/netns") })
	before := world(t)
	old := attachment{"net", "old", "eth0", ns.Path, servers("", "192.0.2.1")}
	old.ok(t, "ADD")
	reboot := func() {
		if err := os.RemoveAll(stateDir); err != nil {
			t.Fatal(err)
		}
	}
	reboot()
	now := attachment{"net", "new", "eth0", ns.Path, servers("", "192.0.2.2")}
	now.ok(t, "ADD")
	wantServers(t, fileOf(ns), "192.0.2.2")
	now.ok(t, "DEL")
	unchanged(t, before)
	for _, netns := range []string{ns.Path, ""} {
		old.netns = ns.Path
		old.ok(t, "ADD")
		reboot()
		old.netns = netns
		old.ok(t, "DEL")
		unchanged(t, before)
	}
}

func TestStatus(t *testing.T) {
	testnet.Need(t)
	for _, tc := range []struct {
		name, conf string
		code       uint
		word       string
	}{
		{"auto", "", 0, ""},
		{"a path", `, "writeTo": "/run/{network}"`, 0, ""},
		{"a directory that is missing", `, "writeTo": "/run/none/{network}"`, chain.CodeNotAvailable, "/run/none"},
		{"a file that is missing", `, "resolvConf": "/run/none"`, chain.CodeNotAvailable, "/run/none"},
		{"a read-only place", `, "writeTo": "/proc/sys/{network}"`, chain.CodeNotAvailable, "/proc/sys"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := chaintest.Run(t, plugin, chaintest.Call{Command: "STATUS",
				Config: `{"cniVersion": "1.1.0", "name": "net", "type": "resolv-conf"` + tc.conf + `}`})
			if tc.code == 0 {
				o.OK(t)
			} else {
				o.Fails(t, tc.code, tc.word)
			}
		})
	}
}

// Many networks on one container at once: each part is there, and a reader never sees a file that is not whole.
func TestManyAtOnce(t *testing.T) {
	ns := testnet.NewNS(t)
	before := world(t)
	keep := attachment{"keep", "c1", "eth0", ns.Path, servers("", "192.0.2.1")}
	keep.ok(t, "ADD")
	stop, read := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(read)
		for {
			select {
			case <-stop:
				return
			default:
			}
			data, err := os.ReadFile(fileOf(ns))
			text := string(data)
			if err != nil || !strings.Contains(text, "\nnameserver 192.0.2.1\n") || !strings.HasSuffix(text, "\n") {
				t.Errorf("a reader saw %q, %v", text, err)
				return
			}
		}
	}()
	var group sync.WaitGroup
	for i := range 20 {
		group.Go(func() {
			a := attachment{fmt.Sprint("net", i), "c1", fmt.Sprint("eth", i), ns.Path,
				servers("", fmt.Sprint("198.51.100.", i))}
			for range 5 {
				if o := a.run(t, "ADD"); o.Exit != 0 {
					t.Errorf("ADD: %s", o.Stdout)
				}
				if o := a.run(t, "CHECK"); o.Exit != 0 {
					t.Errorf("CHECK: %s", o.Stdout)
				}
				if o := a.run(t, "DEL"); o.Exit != 0 {
					t.Errorf("DEL: %s", o.Stdout)
				}
			}
		})
	}
	group.Wait()
	close(stop)
	<-read
	wantServers(t, fileOf(ns), "192.0.2.1")
	keep.ok(t, "DEL")
	unchanged(t, before)
}

func TestGarbledRecord(t *testing.T) {
	ns := testnet.NewNS(t)
	before := world(t)
	a := attachment{"net", "c1", "eth0", ns.Path, servers("", "192.0.2.1")}
	for _, text := range []string{"", "{", `{"owner": "cni-chain:net/c2/eth0"}`} {
		a.ok(t, "ADD")
		put(t, recordPath("cni-chain:net/c1/eth0"), text)
		a.run(t, "CHECK").Fails(t, codeMissing)
		a.ok(t, "ADD")
		put(t, recordPath("cni-chain:net/c1/eth0"), text)
		a.ok(t, "DEL")
		// The file is gone; what is known of its directory as well, but for the marker.
		if _, err := os.Stat(fileOf(ns)); err == nil {
			t.Error("the file is still there")
		}
	}
	unchanged(t, before)
}
