// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package testnet_test

import (
	"errors"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/testnet"
)

// byBridge adds a route by the bridge of setUpBridge.
func byBridge(fill func(*netlink.Route)) func() error {
	return on("br0", func(l netlink.Link) error {
		route := &netlink.Route{LinkIndex: l.Attrs().Index}
		fill(route)
		return netlink.RouteAdd(route)
	})
}

func cidr(text string) *net.IPNet {
	address, network, err := net.ParseCIDR(text)
	if err != nil {
		panic(err)
	}
	network.IP = address
	return network
}

func addAddress(text string, flags int) func() error {
	return on("br0", func(l netlink.Link) error {
		return netlink.AddrAdd(l, &netlink.Addr{IPNet: cidr(text), Flags: flags})
	})
}

// addKernels adds the link-local address that the kernel derives of the bridge's MAC, unless the kernel was sooner.
func addKernels() error {
	if err := addAddress("fe80::ff:fe00:1/64", 0)(); !errors.Is(err, unix.EEXIST) {
		return err
	}
	return nil
}

func addressChanges() []change {
	return []change{
		{name: "address v4", do: addAddress("10.0.0.1/24", unix.IFA_F_NOPREFIXROUTE), want: []string{
			"+ address br0 10.0.0.1/24: scope global, flags permanent|noprefixroute, label br0, broadcast 10.0.0.255",
			"+ route ipv4 broadcast 10.0.0.255/32 dev br0 table local proto kernel scope link src 10.0.0.1",
			"+ route ipv4 local 10.0.0.1/32 dev br0 table local proto kernel scope host src 10.0.0.1",
		}},
		{name: "address v6", do: addAddress("2001:db8::1/64", unix.IFA_F_NODAD|unix.IFA_F_NOPREFIXROUTE), some: []string{
			"+ address br0 2001:db8::1/64: scope global, flags nodad|permanent|noprefixroute",
		}},
		{name: "link-local address of ours", do: addAddress("fe80::1/64", unix.IFA_F_NODAD), some: []string{
			"+ address br0 fe80::1/64: scope link, flags nodad|permanent",
		}},
		{name: "link-local address by the kernel", do: addKernels},
		{name: "route", do: byBridge(func(r *netlink.Route) { r.Dst, r.MTU, r.AdvMSS = cidr("10.9.0.0/16"), 1300, 1260 }),
			want: []string{"+ route ipv4 unicast 10.9.0.0/16 dev br0 table main proto boot mtu 1300 advmss 1260"}},
		{name: "route of another table", do: byBridge(func(r *netlink.Route) {
			r.Dst, r.Table, r.Priority, r.Scope = cidr("10.8.0.0/16"), 1000, 7, unix.RT_SCOPE_LINK
		}), want: []string{"+ route ipv4 unicast 10.8.0.0/16 dev br0 table 1000 proto boot scope link metric 7"}},
		{name: "route v6", do: byBridge(func(r *netlink.Route) { r.Dst = cidr("2001:db8:9::/48") }),
			want: []string{"+ route ipv6 unicast 2001:db8:9::/48 dev br0 table main proto boot metric 1024"}},
		{name: "default route", do: byBridge(func(r *netlink.Route) {
			r.Gw, r.Flags = net.IPv4(10, 0, 0, 7), unix.RTNH_F_ONLINK
		}), want: []string{"+ route ipv4 unicast default via 10.0.0.7 dev br0 onlink table main proto boot"}},
		{name: "rule", do: func() error {
			rule := netlink.NewRule()
			rule.Src, rule.Table, rule.Priority, rule.Mark = cidr("10.0.0.2/32"), 100, 500, 8
			return netlink.RuleAdd(rule)
		}, want: []string{"+ rule ipv4 500: from 10.0.0.2/32 action 1 table 100 proto unspec fwmark 8"}},
		{name: "permanent neighbour", do: neighbour(netlink.NUD_PERMANENT, "10.0.0.5"),
			want: []string{"+ neighbour 10.0.0.5 on br0: mac 02:00:00:00:00:05"}},
		{name: "learned neighbour", do: neighbour(netlink.NUD_STALE, "10.0.0.6")},
		{name: "proxied neighbour", do: on("br0", func(l netlink.Link) error {
			return netlink.NeighAdd(&netlink.Neigh{
				LinkIndex: l.Attrs().Index, IP: net.ParseIP("2001:db8::9"),
				Family: unix.AF_INET6, Flags: netlink.NTF_PROXY,
			})
		}), want: []string{"+ neighbour 2001:db8::9 on br0: flags proxy"}},
	}
}

