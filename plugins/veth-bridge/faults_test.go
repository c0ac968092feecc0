// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/cni-chain/cni-chain/chain/chaintest"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// TestFailedAddRestores: whichever step fails, before or after it took effect, the machine is what it was, without a
// DEL.
func TestFailedAddRestores(t *testing.T) {
	for _, f := range []struct {
		name, keys string
		steps      int
		prepare    func(t *testing.T)
	}{
		{"nothing there", `"hairpinMode": true, "mtu": 1400, "macspoofchk": true`, 5, func(*testing.T) {}},
		{"bridge there", "", 3, func(t *testing.T) { addBridge(t, "cni0", 0, true) }},
		{"bridge of ours to be changed", `"mtu": 1400, "promiscMode": true`, 4, func(t *testing.T) {
			newContainer(t).add(t, "")
		}},
		{"uplink", `"uplink": "up0"`, 5, func(t *testing.T) { must(t, netlink.LinkSetDown(addVeth(t, "up0"))) }},
		{"tap", tapKeys + `, "hairpinMode": true`, 3, func(t *testing.T) { must(t, netlink.LinkSetDown(addTap(t))) }},
		{"tap that is guarded", tapKeys + `, "macspoofchk": true, "runtimeConfig": {"mac": "02:00:00:00:00:77"}`, 4,
			func(t *testing.T) { must(t, netlink.LinkSetDown(addTap(t))) }},
	} {
		t.Run(f.name, func(t *testing.T) {
			c := newContainer(t)
			f.prepare(t)
			world := func(t *testing.T) string { return testnet.Take(t, c.ns).String() }
			steps := chaintest.FailEachStep(t, plugin, c.call("ADD", f.keys), nil, world)
			if steps != f.steps {
				t.Errorf("ADD has %d steps, want %d: what is new here?", steps, f.steps)
			}
		})
	}
}

// TestUndoKeepsWhatOthersUse: a change of the bridge is not taken back when another attachment has come that relies
// on it.
func TestUndoKeepsWhatOthersUse(t *testing.T) {
	c := newContainer(t)
	c.add(t, `"mtu": 1400`)
	conn, err := dial()
	must(t, err)
	defer func() { _ = conn.Close() }()
	bridge, err := conn.byName("cni0")
	must(t, err)
	was := *bridge
	was.MTU = 1500
	set := setting{mtu: 1400}
	must(t, conn.restoreBridge(&was, set, nil)) // there was no port then
	if mtu := mustHave(t, "cni0").Attrs().MTU; mtu != 1400 {
		t.Errorf("the bridge's MTU is %d", mtu)
	}
	ports, err := conn.ports(bridge.Index)
	must(t, err)
	must(t, conn.restoreBridge(&was, set, ports))
	if mtu := mustHave(t, "cni0").Attrs().MTU; mtu != 1500 {
		t.Errorf("the bridge's MTU is %d", mtu)
	}
	must(t, conn.removeBridge(t.Context(), "cni0", "")) // the undo of making it
	mustHave(t, "cni0")
}

// TestSignal: a process that is told to stop leaves nothing.
func TestSignal(t *testing.T) {
	c := newContainer(t)
	before := testnet.Take(t, c.ns)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	chaintest.RunContext(ctx, t, plugin, c.call("ADD", "")).Fails(t, 11, "stopped")
	same(t, before, c.ns)
}
