// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cni-chain/cni-chain/chain/chaintest"
	"github.com/cni-chain/cni-chain/shared/owner"
)

// TestGuardWithoutOwner: iptables-restore changes the table raw before nat. When it is killed in between, the guard is
// all that there is, and says nobody's name. DEL, GC and the undo of ADD take it back, and another ADD builds on it.
func TestGuardWithoutOwner(t *testing.T) {
	backends(t) // skips without iptables
	b := newBridge(t, "cni0", "10.88.1.1/24", "fd00:88:1::1/64")
	settleBackend(t, b, backendIPTables)
	keys := map[string]any{"backend": backendIPTables}
	before := hostState(t)
	for _, tt := range []struct {
		name string
		next func(c *container)
	}{
		{"DEL", func(c *container) { c.del().OK(c.bridge.t) }},
		{"GC", func(c *container) {
			config := map[string]any{"cniVersion": "1.1.0", "name": "cni0", "type": "port-map",
				"cni.dev/valid-attachments": []string{}}
			chaintest.Run(c.bridge.t, plugin, chaintest.Call{Command: "GC", Config: config}).OK(c.bridge.t)
		}},
		{"ADD again", func(c *container) {
			c.add(keys, web).OK(c.bridge.t)
			c.check(keys, web).OK(c.bridge.t)
			c.del().OK(c.bridge.t)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := b.in(t).newContainer()
			c.add(keys, web).OK(t)
			builtin := regexp.MustCompile(`(?m)^:(PREROUTING|OUTPUT) .*\n`) // naming them would make them
			raw := builtin.ReplaceAllString(command(t, "iptables-save", "-t", "raw"), "")
			c.del().OK(t)
			must(t, markIPTables(owner.Owner{Network: c.network, ContainerID: c.id, IfName: "eth0"}.Tag()))
			restore := exec.Command("iptables-restore", "--noflush")
			restore.Stdin = strings.NewReader(raw)
			if out, err := restore.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if cmp.Diff(before, hostState(t)) == "" {
				t.Fatal("nothing is there to find")
			}
			tt.next(c)
			if diff := cmp.Diff(before, hostState(t)); diff != "" {
				t.Errorf("left behind:\n%s", diff)
			}
		})
	}
}
