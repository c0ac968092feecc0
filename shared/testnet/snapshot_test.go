// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package testnet_test

import (
	"errors"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/testnet"
)

// change is something done in a namespace, and the lines that Diff shall have for it: all, or at least some.
type change struct {
	name string
	do   func() error
	want []string
	some []string
}

// TestDiffFindsEachKindOfChange makes one change after the other in a namespace.
func TestDiffFindsEachKindOfChange(t *testing.T) {
	kinds := map[string][]change{
		"links":           slices.Concat(linkChanges(), portChanges()),
		"layer 3":         addressChanges(),
		"traffic control": tcChanges(),
		"sysctls":         sysctlChanges(),
		"nftables":        nftChanges(),
	}
	for name, changes := range kinds {
		t.Run(name, func(t *testing.T) {
			ns := testnet.NewNS(t)
			if err := ns.Do(setUpBridge); err != nil {
				t.Fatal(err)
			}
			for _, c := range changes {
				t.Run(c.name, func(t *testing.T) { checkChange(t, ns, c) })
			}
		})
	}
}

func checkChange(t *testing.T, ns *testnet.NS, c change) {
	t.Helper()
	before := testnet.Take(t, ns)
	if err := ns.Do(c.do); err != nil {
		t.Fatal(err)
	}
	var want string
	if len(c.want) > 0 {
		want = ns.Name + ":\n  " + strings.Join(c.want, "\n  ") + "\n"
	}
	after := testnet.Take(t, ns)
	got := testnet.Diff(before, after)
	if diff := cmp.Diff(want, got); diff != "" && c.some == nil {
		t.Errorf("Diff (-want +got):\n%s", diff)
	}
	for _, line := range c.some {
		if !strings.Contains(got, "\n  "+line) {
			t.Errorf("Diff lacks %q:\n%s", line, got)
		}
	}
	if again := testnet.Diff(after, testnet.Take(t, ns)); again != "" {
		t.Errorf("without a change:\n%s", again)
	}
}

// setUpBridge makes a bridge br0 with a port p0, whose other end is p1, all with MACs that do not change.
func setUpBridge() error {
	bridge := &netlink.Bridge{LinkAttrs: linkAttrs("br0", 1)}
	port := netlink.NewVeth(linkAttrs("p0", 2))
	port.PeerName, port.PeerHardwareAddr = "p1", mac(3)
	err := errors.Join(netlink.LinkAdd(bridge), netlink.LinkAdd(port), netlink.LinkSetMaster(port, bridge))
	return errors.Join(err, netlink.LinkSetUp(bridge), netlink.LinkSetUp(port))
}

func linkAttrs(name string, number byte) netlink.LinkAttrs {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.HardwareAddr = name, net.HardwareAddr{2, 0, 0, 0, 0, number}
	return attrs
}

// on calls fn with the interface.
func on(name string, fn func(netlink.Link) error) func() error {
	return func() error {
		link, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		return fn(link)
	}
}

func linkChanges() []change {
	return []change{
		{name: "nothing", do: func() error { return nil }},
		{
			name: "alias", do: on("p0", func(l netlink.Link) error { return netlink.LinkSetAlias(l, "cni-chain:net/c/eth0") }),
			want: []string{"~ link p0: alias none -> cni-chain:net/c/eth0"},
		},
		{
			name: "mtu", do: on("p1", func(l netlink.Link) error { return netlink.LinkSetMTU(l, 1400) }),
			want: []string{"~ link p1: mtu 1500 -> 1400", "~ sysctl ipv6/conf/p1/mtu: value 1500 -> 1400"},
		},
		{
			name: "mac", do: on("p1", func(l netlink.Link) error { return netlink.LinkSetHardwareAddr(l, mac(9)) }),
			want: []string{"~ link p1: mac 02:00:00:00:00:03 -> 02:00:00:00:00:09"},
		},
		{
			name: "queue", do: on("p1", func(l netlink.Link) error { return netlink.LinkSetTxQLen(l, 10) }),
			want: []string{"~ link p1: txqlen 1000 -> 10"},
		},
		{
			name: "up", do: on("p1", netlink.LinkSetUp),
			want: []string{"~ link p1: flags broadcast|multicast -> up|broadcast|multicast"},
		},
		{
			name: "promiscuous", do: on("p1", netlink.SetPromiscOn), want: []string{
				"~ link p1: flags up|broadcast|multicast -> up|broadcast|promisc|multicast, promiscuity none -> 1",
			},
		},
	}
}

func portChanges() []change {
	return []change{
		{
			name: "hairpin", do: on("p0", func(l netlink.Link) error { return netlink.LinkSetHairpin(l, true) }),
			want: []string{"~ link p0: port-hairpin 0 -> 1"},
		},
		{
			name: "isolated", do: on("p0", func(l netlink.Link) error { return netlink.LinkSetIsolated(l, true) }),
			want: []string{"~ link p0: port-isolated 0 -> 1"},
		},
		{
			name: "bridge setting", do: func() error {
				ageing := uint32(1000)
				return netlink.LinkModify(&netlink.Bridge{LinkAttrs: linkAttrs("br0", 1), AgeingTime: &ageing})
			},
			want: []string{"~ link br0: ageing-time 30000 -> 1000"},
		},
		{
			name: "static fdb entry", do: on("p0", func(l netlink.Link) error {
				return netlink.NeighAdd(&netlink.Neigh{
					LinkIndex: l.Attrs().Index, Family: unix.AF_BRIDGE,
					State: netlink.NUD_NOARP, Flags: netlink.NTF_MASTER, HardwareAddr: mac(7),
				})
			}),
			// And a second one, for VLAN 1, on a kernel that can filter VLANs.
			some: []string{"+ fdb 02:00:00:00:00:07 on p0: master br0, state 0x40"},
		},
		{
			name: "master", do: on("p0", netlink.LinkSetNoMaster),
			some: []string{"- fdb 02:00:00:00:00:02 on p0: ", "~ link p0: master br0 -> none, "},
		},
		{
			name: "name", do: on("p1", func(l netlink.Link) error {
				return errors.Join(netlink.LinkSetDown(l), netlink.LinkSetName(l, "p9"))
			}),
			want: []string{
				"~ link p0: beneath p1 -> p9",
				"- link p1: kind veth, flags up|broadcast|promisc|multicast, mtu 1400, mac 02:00:00:00:00:09, " +
					"beneath p0, txqlen 10, promiscuity 1",
				"+ link p9: kind veth, flags broadcast|promisc|multicast, mtu 1400, mac 02:00:00:00:00:09, " +
					"beneath p0, txqlen 10, promiscuity 1",
			},
		},
		{name: "interface gone", do: on("br0", netlink.LinkDel), some: []string{"- link br0: kind bridge, "}},
	}
}

func mac(last byte) net.HardwareAddr { return linkAttrs("", last).HardwareAddr }
