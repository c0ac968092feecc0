// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cni-chain/cni-chain/chain/chaintest"
	"github.com/cni-chain/cni-chain/shared/nft"
	"github.com/cni-chain/cni-chain/shared/owner"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

var backends = []string{backendNFTables, backendIPTables}

const dual = `"isDefaultGateway": true, "addresses": [{"address": "10.1.0.5/24"}, {"address": "fd00:1::5/64"}]`

func masqConf(backend string) string {
	return dual + `, "ipMasq": true, "ipMasqBackend": "` + backend + `"`
}

// TestMasqueradedTraffic: a server outside sees the host's address, one in the own subnet and one on the host the
// container's, in both families.
func TestMasqueradedTraffic(t *testing.T) {
	for _, backend := range backends {
		t.Run(backend, func(t *testing.T) {
			w := newWorld(t)
			outside := testnet.NewOutside(t)
			neighbour := &world{t: t, ns: testnet.NewNS(t), bridge: w.bridge, id: "c2"}
			neighbour.connect("veth1", "eth0", "02:00:00:00:00:06")
			w.add(masqConf(backend))
			neighbour.run("ADD", strings.ReplaceAll(masqConf(backend), "5/", "6/"), neighbour.prev()).OK(t)
			port := outside.StartServer(t, "tcp", ":0")
			near := neighbour.ns.StartServer(t, "tcp", ":0")
			here := testnet.HostNS(t).StartServer(t, "tcp", ":0")
			for _, c := range []struct {
				name, to string
				port     uint16
				want     netip.Addr
			}{
				{"outside", outside.V4.String(), port, outside.HostV4}, {"outside, IPv6", outside.V6.String(), port, outside.HostV6},
				{"neighbour", "10.1.0.6", near, netip.MustParseAddr("10.1.0.5")},
				{"neighbour, IPv6", "fd00:1::6", near, netip.MustParseAddr("fd00:1::5")},
				{"gateway", "10.1.0.1", here, netip.MustParseAddr("10.1.0.5")},
			} {
				got := w.ns.MustAsk(t, "tcp", net.JoinHostPort(c.to, fmt.Sprint(c.port)))
				if got.Source.Addr().Unmap() != c.want {
					t.Errorf("%s: the server sees %s, want %s", c.name, got.Source, c.want)
				}
			}
			w.run("DEL", masqConf(backend), "").OK(t)
		})
	}
}

// TestMasqueradeOfOneFamily is containernetworking/plugins#398.
func TestMasqueradeOfOneFamily(t *testing.T) {
	w := newWorld(t)
	outside := testnet.NewOutside(t)
	w.add(dual + `, "ipMasq": {"ipv4": false, "ipv6": true}`)
	port := outside.StartServer(t, "udp", ":0")
	if got := w.ns.MustAsk(t, "udp", net.JoinHostPort(outside.V4.String(), fmt.Sprint(port))); got.Source.Addr().Unmap().String() != "10.1.0.5" {
		t.Errorf("IPv4: the server sees %s", got.Source)
	}
	if got := w.ns.MustAsk(t, "udp", net.JoinHostPort(outside.V6.String(), fmt.Sprint(port))); got.Source.Addr() != outside.HostV6 {
		t.Errorf("IPv6: the server sees %s", got.Source)
	}
}

