// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"

	"github.com/cni-chain/cni-chain/chain/chaintest"
	"github.com/cni-chain/cni-chain/shared/nl"
	"github.com/cni-chain/cni-chain/shared/owner"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// TestStateOf: what a link of the attachment's name is to it.
func TestStateOf(t *testing.T) {
	o := owner.Owner{Network: "net", ContainerID: "c", IfName: "eth0"}
	whole := nl.Link{Kind: "veth", Alias: o.Tag(), MAC: o.HostMAC(), PeerNS: 3}
	end := &nl.Link{Name: "eth0"}
	for _, c := range []struct {
		name   string
		change func(*nl.Link)
		end    *nl.Link
		nsID   int
		want   state
	}{
		{"whole", func(*nl.Link) {}, end, 3, live},
		{"whole, its MAC changed", func(l *nl.Link) { l.MAC = []byte{2, 0, 0, 0, 0, 1} }, end, 3, live},
		{"not marked yet", func(l *nl.Link) { l.Alias = "" }, end, 3, leftover},
		{"of a namespace that is no more asked for", func(*nl.Link) {}, end, 4, leftover},
		{"of a namespace that nobody knows", func(*nl.Link) {}, end, -1, leftover},
		{"other end renamed", func(*nl.Link) {}, &nl.Link{Name: "eth7"}, 3, leftover},
		{"other end gone", func(*nl.Link) {}, nil, 3, leftover},
		{"another's tag", func(l *nl.Link) { l.Alias = o.Tag() + "0" }, end, 3, foreign},
		{"an administrator's alias", func(l *nl.Link) { l.Alias = "to the lab" }, end, 3, foreign},
		{"no tag and another MAC", func(l *nl.Link) { l.Alias, l.MAC = "", []byte{2, 0, 0, 0, 0, 1} }, end, 3, foreign},
		{"no veth", func(l *nl.Link) { l.Kind = "dummy" }, end, 3, foreign},
	} {
		l := whole
		c.change(&l)
		if got := stateOf(&l, c.end, c.nsID, o); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestAddTwice: the second one is refused, changes nothing, and the DEL that a runtime sends for a failed ADD removes
// the attachment as a whole.
func TestAddTwice(t *testing.T) {
	c := newContainer(t)
	result := c.add(t, "")
	before := testnet.Take(t, c.ns)
	c.run(t, "ADD", "").Fails(t, codeExists, "exists", c.owner().HostVeth())
	same(t, before, c.ns)
	c.check(t, "", result).OK(t)
}

// TestLeftoverOfAKilledAdd: whatever an ADD had made when it was killed, the next one works, and so does DEL.
func TestLeftoverOfAKilledAdd(t *testing.T) {
	for _, kill := range []struct {
		name string
		left func(t *testing.T, c container)
	}{
		{"before the veth was marked", func(t *testing.T, c container) {
			must(t, netlink.LinkSetAlias(mustHave(t, c.owner().HostVeth()), ""))
		}},
		{"before the veth was on the bridge", func(t *testing.T, c container) {
			port := mustHave(t, c.owner().HostVeth())
			must(t, netlink.LinkSetAlias(port, ""))
			must(t, netlink.LinkSetNoMaster(port))
			must(t, netlink.LinkSetDown(port))
		}},
		{"before the bridge had its mark", func(t *testing.T, c container) {
			must(t, netlink.LinkDel(mustHave(t, c.owner().HostVeth())))
			bridge := mustHave(t, "cni0")
			must(t, netlink.LinkSetAlias(bridge, ""))
			must(t, netlink.LinkSetDown(bridge))
		}},
	} {
		for _, next := range []string{"ADD", "DEL", "GC"} {
			t.Run(kill.name+", then "+next, func(t *testing.T) {
				c := newContainer(t)
				before := testnet.Take(t, c.ns)
				const keys = `"macspoofchk": true, "removeBridge": true`
				c.add(t, keys)
				kill.left(t, c)
				switch next {
				case "ADD":
					c.check(t, keys, c.add(t, keys)).OK(t)
				case "GC":
					c.run(t, "GC", with(keys, `"cni.dev/valid-attachments": []`)).OK(t)
				}
				if next == "DEL" {
					c.ns.Path = ""
				}
				c.del(t, keys)
				same(t, before, c.ns)
			})
		}
	}
}

// TestContainerWithANewNamespace: a runtime that restarts a container after a crash of the machine's daemon gives it a
// new namespace, and the old one may still be there.
func TestContainerWithANewNamespace(t *testing.T) {
	old := newContainer(t)
	old.add(t, "")
	restarted := old
	restarted.ns = testnet.NewNS(t)
	restarted.check(t, "", restarted.add(t, "")).OK(t)
	if old.inside(t, "eth0") != nil {
		t.Error("the old namespace still has an interface")
	}
}

// TestForeignVethInTheWay: a link that looks like ours and is not is neither taken for a leftover nor deleted.
func TestForeignVethInTheWay(t *testing.T) {
	for _, alias := range []string{"", "somebody's", "cni-chain:other/c/eth0"} {
		t.Run("alias "+alias, func(t *testing.T) {
			c := newContainer(t)
			addBridge(t, "cni0", 0, true)
			veth := addVeth(t, c.owner().HostVeth()[:14]) // the peer's name is one longer
			must(t, netlink.LinkSetDown(veth))
			must(t, netlink.LinkSetName(veth, c.owner().HostVeth()))
			if alias != "" {
				must(t, netlink.LinkSetAlias(veth, alias))
			}
			before := testnet.Take(t, c.ns)
			c.run(t, "ADD", "").Fails(t, codeForeign, "not ours", c.owner().HostVeth(), veth.Attrs().HardwareAddr.String())
			c.del(t, "")
			c.run(t, "GC", `"cni.dev/valid-attachments": []`).OK(t)
			same(t, before, c.ns)
		})
	}
}

func TestTakenContainerInterface(t *testing.T) {
	c := newContainer(t)
	addBridge(t, "cni0", 0, true)
	must(t, c.ns.Do(func() error { return netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "eth0"}}) }))
	before := testnet.Take(t, c.ns)
	c.run(t, "ADD", "").Fails(t, codeExists, "eth0", "exists", c.ns.Path)
	c.del(t, "")
	same(t, before, c.ns)
}

