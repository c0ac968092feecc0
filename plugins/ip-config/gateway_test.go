// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/chain/chaintest"
	"github.com/cni-chain/cni-chain/shared/nl"
	"github.com/cni-chain/cni-chain/shared/nlsock"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

const gateway4 = `"isGateway": true, "addresses": [{"address": "10.1.0.5/24"}]`

func (w *world) bridgeAddresses() string { return w.host("ip", "-o", "addr", "show", "dev", w.bridge) }

// TestGatewayAddress: what the bridge has already, and what becomes of it.
func TestGatewayAddress(t *testing.T) {
	const gateway6 = `"isGateway": true, "addresses": [{"address": "fd00:1::5/64"}]`
	for _, c := range []struct {
		name, has, conf string
		refused         bool
		want, gone      string
	}{
		{"none", "", gateway4, false, "10.1.0.1/24", ""},
		{"the same", "10.1.0.1/24", gateway4, false, "10.1.0.1/24", ""},
		{"another IPv4", "10.2.0.1/24", gateway4, true, "10.2.0.1/24", "10.1.0.1"},
		{"another IPv4, forced", "10.2.0.1/24", gateway4 + `, "forceAddress": true`, false, "10.1.0.1/24", "10.2.0.1"},
		{"overlapping IPv6", "fd00:1::9/64", gateway6, true, "fd00:1::9/64", "fd00:1::1/"},
		{"overlapping IPv6, forced", "fd00:1::9/64", gateway6 + `, "forceAddress": true`, false, "fd00:1::1/64", "fd00:1::9"},
		{"other IPv6", "fd00:2::1/64", gateway6, false, "fd00:1::1/64", ""},
		{"the other family", "fd00:2::1/64", gateway4, false, "10.1.0.1/24", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			if c.has != "" {
				w.host("ip", "addr", "add", c.has, "dev", w.bridge, "nodad")
			}
			before := w.snapshot()
			o := w.run("ADD", c.conf, w.prev())
			if c.refused {
				o.Fails(t, codeGateway, c.has, "cni0", "forceAddress")
				w.same(before)
			} else {
				o.OK(t)
				w.run("CHECK", c.conf, o.Stdout).OK(t)
			}
			got := w.bridgeAddresses()
			if !strings.Contains(got, c.want) || c.gone != "" && strings.Contains(got, c.gone) ||
				c.has != "" && c.gone == "" && !strings.Contains(got, c.has) {
				t.Errorf("the bridge has\n%s", got)
			}
		})
	}
}

// TestReplacedAddressComesBack: forceAddress is undone with the rest.
func TestReplacedAddressComesBack(t *testing.T) {
	w := newWorld(t)
	w.host("ip", "addr", "add", "10.2.0.1/24", "dev", w.bridge, "brd", "+")
	chaintest.FailEachStep(t, plugin, w.call("ADD", gateway4+`, "forceAddress": true`, w.prev()), nil, func(*testing.T) string {
		// Put back it carries our mark, which is all that can be told of it.
		return strings.ReplaceAll(w.snapshot().String(), ", proto 193", "")
	})
}

// TestGatewaysOfSeveralRanges are on one bridge side by side (upstream refuses the second).
func TestGatewaysOfSeveralRanges(t *testing.T) {
	w := newWorld(t)
	w.add(`"isGateway": true, "addresses": [{"address": "10.1.0.5/24"}, {"address": "10.2.0.5/24"}]`)
	if got := w.bridgeAddresses(); !strings.Contains(got, "10.1.0.1/24") || !strings.Contains(got, "10.2.0.1/24") {
		t.Errorf("the bridge has\n%s", got)
	}
}

// TestSharedGatewayStays: the undo of a failed ADD leaves what another container counts on.
func TestSharedGatewayStays(t *testing.T) {
	w := newWorld(t)
	second := testnet.NewNS(t)
	w.host("ip", "link", "add", "veth1", "master", w.bridge, "type", "veth", "peer", "name", "eth0", "netns", second.Name)
	var last string
	for range 2 { // first with the gateway as a step, then with forwarding as one
		// Looked at last before the call that succeeds, after the last one that failed.
		var left string
		chaintest.FailEachStep(t, plugin, w.call("ADD", gateway4, w.prev()), nil, func(*testing.T) string {
			left = w.bridgeAddresses() + "ip_forward " + w.host("cat", "/proc/sys/net/ipv4/ip_forward")
			return ""
		})
		if !strings.Contains(left, "10.1.0.1/24") {
			t.Errorf("left:\n%s", left)
		}
		w.run("DEL", gateway4, "").OK(t)
		must(t, os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("0"), 0))
		last = left
	}
	if !strings.Contains(last, "ip_forward 1") {
		t.Errorf("left:\n%s", last)
	}
}