// TestRuleset is one rule per network and subnet, whatever the number of containers (containernetworking/plugins#127);
// multicast and the subnet itself are left out.
func TestRuleset(t *testing.T) {
	w := newWorld(t)
	w.add(masqConf(backendNFTables))
	count := strings.Count(w.host("nft", "list", "ruleset"), "masquerade comment")
	masq := &nftMasq{owner: owner.Owner{Network: "podnet", ContainerID: "c2", IfName: "eth0"}}
	must(t, masq.add(t.Context(), prefixes("10.1.0.6/24", "fd00:1::6/64")))
	text := w.host("nft", "list", "ruleset")
	if now := strings.Count(text, "masquerade comment"); count != 2 || now != 2 {
		t.Errorf("%d rules, then %d:\n%s", count, now, text)
	}
	const rule = `ip saddr @masq-podnet-10.1.0.0/24 ip daddr != 10.1.0.0/24 ip daddr != 224.0.0.0/4 masquerade comment "cni-chain:podnet/ masquerade what leaves 10.1.0.0/24"`
	const element = `10.1.0.5 comment "cni-chain:podnet/c1/eth0"`
	if !strings.Contains(text, rule) || !strings.Contains(text, element) {
		t.Errorf("ruleset:\n%s", text)
	}
	must(t, masq.close())
	// nft reads what it has listed.
	w.host("sh", "-c", "nft list ruleset > /run/ruleset && nft -c -f /run/ruleset")
}

// TestLastOneClearsUp: a container's part goes with its DEL, the network's with the last, the table with the last
// network. DEL has the names alone (containernetworking/plugins#810, #1078).
func TestLastOneClearsUp(t *testing.T) {
	for _, backend := range backends {
		t.Run(backend, func(t *testing.T) {
			w := newWorld(t)
			list := func() string { return w.host("nft", "-s", "list", "ruleset") }
			empty := list()
			conf := func(subnet string) string {
				return fmt.Sprintf(`"ipMasq": true, "ipMasqBackend": %q, "addresses": [{"address": "10.%s/24"}, {"address": "fd00:1::%s/64"}]`,
					backend, subnet, strings.TrimPrefix(subnet, "1.0."))
			}
			run := func(verb, network, id, conf string) {
				t.Helper()
				call := w.call(verb, conf, "")
				call.ContainerID = id
				call.Config = strings.Replace(call.Config.(string), "podnet", network, 1)
				if verb == "ADD" {
					call.Config = strings.Replace(call.Config.(string), `"_": 0`, `"prevResult": `+w.prev(), 1)
					w.ip("addr", "flush", "dev", "eth0")
				} else {
					call.NetNS = ""
				}
				chaintest.Run(t, plugin, call).OK(t)
			}
			run("ADD", "podnet", "a", conf("1.0.5"))
			alone := list()
			run("ADD", "podnet", "b", conf("1.0.6"))
			run("ADD", "podnet-2", "a", conf("1.0.7"))
			run("DEL", "podnet", "b", conf("1.0.6"))
			run("DEL", "podnet-2", "a", conf("1.0.7"))
			if diff := cmp.Diff(alone, list()); diff != "" {
				t.Errorf("the first attachment alone again (-want +got):\n%s", diff)
			}
			run("DEL", "podnet", "a", conf("1.0.5"))
			run("DEL", "podnet", "a", conf("1.0.5"))
			if diff := cmp.Diff(empty, list()); diff != "" {
				t.Errorf("after the last (-want +got):\n%s", diff)
			}
		})
	}
}

// TestSameContainerTwice: two networks of one container, and two of its interfaces on one network, are attachments of
// their own (containernetworking/plugins#752; upstream's key has no interface).
func TestSameContainerTwice(t *testing.T) {
	for _, backend := range backends {
		t.Run(backend, func(t *testing.T) {
			w := newWorld(t)
			w.connect("veth1", "eth1", "02:00:00:00:00:06")
			before := w.snapshot()
			call := func(verb, network, ifname, address string) chaintest.Call {
				call := w.call(verb, fmt.Sprintf(`"ipMasq": true, "ipMasqBackend": %q, "addresses": [{"address": %q}]`, backend, address),
					strings.ReplaceAll(w.prev(), "eth0", ifname))
				call.Config = strings.Replace(call.Config.(string), "podnet", network, 1)
				call.IfName = ifname
				return call
			}
			added := chaintest.Run(t, plugin, call("ADD", "podnet", "eth0", "10.1.0.5/24")).OK(t)
			chaintest.Run(t, plugin, call("ADD", "podnet", "eth1", "10.1.0.6/24")).OK(t)
			chaintest.Run(t, plugin, call("DEL", "podnet", "eth1", "10.1.0.6/24")).OK(t)
			chaintest.Run(t, plugin, call("ADD", "other", "eth1", "10.2.0.6/24")).OK(t)
			chaintest.Run(t, plugin, call("DEL", "other", "eth1", "10.2.0.6/24")).OK(t)
			check := call("CHECK", "podnet", "eth0", "10.1.0.5/24")
			check.Config = strings.Replace(check.Config.(string), `"prevResult": `+w.prev(), `"prevResult": `+added.Stdout, 1)
			chaintest.Run(t, plugin, check).OK(t)
			chaintest.Run(t, plugin, call("DEL", "podnet", "eth0", "10.1.0.5/24")).OK(t)
			w.same(before, "link eth", "forward", "accept_redirects", "arp_notify")
		})
	}
}