// TestDelNeedsNothing: the three names are enough, whatever is lacking or broken besides, and twice.
func TestDelNeedsNothing(t *testing.T) {
	for _, d := range []struct {
		name   string
		change func(t *testing.T, call *chaintest.Call)
	}{
		{"no namespace", func(_ *testing.T, call *chaintest.Call) { call.NetNS = "" }},
		{"a namespace that is gone", func(_ *testing.T, call *chaintest.Call) { call.NetNS = "/run/netns/gone" }},
		{"keys of another version", func(_ *testing.T, call *chaintest.Call) {
			call.Config = `{"cniVersion": "1.1.0", "name": "net", "type": "veth-bridge",
				"mtu": {"x": 1}, "vlan": "old", "bridge": 7}`
		}},
		{"macspoofchk taken out of the configuration", func(_ *testing.T, call *chaintest.Call) {
			call.Config = `{"cniVersion": "1.1.0", "name": "net", "type": "veth-bridge"}`
		}},
		{"a cached result of another time", func(_ *testing.T, call *chaintest.Call) {
			call.Config = `{"cniVersion": "1.1.0", "name": "net", "type": "veth-bridge", "prevResult": {"interfaces": [null]}}`
		}},
	} {
		t.Run(d.name, func(t *testing.T) {
			c := newContainer(t)
			addBridge(t, "cni0", 0, true)
			before := testnet.Take(t, c.ns)
			c.add(t, `"macspoofchk": true, "hairpinMode": true`)
			call := c.call("DEL", "")
			d.change(t, &call)
			runCall(t, call).OK(t)
			same(t, before, c.ns)
			runCall(t, call).OK(t)
		})
	}
}

// TestNamespaceGone: with the namespace the kernel removes the veth; DEL removes the rest.
func TestNamespaceGone(t *testing.T) {
	c := newContainer(t)
	const keys = `"macspoofchk": true, "removeBridge": true`
	before := testnet.Take(t)
	c.add(t, keys)
	must(t, c.ns.Close())
	waitUntil(t, "the veth is gone", func() bool { return hostLink(t, c.owner().HostVeth()) == nil })
	c.del(t, keys)
	diff := testnet.Diff(before, testnet.Take(t))
	if strings.Count(diff, "\n") != 2 || !strings.Contains(diff, "- namespace "+c.ns.Name) {
		t.Errorf("the machine is not what it was:\n%s", diff)
	}
}

// TestGC: of one network, what is not valid; veths, and entries of macspoofchk.
func TestGC(t *testing.T) {
	keep, stale, other := newContainer(t), newContainer(t), newContainer(t)
	other.network = "net2"
	const keys = `"macspoofchk": true`
	result := keep.add(t, keys)
	otherResult := other.add(t, keys)
	before := testnet.Take(t, keep.ns, stale.ns, other.ns)
	stale.add(t, keys)
	gc := container{network: "net"}
	gc.run(t, "GC", "").OK(t) // no list: nothing to do
	mustHave(t, stale.owner().HostVeth())
	gc.run(t, "GC", `"cni.dev/valid-attachments": [{"containerID": "`+keep.id+`", "ifname": "eth0"}]`).OK(t)
	same(t, before, keep.ns, stale.ns, other.ns)
	keep.check(t, keys, result).OK(t)
	gc.run(t, "GC", `"cni.dev/valid-attachments": null`).OK(t)
	mustNotHave(t, keep.owner().HostVeth())
	other.check(t, keys, otherResult).OK(t)
}

// TestRenamedNetwork: attachments of the old name are not those of the new one, and go by GC or DEL of the old name.
func TestRenamedNetwork(t *testing.T) {
	c := newContainer(t)
	addBridge(t, "cni0", 0, true)
	before := testnet.Take(t, c.ns)
	result := c.add(t, `"macspoofchk": true`)
	renamed := c
	renamed.network = "renamed"
	renamed.run(t, "ADD", "").Fails(t, codeExists, "eth0")
	renamed.del(t, "")
	renamed.run(t, "GC", `"cni.dev/valid-attachments": []`).OK(t)
	c.check(t, `"macspoofchk": true`, result).OK(t)
	c.del(t, "")
	same(t, before, c.ns)
}

func TestAltNameHoldsTheTag(t *testing.T) {
	for _, o := range []owner.Owner{
		{Network: "net", ContainerID: "c", IfName: "eth0"},
		{Network: "a.b", ContainerID: "c_1", IfName: "x,y"},
	} {
		if diff := cmp.Diff(o.Tag(), tagOfAltName(altNameOf(o))); diff != "" || strings.Contains(altNameOf(o), "/") {
			t.Errorf("%s becomes %s", o.Tag(), altNameOf(o))
		}
	}
}