// TestBridgeForGateway: where the gateway goes must be a bridge, and the message says how to name it.
func TestBridgeForGateway(t *testing.T) {
	w := newWorld(t)
	only := fmt.Sprintf(`{"interfaces": [{"name": "eth0", "sandbox": %q}]}`, w.ns.Path)
	w.run("ADD", gateway4, only).Fails(t, chain.CodeConfig, "isGateway", `"bridge"`, "macvlan")
	w.run("ADD", gateway4+`, "bridge": "veth0"`, w.prev()).Fails(t, chain.CodeConfig, "veth0", "not a bridge")
	w.run("ADD", gateway4+`, "bridge": "nosuch"`, w.prev()).Fails(t, chain.CodeStep, "nosuch")
	w.run("ADD", gateway4+`, "bridge": "cni0"`, only).OK(t)
	if got := w.bridgeAddresses(); !strings.Contains(got, "10.1.0.1/24") {
		t.Errorf("the bridge has\n%s", got)
	}
}

// TestBridgeMACIsFixed: a bridge that follows its ports' MACs stops doing so when containers know a gateway by it
// (containernetworking/plugins#60).
func TestBridgeMACIsFixed(t *testing.T) {
	w := newWorld(t)
	w.host("ip", "link", "add", "cni1", "up", "type", "bridge")
	t.Cleanup(func() { w.host("ip", "link", "del", "cni1") })
	w.host("ip", "link", "set", "veth0", "master", "cni1")
	mac := func() string { return strings.Fields(w.host("ip", "-br", "link", "show", "dev", "cni1"))[2] }
	w.run("ADD", gateway4+`, "bridge": "cni1"`, w.prev()).OK(t)
	before := mac()
	w.host("ip", "link", "add", "low", "address", "00:00:00:00:00:01", "master", "cni1", "type", "veth", "peer", "name", "low-peer")
	w.host("ip", "link", "set", "veth0", "nomaster")
	if after := mac(); after != before {
		t.Errorf("the bridge's MAC changes from %s to %s", before, after)
	}
	w.host("ip", "link", "del", "low")
}

// TestGatewayRace is containernetworking/plugins#366: many first attachments at once.
func TestGatewayRace(t *testing.T) {
	w := newWorld(t)
	const conf = `"isDefaultGateway": true, "ipMasq": true, "ipam": {"type": "ip-pool", "ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00:1::/64"}]]}`
	var containers []*world
	for i := range 12 {
		c := &world{t: t, ns: testnet.NewNS(t), bridge: w.bridge, id: fmt.Sprintf("c%d", i)}
		c.connect(fmt.Sprintf("veth1%d", i), "eth0", fmt.Sprintf("02:00:00:00:01:%02x", i))
		containers = append(containers, c)
	}
	before := w.snapshot()
	results := make([]chaintest.Outcome, len(containers))
	each := func(verb string) {
		t.Helper()
		var all sync.WaitGroup
		for i, c := range containers {
			prev := results[i].Stdout
			if verb == "ADD" {
				prev = c.prev()
			}
			all.Go(func() { results[i] = c.run(verb, conf, prev) })
		}
		all.Wait()
		for i, o := range results {
			if o.Err != nil {
				t.Errorf("%s %d: %s", verb, i, o.Err.Msg)
			}
		}
	}
	each("ADD")
	added := append([]chaintest.Outcome(nil), results...)
	each("CHECK")
	copy(results, added)
	each("DEL")
	w.same(before, network...)
}

// TestIPv6Settings: IPv6 that is off is switched on, where it cannot be the error says why, and what is right already
// needs no right to write.
func TestIPv6Settings(t *testing.T) {
	const conf = `"isGateway": true, "addresses": [{"address": "fd00:1::5/64"}]`
	w := newWorld(t)
	w.in(w.ns, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
	w.host("sysctl", "-qw", "net.ipv6.conf.cni0.disable_ipv6=1")
	steps := chaintest.FailEachStep(t, plugin, w.call("ADD", conf, w.prev()), func(*testing.T) {}, func(*testing.T) string {
		return w.snapshot().String()
	})
	if steps < 7 {
		t.Errorf("%d steps", steps)
	}
	for _, link := range []string{"lo", "eth0"} {
		if got := w.in(w.ns, "cat", "/proc/sys/net/ipv6/conf/"+link+"/disable_ipv6"); got != "0\n" {
			t.Errorf("disable_ipv6 of %s is %s", link, got)
		}
	}
	w.run("DEL", conf, "").OK(t)

	readOnly := func(flags uintptr) {
		t.Helper()
		must(t, unix.Mount("", "/proc/sys", "", unix.MS_REMOUNT|unix.MS_BIND|flags, ""))
	}
	must(t, unix.Mount("/proc/sys", "/proc/sys", "", unix.MS_BIND, ""))
	t.Cleanup(func() { must(t, unix.Unmount("/proc/sys", unix.MNT_DETACH)) })
	readOnly(unix.MS_RDONLY)
	w.run("ADD", conf, w.prev()).OK(t) // as all is right
	w.run("DEL", conf, "").OK(t)
	readOnly(0)
	w.in(w.ns, "sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=1")
	must(t, os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("0"), 0))
	readOnly(unix.MS_RDONLY)
	before := w.snapshot()
	w.run("ADD", conf, w.prev()).Fails(t, codeLacks, "net/ipv6/conf/eth0/disable_ipv6", "read-only file system")
	w.run("ADD", gateway4, w.prev()).Fails(t, codeLacks, "net/ipv4/ip_forward", "read-only file system", "sysctl -w")
	w.same(before, network...)
	readOnly(0)
}

