// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/cni-chain/cni-chain/shared/testnet"
)

const uplinkKeys = `"uplink": "up0"`

// TestUplink: the container reaches what is on the other end of the cable, and the uplink stays on the bridge.
func TestUplink(t *testing.T) {
	c, beyond := newContainer(t), newContainer(t)
	addVeth(t, "up0")
	must(t, netlink.LinkSetDown(mustHave(t, "up0")))
	must(t, netlink.LinkSetNsFd(mustHave(t, "up0p"), int(beyond.ns.File().Fd())))
	beyond.ifName = "up0p"
	beyond.address(t, "192.0.2.9/24")
	result := c.add(t, uplinkKeys)
	c.address(t, "192.0.2.1/24")
	reach(t, c, beyond, "192.0.2.9", true)
	if len(result.Interfaces) != 3 {
		t.Errorf("the result has %d interfaces, want 3", len(result.Interfaces))
	}
	c.check(t, uplinkKeys, result).OK(t)
	c.run(t, "STATUS", uplinkKeys).OK(t)
	c.del(t, uplinkKeys)
	if mustHave(t, "up0").Attrs().MasterIndex != mustHave(t, "cni0").Attrs().Index {
		t.Error("the uplink has left the bridge")
	}
}

// TestUplinkRefused: what the host uses otherwise is left alone, also by STATUS.
func TestUplinkRefused(t *testing.T) {
	for _, r := range []struct {
		name    string
		keys    string
		prepare func(t *testing.T, up netlink.Link)
		says    []string
	}{
		{"IPv4 address", "", func(t *testing.T, up netlink.Link) { giveAddress(t, up, "192.0.2.5/24") },
			[]string{"192.0.2.5/24"}},
		{"IPv6 address", "", func(t *testing.T, up netlink.Link) { giveAddress(t, up, "2001:db8::5/64") },
			[]string{"2001:db8::5/64"}},
		{"route", "", func(t *testing.T, up netlink.Link) {
			_, to, _ := net.ParseCIDR("198.51.100.0/24")
			must(t, netlink.RouteAdd(&netlink.Route{LinkIndex: up.Attrs().Index, Dst: to, Scope: netlink.SCOPE_LINK}))
		}, []string{"a route to 198.51.100.0/24"}},
		{"another bridge", "", func(t *testing.T, up netlink.Link) {
			must(t, netlink.LinkSetMaster(up, addBridge(t, "br7", 0, true)))
		}, []string{"nomaster"}},
		{"MTU", `"mtu": 9000`, func(*testing.T, netlink.Link) {}, []string{"1500", "9000"}},
		{"missing", "", func(t *testing.T, up netlink.Link) { must(t, netlink.LinkDel(up)) }, []string{`no interface "up0"`}},
	} {
		t.Run(r.name, func(t *testing.T) {
			c := newContainer(t)
			r.prepare(t, addVeth(t, "up0"))
			before := testnet.Take(t, c.ns)
			c.run(t, "STATUS", with(uplinkKeys, r.keys)).Fails(t, 50, append(r.says, "up0")...)
			c.run(t, "ADD", with(uplinkKeys, r.keys)).Fails(t, codeBridge, append(r.says, "up0")...)
			same(t, before, c.ns)
			c.del(t, with(uplinkKeys, r.keys))
		})
	}
}

func giveAddress(t *testing.T, l netlink.Link, prefix string) {
	t.Helper()
	address, err := netlink.ParseAddr(prefix)
	must(t, err)
	must(t, netlink.AddrAdd(l, address))
}

// TestUplinkDrift: CHECK names it, and the next ADD puts it back.
func TestUplinkDrift(t *testing.T) {
	c, other := newContainer(t), newContainer(t)
	up := addVeth(t, "up0")
	result := c.add(t, uplinkKeys)
	must(t, netlink.LinkSetNoMaster(up))
	c.check(t, uplinkKeys, result).Fails(t, codeCheck, "up0", "not on bridge")
	other.add(t, uplinkKeys)
	c.check(t, uplinkKeys, result).OK(t)
	must(t, netlink.LinkSetDown(up))
	c.check(t, uplinkKeys, result).Fails(t, codeCheck, "up0", "down")
	must(t, netlink.LinkDel(up))
	c.check(t, uplinkKeys, result).Fails(t, codeCheck, "up0", "missing")
}