func neighbour(state int, address string) func() error {
	return on("br0", func(l netlink.Link) error {
		return netlink.NeighAdd(&netlink.Neigh{
			LinkIndex: l.Attrs().Index, IP: net.ParseIP(address), State: state, HardwareAddr: mac(5),
		})
	})
}

func tcChanges() []change {
	attrs := func(l netlink.Link, handle, parent uint32) netlink.QdiscAttrs {
		return netlink.QdiscAttrs{LinkIndex: l.Attrs().Index, Handle: handle, Parent: parent}
	}
	return []change{
		{name: "root qdisc", do: on("p0", func(l netlink.Link) error {
			return netlink.QdiscAdd(&netlink.Tbf{
				QdiscAttrs: attrs(l, netlink.MakeHandle(1, 0), netlink.HANDLE_ROOT),
				Rate:       125000, Limit: 10000, Buffer: 10000,
			})
		}), some: []string{
			"+ tc class 1:1 on p0 parent 1:0: kind tbf", "+ tc qdisc 1:0 on p0 parent ffff:ffff: kind tbf, ",
		}},
		{name: "ingress qdisc", do: on("p0", func(l netlink.Link) error {
			ingress := attrs(l, netlink.MakeHandle(0xffff, 0), netlink.HANDLE_INGRESS)
			return netlink.QdiscAdd(&netlink.Ingress{QdiscAttrs: ingress})
		}), want: []string{"+ tc qdisc ffff:0 on p0 parent ffff:fff1: kind ingress"}},
		{name: "filter", do: on("p0", func(l netlink.Link) error {
			return netlink.FilterAdd(&netlink.U32{
				FilterAttrs: netlink.FilterAttrs{
					LinkIndex: l.Attrs().Index, Parent: netlink.MakeHandle(0xffff, 0), Priority: 1, Protocol: unix.ETH_P_ALL,
				},
				ClassId: netlink.MakeHandle(1, 1),
			})
		}), some: []string{"+ tc filter 0x80000800 on p0 parent ffff:0: kind u32, priority 1, protocol 0x0003, select "}},
	}
}

func sysctlChanges() []change {
	set := func(path, value string) func() error {
		return func() error { return os.WriteFile("/proc/sys/net/"+path, []byte(value), 0) }
	}
	return []change{
		{name: "of an interface", do: set("ipv4/conf/br0/route_localnet", "1"),
			want: []string{"~ sysctl ipv4/conf/br0/route_localnet: value 0 -> 1"}},
		{name: "of an interface, v6", do: set("ipv6/conf/br0/accept_ra", "0"),
			want: []string{"~ sysctl ipv6/conf/br0/accept_ra: value 1 -> 0"}},
		{name: "forwarding", do: set("ipv4/ip_forward", "1"), some: []string{
			"~ sysctl ipv4/ip_forward: value 0 -> 1", "~ sysctl ipv4/conf/br0/forwarding: value 0 -> 1",
		}},
		{name: "other", do: set("ipv4/ip_nonlocal_bind", "1"),
			want: []string{"~ sysctl ipv4/ip_nonlocal_bind: value 0 -> 1"}},
	}
}

// TestSysctlNames changes each setting of an interface through its file, and requires that the snapshot, which has them
// from the interface's attributes, shows a change of that name.
func TestSysctlNames(t *testing.T) {
	ns := testnet.NewNS(t)
	if err := ns.Do(setUpBridge); err != nil {
		t.Fatal(err)
	}
	scope := testnet.Scope{Namespaces: []*testnet.NS{ns}, Sections: []testnet.Section{testnet.Links, testnet.Sysctls}}
	known := 0
	for _, object := range testnet.TakeScope(t, scope).Only(testnet.Sysctls).Objects() {
		path := "/proc/sys/net/" + object.Key
		if object.Place != ns.Name || !strings.Contains(path, "/conf/p1/") || strings.Contains(path, "#") {
			continue
		}
		before := testnet.TakeScope(t, scope)
		err := ns.Do(func() error {
			value := "1"
			if old, err := os.ReadFile(path); err != nil || strings.TrimSpace(string(old)) == "1" {
				value = "2"
			}
			return os.WriteFile(path, []byte(value), 0)
		})
		if err != nil {
			continue // read-only, another range, or the kernel is built without it
		}
		known++
		if diff := testnet.Diff(before, testnet.TakeScope(t, scope)); !strings.Contains(diff, object.Key+": value ") {
			t.Errorf("%s was changed, Diff:\n%s", object.Key, diff)
		}
	}
	if known < 50 {
		t.Errorf("%d settings could be changed, want most of 90", known)
	}
}
