// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cni-chain/cni-chain/chain/chaintest"
)

// TestGC: what is not valid goes, and nothing of other networks.
func TestGC(t *testing.T) {
	eachBackend(t, "", func(t *testing.T, backend string) {
		b := newBridge(t, "cni0", "10.88.1.1/24", "fd00:88:1::1/64")
		other := newBridge(t, "cni1", "10.88.2.1/24", "fd00:88:2::1/64")
		all := []*container{b.newContainer(), b.newContainer(), other.newContainer()}
		valid, stale, foreign := all[0], all[1], all[2]
		for i, c := range all {
			c.add(map[string]any{"backend": backend}, Mapping{HostPort: 8000 + i, ContainerPort: 80}).OK(t)
		}
		collect := func(keys map[string]any) {
			t.Helper()
			config := map[string]any{"cniVersion": "1.1.0", "name": "cni0", "type": "port-map"}
			maps.Copy(config, keys)
			chaintest.Run(t, plugin, chaintest.Call{Command: "GC", Config: config}).OK(t)
		}
		has := func(want ...*container) {
			t.Helper()
			rules := ruleset(t)
			for _, c := range all {
				if wanted := slices.Contains(want, c); strings.Contains(rules, c.id+"/") != wanted {
					t.Errorf("%s is there: %v", c.id, !wanted)
				}
			}
		}
		const key = "cni.dev/valid-attachments"
		collect(nil)
		has(valid, stale, foreign)
		collect(map[string]any{key: []map[string]string{
			{"containerID": valid.id, "ifname": "eth0"}, {"containerID": stale.id, "ifname": "eth1"}}})
		has(valid, foreign)
		collect(map[string]any{key: []string{}})
		has(foreign)
	})
}

// TestStatus: a real change is tried, and nothing of it stays.
func TestStatus(t *testing.T) {
	eachBackend(t, "", func(t *testing.T, backend string) {
		settleBackend(t, newBridge(t, "cni0", "10.88.1.1/24", "fd00:88:1::1/64"), backend)
		before := hostState(t)
		config := map[string]any{"cniVersion": "1.1.0", "name": "n", "type": "port-map", "backend": backend}
		chaintest.Run(t, plugin, chaintest.Call{Command: "STATUS", Config: config}).OK(t)
		if diff := cmp.Diff(before, hostState(t)); diff != "" {
			t.Errorf("left behind:\n%s", diff)
		}
		t.Setenv("PATH", t.TempDir())
		o := chaintest.Run(t, plugin, chaintest.Call{Command: "STATUS", Config: config})
		if backend == backendIPTables {
			o.Fails(t, 50, "iptables-restore", "PATH")
		} else {
			o.OK(t)
		}
	})
}
