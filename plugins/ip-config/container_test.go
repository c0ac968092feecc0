// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/chain/chaintest"
	"github.com/cni-chain/cni-chain/shared/nl"
	"github.com/cni-chain/cni-chain/shared/nlsock"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// TestRouteFields: all fields of CNI 1.1 arrive in the kernel (containernetworking/plugins#971), and CHECK looks for
// them.
func TestRouteFields(t *testing.T) {
	w := newWorld(t)
	const conf = `"addresses": [{"address": "10.1.0.5/24", "gateway": "10.1.0.1"}, {"address": "fd00:1::5/64", "gateway": "fd00:1::1"}],
		"routes": [
			{"dst": "10.2.0.0/16", "gw": "10.1.0.2", "mtu": 1400, "advmss": 1360, "priority": 7},
			{"dst": "10.3.0.0/16", "table": 500},
			{"dst": "10.4.0.0/16", "scope": 253},
			{"dst": "fd02::/64", "mtu": 1300, "priority": 9},
			{"dst": "192.0.2.0/24", "gw": "198.51.100.1"},
			{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]`
	result, text := w.add(conf)
	got := w.ip("route", "show", "table", "all") + w.ip("-6", "route", "show", "table", "all")
	for _, want := range []string{
		"10.2.0.0/16 via 10.1.0.2 dev eth0 proto 193 metric 7 mtu 1400 advmss 1360",
		"10.3.0.0/16 via 10.1.0.1 dev eth0 table 500 proto 193",
		"10.4.0.0/16 dev eth0 proto 193 scope link",
		"fd02::/64 via fd00:1::1 dev eth0 proto 193 metric 9 mtu 1300",
		"192.0.2.0/24 via 198.51.100.1 dev eth0 proto 193 onlink",
		"default via 10.1.0.1 dev eth0 proto 193",
		"default via fd00:1::1 dev eth0 proto 193",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	if len(result.Routes) != 7 || result.Routes[0].MTU != 1400 || result.Routes[1].GW != nil ||
		*result.Routes[1].Table != 500 {
		t.Errorf("result %s", text)
	}
	w.run("CHECK", conf, text).OK(t)
	w.ip("route", "change", "10.2.0.0/16", "via", "10.1.0.2", "dev", "eth0", "metric", "7", "mtu", "1200")
	w.run("CHECK", conf, text).Fails(t, codeCheck, "10.2.0.0/16 via 10.1.0.2 is missing")
	w.run("DEL", conf, text).OK(t)
	got = w.ip("route", "show", "table", "all") + w.ip("-6", "route", "show", "table", "all")
	if strings.Contains(got, "proto 193") {
		t.Errorf("left:\n%s", got)
	}
}

// TestEqualCostPaths: the same destination twice is two paths.
func TestEqualCostPaths(t *testing.T) {
	w := newWorld(t)
	const conf = `"addresses": [{"address": "10.1.0.5/24"}, {"address": "fd00:1::5/64"}], "routes": [
		{"dst": "10.2.0.0/16", "gw": "10.1.0.2"}, {"dst": "10.2.0.0/16", "gw": "10.1.0.3"},
		{"dst": "fd02::/64", "gw": "fd00:1::2"}, {"dst": "fd02::/64", "gw": "fd00:1::3"}, {"dst": "fd02::/64", "gw": "fd00:1::3"}]`
	_, text := w.add(conf)
	got := w.ip("route") + w.ip("-6", "route")
	for _, want := range []string{"10.2.0.0/16 via 10.1.0.2", "10.2.0.0/16 via 10.1.0.3", "nexthop via fd00:1::2", "nexthop via fd00:1::3"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	w.run("CHECK", conf, text).OK(t)
	w.ip("route", "del", "10.2.0.0/16", "via", "10.1.0.3")
	w.run("CHECK", conf, text).Fails(t, codeCheck, "10.2.0.0/16 via 10.1.0.3 is missing")
}

// TestFirstDefaultRouteStays: a second network does not take a container's default route away.
func TestFirstDefaultRouteStays(t *testing.T) {
	w := newWorld(t)
	w.connect("veth1", "eth1", "02:00:00:00:00:06")
	w.ip("addr", "add", "192.0.2.5/24", "dev", "eth1")
	w.ip("link", "set", "eth1", "up")
	w.ip("route", "add", "default", "via", "192.0.2.1")
	const conf = `"isDefaultGateway": true, "addresses": [{"address": "10.1.0.5/24"}, {"address": "fd00:1::5/64"}]`
	_, text := w.add(conf)
	if got := w.ip("route"); strings.Count(got, "default") != 1 || !strings.Contains(got, "default via 192.0.2.1 dev eth1") {
		t.Errorf("routes:\n%s", got)
	}
	if got := w.ip("-6", "route"); !strings.Contains(got, "default via fd00:1::1 dev eth0") {
		t.Errorf("routes:\n%s", got)
	}
	w.run("CHECK", conf, text).OK(t)
}

func TestFailEachStepOfRoutes(t *testing.T) {
	w := newWorld(t)
	steps := chaintest.FailEachStep(t, plugin, w.call("ADD", `"addresses": [{"address": "10.1.0.5/24", "gateway": "10.1.0.1"},
		{"address": "10.1.0.6/24"}, {"address": "fd00:1::5/64"}], "routes": [{"dst": "10.2.0.0/16", "gw": "10.1.0.2"},
		{"dst": "10.2.0.0/16", "gw": "10.1.0.3", "table": 100}, {"dst": "fd02::/64", "gw": "fd00:1::2"}]`, w.prev()), nil,
		func(*testing.T) string { return w.snapshot().String() })
	if steps < 8 {
		t.Errorf("%d steps", steps)
	}
}

// TestIPv6SurvivesLinkDown: addresses stay when the interface is down for a moment.
func TestIPv6SurvivesLinkDown(t *testing.T) {
	w := newWorld(t)
	const conf = `"addresses": [{"address": "fd00:1::5/64"}]`
	w.add(conf)
	w.ip("link", "set", "eth0", "down")
	w.ip("link", "set", "eth0", "up")
	if got := w.ip("addr", "show", "dev", "eth0"); !strings.Contains(got, "fd00:1::5/64") {
		t.Errorf("addresses:\n%s", got)
	}
}

// TestDuplicateAddress: with enabledad ADD waits until the kernel is sure, and says so when somebody has the address.
// Without, it does not wait (containernetworking/plugins#680).
func TestDuplicateAddress(t *testing.T) {
	const conf = `"enabledad": true, "addresses": [{"address": "fd00:1::5/64"}]`
	t.Run("unique", func(t *testing.T) {
		w := newWorld(t)
		_, text := w.add(conf)
		if got := w.ip("addr", "show", "dev", "eth0"); !strings.Contains(got, "fd00:1::5/64 scope global proto 0xc1") &&
			!strings.Contains(got, "fd00:1::5/64 scope global") || strings.Contains(got, "global tentative") {
			t.Errorf("addresses:\n%s", got)
		}
		w.run("CHECK", conf, text).OK(t)
	})
	t.Run("taken", func(t *testing.T) {
		w := newWorld(t)
		other := &world{t: t, ns: testnet.NewNS(t), bridge: w.bridge, id: "c2"}
		other.connect("veth1", "eth0", "02:00:00:00:00:06")
		other.run("ADD", `"addresses": [{"address": "fd00:1::5/64"}]`, other.prev()).OK(t)
		before := w.snapshot()
		w.run("ADD", conf, w.prev()).Fails(t, chain.CodeTryAgain, "another host", "fd00:1::5")
		w.same(before)
		w.add(`"addresses": [{"address": "fd00:1::5/64"}]`)
	})
	t.Run("no carrier", func(t *testing.T) {
		w := newWorld(t)
		w.host("ip", "link", "set", "veth0", "down")
		p := &plan{addresses: []address{{prefix: netip.MustParsePrefix("fd00:1::5/64")}}}
		if pending, err := undecided([]addr{{prefix: p.addresses[0].prefix, flags: 0x40}}, p); !pending || err != nil {
			t.Errorf("%v, %v", pending, err)
		}
		_, err := undecided([]addr{{prefix: p.addresses[0].prefix, flags: 0x48}}, p)
		if chain.CodeOf(err) != chain.CodeTryAgain {
			t.Errorf("%v", err)
		}
	})
}

// TestNeighboursAreTold is containernetworking/plugins#588: a neighbour that knows the address by another MAC learns
// the new one at once, in both families.
func TestNeighboursAreTold(t *testing.T) {
	w := newWorld(t)
	w.host("ip", "addr", "add", "10.1.0.1/24", "dev", w.bridge)
	w.host("ip", "addr", "add", "fd00:1::1/64", "dev", w.bridge, "nodad")
	for _, address := range []string{"10.1.0.5", "fd00:1::5"} {
		w.host("ip", "neigh", "add", address, "lladdr", "02:00:00:00:00:99", "dev", w.bridge, "nud", "stale")
	}
	// As veth-bridge leaves it: up, and the port forwards.
	w.ip("link", "set", "eth0", "up")
	w.await(func() string { return w.host("bridge", "link", "show", "dev", "veth0") }, "state forwarding")
	w.add(`"addresses": [{"address": "10.1.0.5/24"}, {"address": "fd00:1::5/64"}]`)
	w.await(func() string { return w.host("ip", "neigh", "show", "dev", w.bridge) },
		"10.1.0.5 lladdr "+containerMAC, "fd00:1::5 lladdr "+containerMAC)
}

// await looks again and again until all words are there.
func (w *world) await(look func() string, words ...string) {
	w.t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for {
		got := look()
		if !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(got, word) }) {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("%q do not come:\n%s", words, got)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// TestKeepsAddressesOfOthers: DEL takes what ADD has put there and no more, on an interface that stays.
func TestKeepsAddressesOfOthers(t *testing.T) {
	w := newWorld(t)
	w.ip("link", "set", "eth0", "up")
	w.ip("addr", "add", "192.0.2.5/24", "dev", "eth0")
	w.ip("addr", "add", "fd00:9::5/64", "dev", "eth0", "nodad")
	w.ip("route", "add", "198.51.100.0/24", "via", "192.0.2.1")
	before := w.snapshot()
	conf := `"addresses": [{"address": "10.1.0.5/24"}, {"address": "fd00:1::5/64"}], "routes": [{"dst": "10.9.0.0/16", "gw": "192.0.2.9"}]`
	w.add(conf)
	w.run("DEL", conf, "").OK(t)
	w.same(before, "keep_addr_on_down", "_notify")
}

// TestEarlierAddresses: those that an earlier link of the chain has reported are no sign of a second ADD.
func TestEarlierAddresses(t *testing.T) {
	w := newWorld(t)
	_, first := w.add(`"addresses": [{"address": "10.1.0.5/24"}]`)
	o := w.run("ADD", `"addresses": [{"address": "10.2.0.5/24"}]`, first).OK(t)
	if strings.Count(o.Stdout, `"address"`) != 2 {
		t.Errorf("result %s", o.Stdout)
	}
}

// TestReadsWhatItWrites: routes to and from the kernel's form, and no panic on rubbish.
func TestReadsWhatItWrites(t *testing.T) {
	want := route{dst: netip.MustParsePrefix("10.2.0.0/16"), gw: netip.MustParseAddr("10.1.0.2"), mtu: 1400, advmss: 1360, priority: 7}
	sent := written(routeMessage(24, 5, want, 0, 0))
	got := parseRoute(sent[16:], 2)
	if len(got) != 1 || got[0].link != 5 || got[0].origin != origin || !want.isDoneBy(got[0]) {
		t.Errorf("%+v", got)
	}
	for n := range sent[16:] {
		_ = parseRoute(sent[16:16+n], 2) // no panic on a short one
		_, _, _ = parseAddr(sent[16 : 16+n])
	}
	if parseRoute(bytes.Repeat([]byte{0xff}, 64), 0xff) != nil {
		t.Error("rubbish is a route")
	}
}

// written is the message as it is sent.
func written(m nl.Message) []byte {
	var w nlsock.Writer
	m.Write(&w, 1)
	return w.Buf
}