// TestTakeover is containernetworking/plugins#683: an address whose last holder never had a DEL is the new holder's,
// and the old one's late DEL does not take it away.
func TestTakeover(t *testing.T) {
	w := newWorld(t)
	first := &nftMasq{owner: owner.Owner{Network: "podnet", ContainerID: "gone", IfName: "eth0"}}
	must(t, first.add(t.Context(), prefixes("10.1.0.5/24", "10.1.0.9/24")))
	conf := masqConf(backendNFTables)
	_, text := w.add(conf)
	must(t, first.remove(t.Context()))
	must(t, first.close())
	w.run("CHECK", conf, text).OK(t)
	w.run("DEL", conf, text).OK(t)
	if got := w.host("nft", "list", "ruleset"); strings.Contains(got, "cni-chain") {
		t.Errorf("left:\n%s", got)
	}
}

// TestMasqueradeAfterAKilledADD: what the same attachment left is replaced.
func TestMasqueradeAfterAKilledADD(t *testing.T) {
	for _, backend := range backends {
		t.Run(backend, func(t *testing.T) {
			w := newWorld(t)
			conf := masqConf(backend)
			w.run("ADD", conf, w.prev()).OK(t)
			w.ip("addr", "flush", "dev", "eth0") // the interface is a new one
			_, text := w.add(strings.ReplaceAll(conf, "5/", "6/"))
			w.run("CHECK", strings.ReplaceAll(conf, "5/", "6/"), text).OK(t)
			w.run("DEL", conf, "").OK(t)
			if got := w.host("nft", "list", "ruleset"); strings.Contains(got, "MASQ") || strings.Contains(got, "cni-chain") {
				t.Errorf("left:\n%s", got)
			}
		})
	}
}