func TestIPv6NeedsAnMTU(t *testing.T) {
	w := newWorld(t)
	w.ip("link", "set", "eth0", "mtu", "1279")
	w.run("ADD", `"addresses": [{"address": "fd00:1::5/64"}]`, w.prev()).Fails(t, codeLacks, "MTU of eth0 is 1279", "1280")
	w.run("ADD", `"addresses": [{"address": "10.1.0.5/24"}]`, w.prev()).OK(t)
}

// TestVLANMessages is what goes to a kernel that has VLAN filtering; this one may not.
func TestVLANMessages(t *testing.T) {
	mac := net.HardwareAddr{2, 0, 0, 0, 0, 9}
	sent := written(vlanPair("cni0.7", mac, &nl.Link{Index: 42, MTU: 1400}))
	attrs := map[uint16][]byte{}
	nlsock.EachAttr(sent[unix.NLMSG_HDRLEN+unix.SizeofIfInfomsg:], func(kind uint16, v []byte) { attrs[kind] = v })
	port := nlsock.CString(attrs[unix.IFLA_IFNAME])
	if port != vlanPort("cni0.7") || len(port) >= unix.IFNAMSIZ ||
		nl.Number(attrs[unix.IFLA_MTU]) != 1400 || nl.Number(attrs[unix.IFLA_MASTER]) != 42 {
		t.Errorf("attributes %v", attrs)
	}
	var peer *nl.Link
	nlsock.EachAttr(attrs[unix.IFLA_LINKINFO], func(kind uint16, v []byte) {
		nlsock.EachAttr(v, func(inner uint16, v []byte) {
			if kind == unix.IFLA_INFO_DATA && inner == vethInfoPeer {
				peer = nl.ParseLink(v)
			}
		})
	})
	if peer == nil || peer.Name != "cni0.7" || peer.MTU != 1400 || peer.Up() || !bytes.Equal(peer.MAC, mac) {
		t.Errorf("peer %+v", peer)
	}
	member := written(vlanMember(unix.RTM_SETLINK, 5, 7, vlanPVID|vlanUntagged))[unix.NLMSG_HDRLEN:]
	if member[0] != unix.AF_BRIDGE || nl.Number(member[4:]) != 5 {
		t.Errorf("message %x", member)
	}
	var info []byte
	nlsock.EachAttr(member[unix.SizeofIfInfomsg:], func(_ uint16, v []byte) {
		nlsock.EachAttr(v, func(kind uint16, v []byte) { info = v })
	})
	if binary.NativeEndian.Uint16(info) != vlanPVID|vlanUntagged || binary.NativeEndian.Uint16(info[2:]) != 7 {
		t.Errorf("VLAN info %x", info)
	}
}

// TestVLANGateway makes the interface BRIDGE.VLAN with the gateway; without VLAN filtering in the kernel the error says
// so, and nothing stays.
func TestVLANGateway(t *testing.T) {
	w := newWorld(t)
	const conf = gateway4 + `, "vlan": 7`
	w.run("ADD", conf+`, "bridge": "abcdefghijklmno"`, w.prev()).Fails(t, chain.CodeStep, "abcdefghijklmno")
	before := w.snapshot()
	if !w.filters() {
		w.run("ADD", conf, w.prev()).Fails(t, codeLacks, "VLAN 7", "CONFIG_BRIDGE_VLAN_FILTERING")
		w.same(before)
		testnet.Lacks(t, "VLAN filtering of bridges (CONFIG_BRIDGE_VLAN_FILTERING)")
	}
	w.host("ip", "link", "set", w.bridge, "type", "bridge", "vlan_filtering", "1")
	w.host("bridge", "vlan", "add", "dev", "veth0", "vid", "7", "pvid", "untagged")
	w.host("bridge", "vlan", "del", "dev", "veth0", "vid", "1")
	o := w.run("ADD", conf, w.prev())
	o.OK(t)
	if !strings.Contains(o.Stdout, `"cni0.7"`) || !strings.Contains(w.host("ip", "addr", "show", "dev", "cni0.7"), "10.1.0.1/24") {
		t.Errorf("result %s", o.Stdout)
	}
	if in := w.host("bridge", "vlan", "show", "dev", vlanPort("cni0.7")); !strings.Contains(in, " 7 PVID Egress Untagged") ||
		strings.Contains(in, " 1 ") {
		t.Errorf("the gateway's port is in the VLANs:\n%s", in)
	}
	w.in(w.ns, "busybox", "ping", "-c", "1", "-W", "10", "10.1.0.1")
	w.run("CHECK", conf, o.Stdout).OK(t)
	w.run("DEL", conf, o.Stdout).OK(t)
	w.host("ip", "link", "del", "cni0.7")
}

// filters tells whether the kernel has VLAN filtering.
func (w *world) filters() bool {
	w.t.Helper()
	c, err := dial()
	must(w.t, err)
	defer c.close()
	bridge, err := c.linkByName(w.bridge)
	must(w.t, err)
	return bridge.Bridge.CanFilter
}
