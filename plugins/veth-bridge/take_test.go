// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"

	current "github.com/containernetworking/cni/pkg/types/100"
	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"

	"github.com/cni-chain/cni-chain/shared/testnet"
)

// tapKeys is a prevResult as a link leaves it that makes a tap on the host for a virtual machine.
const tapKeys = `"prevResult": {"interfaces": [{"name": "tap0", "mac": "02:00:00:00:00:77"}],
	"ips": [{"address": "192.0.2.7/24", "interface": 0}]}`

// addTap makes an interface for which there is nobody at the other end yet; a veth does as well as a tap.
func addTap(t *testing.T) netlink.Link {
	t.Helper()
	return addVeth(t, "tap0")
}

// TestTap: an interface on the host that an earlier link has made becomes the port, and DEL gives it back.
func TestTap(t *testing.T) {
	c := newContainer(t)
	addBridge(t, "cni0", 0, true)
	addTap(t)
	before := testnet.Take(t, c.ns)
	const keys = `"hairpinMode": true, ` + tapKeys
	result := c.add(t, keys)
	tap := mustHave(t, "tap0")
	want := []*current.Interface{
		{Name: "cni0", Mac: mustHave(t, "cni0").Attrs().HardwareAddr.String(), Mtu: 1500},
		{Name: "tap0", Mac: tap.Attrs().HardwareAddr.String(), Mtu: 1500},
	}
	if diff := cmp.Diff(want, result.Interfaces); diff != "" {
		t.Errorf("interfaces (-want +got):\n%s", diff)
	}
	if ip := result.IPs[0]; ip.Interface == nil || *ip.Interface != 1 {
		t.Errorf("the address is of interface %v, want 1", ip.Interface)
	}
	if tap.Attrs().MasterIndex != mustHave(t, "cni0").Attrs().Index || c.inside(t, "eth0") != nil {
		t.Error("the tap is not on the bridge, or there is a veth")
	}
	c.check(t, `"hairpinMode": true`, result).OK(t)
	c.run(t, "ADD", keys).Fails(t, codeExists, "exists", "tap0")
	must(t, netlink.LinkSetNoMaster(tap))
	c.check(t, `"hairpinMode": true`, result).Fails(t, codeCheck, "tap0", "not on bridge")
	must(t, netlink.LinkSetMaster(tap, mustHave(t, "cni0")))
	c.ns.Path = ""
	c.del(t, "")
	same(t, before, c.ns)
	c.del(t, "")
}

func TestTapGC(t *testing.T) {
	c := newContainer(t)
	addBridge(t, "cni0", 0, true)
	addTap(t)
	before := testnet.Take(t, c.ns)
	c.add(t, tapKeys)
	gc := container{network: "net"}
	gc.run(t, "GC", `"cni.dev/valid-attachments": [{"containerID": "`+c.id+`", "ifname": "eth0"}]`).OK(t)
	if mustHave(t, "tap0").Attrs().MasterIndex == 0 {
		t.Error("GC has taken a valid one off the bridge")
	}
	gc.run(t, "GC", `"cni.dev/valid-attachments": []`).OK(t)
	same(t, before, c.ns)
}

// TestTapOfAKilledAdd: one that was marked and not yet on the bridge.
func TestTapOfAKilledAdd(t *testing.T) {
	c := newContainer(t)
	addBridge(t, "cni0", 0, true)
	tap := addTap(t)
	before := testnet.Take(t, c.ns)
	c.add(t, tapKeys)
	must(t, netlink.LinkSetNoMaster(tap))
	c.add(t, tapKeys)
	c.del(t, "")
	same(t, before, c.ns)
}

func TestTapWithMacSpoofChk(t *testing.T) {
	c := newContainer(t)
	addBridge(t, "cni0", 0, true)
	addTap(t)
	before := testnet.Take(t, c.ns)
	c.run(t, "ADD", with(spoofKeys, tapKeys)).Fails(t, 7, "macspoofchk", "tap0", "mac")
	same(t, before, c.ns)
	keys := with(spoofKeys, `"runtimeConfig": {"mac": "02:00:00:00:00:77"}`)
	result := c.add(t, with(keys, tapKeys))
	c.check(t, keys, result).OK(t)
	c.del(t, "")
	same(t, before, c.ns)
}

func TestTapRefused(t *testing.T) {
	for _, r := range []struct {
		name, keys string
		prepare    func(t *testing.T)
		code       uint
		says       []string
	}{
		{"missing", tapKeys, func(*testing.T) {}, 7, []string{"tap0", "not there"}},
		{"another's port", tapKeys, func(t *testing.T) {
			must(t, netlink.LinkSetMaster(addTap(t), addBridge(t, "br7", 0, true)))
		}, codeForeign, []string{"tap0", "port already"}},
		{"other MTU", with(tapKeys, `"mtu": 1400`), func(t *testing.T) { addTap(t) }, codeForeign,
			[]string{"tap0", "1500", "1400"}},
		{"two of them", `"prevResult": {"interfaces": [{"name": "tap0"}, {"name": "tap1"}]}`,
			func(t *testing.T) { addTap(t) }, 7, []string{"tap0", "tap1", "only one"}},
	} {
		t.Run(r.name, func(t *testing.T) {
			c := newContainer(t)
			r.prepare(t)
			before := testnet.Take(t, c.ns)
			c.run(t, "ADD", r.keys).Fails(t, r.code, r.says...)
			same(t, before, c.ns)
		})
	}
}

// TestVethBesideEarlierInterfaces: a prevResult with an interface in the container has a veth added, in front.
func TestVethBesideEarlierInterfaces(t *testing.T) {
	c := newContainer(t)
	result := c.add(t, `"prevResult": {"interfaces": [{"name": "up7"}, {"name": "net1", "sandbox": "`+c.ns.Path+`"}],
		"ips": [{"address": "192.0.2.7/24", "interface": 1}], "dns": {"nameservers": ["192.0.2.53"]}}`)
	var names []string
	for _, i := range result.Interfaces {
		names = append(names, i.Name)
	}
	if diff := cmp.Diff([]string{"cni0", c.owner().HostVeth(), "eth0", "up7", "net1"}, names); diff != "" {
		t.Errorf("interfaces (-want +got):\n%s", diff)
	}
	if *result.IPs[0].Interface != 4 || len(result.DNS.Nameservers) != 1 {
		t.Errorf("the rest of the result is %+v", result)
	}
}
