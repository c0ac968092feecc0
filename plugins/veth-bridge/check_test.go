// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/cni-chain/cni-chain/shared/testnet"
)

// TestDrift: each thing that was changed or removed behind the link's back is named by CHECK, and DEL cleans up all
// the same.
func TestDrift(t *testing.T) {
	for _, d := range []struct {
		name, keys string
		change     func(t *testing.T, c container)
		says       []string
	}{
		{"bridge removed", "", func(t *testing.T, _ container) { must(t, netlink.LinkDel(mustHave(t, "cni0"))) },
			[]string{"bridge cni0 is missing"}},
		{"bridge replaced", "", func(t *testing.T, _ container) {
			must(t, netlink.LinkDel(mustHave(t, "cni0")))
			addBridge(t, "cni0", 0, true)
		}, []string{"not on bridge cni0"}},
		{"bridge's MAC", "", func(t *testing.T, _ container) {
			must(t, netlink.LinkSetHardwareAddr(mustHave(t, "cni0"), net.HardwareAddr{2, 0, 0, 0, 0, 1}))
		}, []string{"bridge cni0 has MAC 02:00:00:00:00:01"}},
		{"port removed", "", func(t *testing.T, c container) { must(t, netlink.LinkDel(mustHave(t, c.owner().HostVeth()))) },
			[]string{"veth is missing"}},
		{"port's mark", "", func(t *testing.T, c container) {
			must(t, netlink.LinkSetAlias(mustHave(t, c.owner().HostVeth()), "x"))
		}, []string{"not this attachment's"}},
		{"port off the bridge", "", func(t *testing.T, c container) {
			must(t, netlink.LinkSetNoMaster(mustHave(t, c.owner().HostVeth())))
		}, []string{"not on bridge cni0"}},
		{"port down", "", func(t *testing.T, c container) { must(t, netlink.LinkSetDown(mustHave(t, c.owner().HostVeth()))) },
			[]string{"is down"}},
		{"port's MTU", `"mtu": 1400`, func(t *testing.T, c container) {
			must(t, netlink.LinkSetMTU(mustHave(t, c.owner().HostVeth()), 1300))
		}, []string{"has MTU 1300, not 1400"}},
		{"hairpin mode", `"hairpinMode": true`, func(t *testing.T, c container) {
			must(t, netlink.LinkSetHairpin(mustHave(t, c.owner().HostVeth()), false))
		}, []string{"hairpinMode is false, not true"}},
		{"isolation", "", func(t *testing.T, c container) {
			must(t, netlink.LinkSetIsolated(mustHave(t, c.owner().HostVeth()), true))
		}, []string{"portIsolation is true, not false"}},
		{"container's end down", "", func(t *testing.T, c container) { c.change(t, netlink.LinkSetDown) },
			[]string{"eth0", "is down"}},
		{"container's end renamed", "", func(t *testing.T, c container) {
			c.change(t, netlink.LinkSetDown)
			c.change(t, func(l netlink.Link) error { return netlink.LinkSetName(l, "eth9") })
		}, []string{"called eth9", "not eth0"}},
		{"container's end larger than the host's", "", func(t *testing.T, c container) {
			c.change(t, func(l netlink.Link) error { return netlink.LinkSetMTU(l, 9000) })
		}, []string{"eth0", "MTU 9000"}},
		{"container's end in another namespace", "", func(t *testing.T, c container) {
			other := testnet.NewNS(t)
			c.change(t, func(l netlink.Link) error { return netlink.LinkSetNsFd(l, int(other.File().Fd())) })
		}, []string{"not in the namespace"}},
	} {
		t.Run(d.name, func(t *testing.T) {
			c := newContainer(t)
			before := testnet.Take(t, c.ns)
			keys := with(d.keys, `"removeBridge": true`)
			result := c.add(t, keys)
			c.check(t, keys, result).OK(t)
			d.change(t, c)
			c.check(t, keys, result).Fails(t, codeCheck, d.says...)
			c.del(t, keys)
			// What was put in the place of a thing of ours is not ours to remove.
			if left := hostLink(t, c.owner().HostVeth()); left != nil && left.Attrs().Alias == "x" {
				must(t, netlink.LinkDel(left))
				c.del(t, keys)
			}
			if d.name != "bridge replaced" && d.name != "container's end in another namespace" {
				same(t, before, c.ns)
			}
		})
	}
}

// change changes the container's interface.
func (c container) change(t *testing.T, f func(netlink.Link) error) {
	t.Helper()
	must(t, c.ns.Do(func() error { return f(hostLink(t, c.ifName)) }))
}

// TestCheckToleratesLaterLinks: what upstream's tuning may change is not this link's any more.
func TestCheckToleratesLaterLinks(t *testing.T) {
	c := newContainer(t)
	result := c.add(t, "")
	c.setMAC(t, net.HardwareAddr{2, 0, 0, 0, 0, 5})
	c.change(t, func(l netlink.Link) error { return netlink.LinkSetMTU(l, 1400) })
	c.change(t, netlink.SetPromiscOn)
	c.address(t, "192.0.2.1/24")
	c.check(t, "", result).OK(t)
}

// TestCheckNamesAllAtOnce: a person has to look once.
func TestCheckNamesAllAtOnce(t *testing.T) {
	c := newContainer(t)
	result := c.add(t, `"hairpinMode": true`)
	must(t, netlink.LinkSetHairpin(mustHave(t, c.owner().HostVeth()), false))
	must(t, netlink.LinkSetDown(mustHave(t, "cni0")))
	c.check(t, `"hairpinMode": true, "promiscMode": false`, result).Fails(t, codeCheck, "cni0: it is down", "hairpinMode")
}

func TestStatus(t *testing.T) {
	c := newContainer(t)
	before := testnet.Take(t, c.ns)
	c.run(t, "STATUS", "").OK(t)
	c.run(t, "STATUS", spoofKeys).OK(t)
	same(t, before, c.ns)
	c.run(t, "STATUS", `"mtu": "auto"`).Fails(t, 50, "default route")
	c.run(t, "STATUS", `"ipam": {"type": "host-local"}`).Fails(t, 50, "ip-config")
	addBridge(t, "cni0", 0, true)
	c.run(t, "STATUS", "").OK(t)
	if !kernelFilters(t, "cni0") {
		c.run(t, "STATUS", `"vlan": 5`).Fails(t, 50, "VLAN filtering")
	}
}

// TestProbeKnowsKinds: a kind of link that no kernel has is found out without making one.
func TestProbeKnowsKinds(t *testing.T) {
	testnet.Need(t)
	c, err := dial()
	must(t, err)
	defer func() { _ = c.Close() }()
	if err := c.probe("veth"); err != nil {
		t.Errorf("veth: %v", err)
	}
	if err := c.probe("nosuchkind"); err == nil {
		t.Error("a kind that does not exist is there")
	}
}