// TestGC removes what is not valid of its own network and nothing else.
func TestGC(t *testing.T) {
	for _, backend := range backends {
		t.Run(backend, func(t *testing.T) {
			w := newWorld(t)
			masq := func(network, id string) masquerader {
				o := owner.Owner{Network: network, ContainerID: id, IfName: "eth0"}
				if backend == backendIPTables {
					return &iptablesMasq{owner: o, masq: Masq{true, true}}
				}
				return &nftMasq{owner: o}
			}
			add := func(network, id string, addresses ...string) {
				t.Helper()
				m := masq(network, id)
				must(t, m.add(t.Context(), prefixes(addresses...)))
				must(t, m.close())
			}
			list := func() string { return w.host("nft", "-s", "list", "ruleset") }
			add("other", "stale", "10.2.0.5/24")
			add("podnet", "live", "10.1.0.5/24", "fd00:1::5/64")
			want := list()
			add("podnet", "stale", "10.1.0.6/24", "10.3.0.6/24")
			add("podnet", "stale2", "fd00:1::6/64")
			conf := masqConf(backend)
			before := list()
			w.run("GC", conf, "").OK(t) // no list is no wish
			if diff := cmp.Diff(before, list()); diff != "" {
				t.Errorf("without a list (-want +got):\n%s", diff)
			}
			w.run("GC", conf+`, "cni.dev/valid-attachments": [{"containerID": "live", "ifname": "eth0"}]`, "").OK(t)
			if diff := cmp.Diff(want, list()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			w.run("GC", conf+`, "cni.dev/valid-attachments": null`, "").OK(t)
			gone, stays := "podnet", "other"
			if backend == backendIPTables { // nft does not show the comments
				gone, stays = owner.NetworkHash(gone, 12), owner.NetworkHash(stays, 12)
			}
			if got := list(); strings.Contains(got, gone) || !strings.Contains(got, stays) {
				t.Errorf("with null:\n%s", got)
			}
		})
	}
}

// TestGCFindsOrphans: a set that two DELs have each left to the other is cleared away.
func TestGCFindsOrphans(t *testing.T) {
	w := newWorld(t)
	conn, err := nft.Open()
	must(t, err)
	tx := conn.Begin(nft.Inet)
	base(tx, subnetsOf("podnet", prefixes("10.1.0.5/24")))
	must(t, tx.Commit())
	must(t, conn.Close())
	w.run("GC", `"cni.dev/valid-attachments": []`, "").OK(t)
	if got := w.host("nft", "list", "ruleset"); strings.Contains(got, "cni-chain") {
		t.Errorf("left:\n%s", got)
	}
}

// TestForeignMasqueradeStays: rules, sets and tables of others, with names like ours and without our tag.
func TestForeignMasqueradeStays(t *testing.T) {
	w := newWorld(t)
	w.host("nft", `table inet cni-chain { set foreign { type ipv4_addr; elements = { 10.1.0.5 } }; chain masq-foreign { masquerade comment "cni-chain:podnet"; }; }`)
	before := w.host("nft", "-s", "list", "ruleset")
	conf := masqConf(backendNFTables)
	w.add(conf)
	w.run("DEL", conf, "").OK(t)
	w.run("GC", conf+`, "cni.dev/valid-attachments": []`, "").OK(t)
	if diff := cmp.Diff(before, w.host("nft", "-s", "list", "ruleset")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTagIn(t *testing.T) {
	for line, want := range map[string]string{
		`-A CNI-MASQ-x -s 10.1.0.5/32 ! -d 10.1.0.0/24 -m comment --comment "cni-chain:podnet/c1/eth0" -j MASQUERADE`: "cni-chain:podnet/c1/eth0",
		`-A CNI-MASQ-x -s 10.1.0.5/32 -m comment --comment cni-chain:n/c/e -j MASQUERADE`:                             "cni-chain:n/c/e",
		`-A CNI-MASQ-x -m comment --comment "cni-chain:n/c/e\"0" -j MASQUERADE`:                                       `cni-chain:n/c/e"0`,
		`-A CNI-MASQ-x -d 224.0.0.0/4 -j RETURN`:                                                                      "",
		`-N CNI-MASQ-x`:                                                                                               "",
	} {
		if got := tagIn(line); got != want {
			t.Errorf("%s: %q", line, got)
		}
	}
}

// TestNames: names of sets and chains lead back to their type, and are ones that nft reads.
func TestNames(t *testing.T) {
	for _, c := range []struct{ network, prefix, want string }{
		{"podnet", "10.88.0.0/16", "masq-podnet-10.88.0.0/16"},
		{"a_b.c-d", "fd00:1::/64", "masq-a_b.c-d-fd00_1__/64"},
		{strings.Repeat("n", 300), "10.0.0.0/8", "masq-" + owner.NetworkHash(strings.Repeat("n", 300), 24) + "-10.0.0.0/8"},
	} {
		s := subnet{c.network, netip.MustParsePrefix(c.prefix)}
		if s.name() != c.want || s.set().Key[0].Registers() != s.prefix.Addr().BitLen()/32 {
			t.Errorf("%+v: %s", c, s.name())
		}
	}
}
