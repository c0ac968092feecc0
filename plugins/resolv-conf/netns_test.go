// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cni-chain/cni-chain/shared/testnet"
)

func fileOf(ns *testnet.NS) string { return filepath.Join("/etc/netns", ns.Name, "resolv.conf") }

func TestNamedNamespace(t *testing.T) {
	for _, tc := range []struct {
		name  string
		setup func(t *testing.T, path string)
	}{
		{"nothing there", func(*testing.T, string) {}},
		{"an empty directory", func(t *testing.T, path string) { mkdir(t, filepath.Dir(path)) }},
		{"a file", func(t *testing.T, path string) { put(t, path, "# by hand\nnameserver 9.9.9.9\nsearch x") }},
		{"a file of another owner and mode", func(t *testing.T, path string) {
			put(t, path, "nameserver 9.9.9.9\n")
			if err := os.Chmod(path, 0o640); err != nil {
				t.Fatal(err)
			}
			if err := os.Chown(path, 0, 0); err != nil {
				t.Fatal(err)
			}
		}},
		{"an empty file", func(t *testing.T, path string) { put(t, path, "") }},
		{"other files", func(t *testing.T, path string) { put(t, filepath.Dir(path)+"/hosts", "127.0.0.1 x\n") }},
		{"a link", func(t *testing.T, path string) { link(t, "../../resolv.conf", path) }},
		{"a link that leads nowhere", func(t *testing.T, path string) { link(t, "/nowhere", path) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ns := testnet.NewNS(t)
			t.Cleanup(func() { _ = os.RemoveAll("/etc/netns") })
			tc.setup(t, fileOf(ns))
			before := world(t)
			a := attachment{"net", "c1", "eth0", ns.Path, servers("", "192.0.2.1")}
			for _, del := range []string{"given all", "the names alone"} {
				a.ok(t, "ADD")
				a.ok(t, "CHECK")
				seen, err := ns.Command("cat", "/etc/resolv.conf").CombinedOutput()
				if err != nil || !strings.Contains(string(seen), "\nnameserver 192.0.2.1\n") ||
					strings.Contains(string(seen), "\nnameserver 9") {
					t.Errorf("in the namespace: %s%v", seen, err)
				}
				gone := a
				if del == "the names alone" {
					gone.netns, gone.conf = "", ""
				}
				gone.ok(t, "DEL")
				unchanged(t, before)
				gone.ok(t, "DEL")
				unchanged(t, before)
			}
		})
	}
}

func TestModeAndOwnerStay(t *testing.T) {
	ns := testnet.NewNS(t)
	put(t, fileOf(ns), "nameserver 9.9.9.9\n")
	t.Cleanup(func() { _ = os.RemoveAll("/etc/netns") })
	if err := os.Chmod(fileOf(ns), 0o640|os.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	a := attachment{"net", "c1", "eth0", ns.Path, servers("", "192.0.2.1")}
	a.ok(t, "ADD")
	info, err := os.Stat(fileOf(ns))
	if err != nil || info.Mode() != 0o640 {
		t.Errorf("mode %v, %v; want 0640 and no set-user-ID", info.Mode(), err)
	}
	a.ok(t, "DEL")
}

func TestTwoNetworksShareAFile(t *testing.T) {
	ns := testnet.NewNS(t)
	put(t, fileOf(ns), "nameserver 9.9.9.9\n")
	t.Cleanup(func() { _ = os.RemoveAll("/etc/netns") })
	before := world(t)
	a := attachment{"a", "c1", "eth0", ns.Path, servers("", "192.0.2.1")}
	b := attachment{"b", "c1", "eth1", ns.Path, servers("", "192.0.2.2")}
	for _, first := range []attachment{a, b} {
		last := b
		if first == b {
			last = a
		}
		a.ok(t, "ADD")
		alone := world(t)
		b.ok(t, "ADD")
		wantServers(t, fileOf(ns), "192.0.2.1", "192.0.2.2")
		a.ok(t, "CHECK")
		b.ok(t, "CHECK")
		first.ok(t, "DEL")
		if first == b {
			unchanged(t, alone)
		}
		last.ok(t, "CHECK")
		wantServers(t, fileOf(ns), map[string]string{"a": "192.0.2.1", "b": "192.0.2.2"}[last.network])
		first.run(t, "CHECK").Fails(t, codeMissing)
		last.ok(t, "DEL")
		unchanged(t, before)
	}
}

func TestThirdServerIsTheLast(t *testing.T) {
	ns := testnet.NewNS(t)
	a := attachment{"a", "c1", "eth0", ns.Path, servers("", "192.0.2.1", "192.0.2.2")}
	b := attachment{"b", "c1", "eth1", ns.Path, servers("", "192.0.2.3", "192.0.2.4")}
	a.ok(t, "ADD")
	if o := b.ok(t, "ADD"); !strings.Contains(o.Stderr, "192.0.2.4") || !strings.Contains(o.Stderr, "WARN") {
		t.Errorf("no warning of what was cut: %s", o.Stderr)
	}
	wantServers(t, fileOf(ns), "192.0.2.1", "192.0.2.2", "192.0.2.3")
	a.ok(t, "DEL")
	wantServers(t, fileOf(ns), "192.0.2.3", "192.0.2.4")
	b.ok(t, "DEL")
}

func TestTwiceInAChain(t *testing.T) {
	ns := testnet.NewNS(t)
	dir := t.TempDir()
	before := world(t, dir)
	first := attachment{"net", "c1", "eth0", ns.Path, servers("", "192.0.2.1")}
	second := first
	second.conf = fmt.Sprintf(`"writeTo": ["netns", %q], "merge": "append", "dns": {"nameservers": ["192.0.2.2"]},
		"prevResult": {"dns": {"nameservers": ["192.0.2.1"]}}, "resolvConf": %q`, dir+"/{containerID}/x", hostFile(t, ""))
	first.ok(t, "ADD")
	second.ok(t, "ADD")
	wantServers(t, fileOf(ns), "192.0.2.2", "192.0.2.1")
	wantServers(t, dir+"/c1/x", "192.0.2.2", "192.0.2.1")
	first.ok(t, "CHECK")
	second.ok(t, "DEL")
	first.ok(t, "DEL")
	unchanged(t, before, dir)
}
