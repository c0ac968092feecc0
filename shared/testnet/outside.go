// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package testnet

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Outside is a machine beside the host, joined to it by a cable (a veth). Its default route is the host, so it can
// answer whatever address of the host's networks a packet seems to come from: a server there tells masqueraded traffic
// from other traffic by its source.
type Outside struct {
	*NS
	// HostLink is the host's end of the cable: out0, out1, out2. The machine's own end is eth0.
	HostLink string
	// The machine's addresses, and those of the host on the cable.
	V4, V6, HostV4, HostV6 netip.Addr
}

// outsideNetworks are the documentation prefixes of RFC 5737 and RFC 3849, one pair for each machine outside.
var outsideNetworks = []struct{ v4, v6 netip.Prefix }{
	{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8:0::/64")},
	{netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("2001:db8:1::/64")},
	{netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8:2::/64")},
}

// connecting keeps parallel tests from taking the same network.
var connecting sync.Mutex

// ConnectOutside makes a machine outside, of the first of three networks that is free: the host has .1 and ::1 of it,
// the machine .2 and ::2. The first machine is the host's default route, v4 and v6: its uplink. Close takes it away.
func ConnectOutside() (*Outside, error) {
	connecting.Lock()
	defer connecting.Unlock()
	index := 0
	for ; index < len(outsideNetworks); index++ {
		if _, err := netlink.LinkByName(hostLink(index)); err != nil {
			break
		}
	}
	if index == len(outsideNetworks) {
		return nil, fmt.Errorf("connect machine outside: all %d networks are in use", index)
	}
	ns, err := Create(fmt.Sprintf("outside%d", index))
	if err != nil {
		return nil, err
	}
	network := outsideNetworks[index]
	outside := &Outside{NS: ns, HostLink: hostLink(index)}
	outside.HostV4, outside.HostV6 = network.v4.Addr().Next(), network.v6.Addr().Next()
	outside.V4, outside.V6 = outside.HostV4.Next(), outside.HostV6.Next()
	deleteName := ns.close
	ns.close = func() error { return errors.Join(deleteLink(outside.HostLink), deleteName()) }
	if err := outside.wire(network.v4.Bits(), network.v6.Bits(), index == 0); err != nil {
		return nil, errors.Join(fmt.Errorf("connect machine outside: %w", err), ns.Close())
	}
	return outside, nil
}

// NewOutside makes a machine outside, until the test ends.
func NewOutside(t T) *Outside {
	t.Helper()
	Need(t)
	outside, err := ConnectOutside()
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { closeNS(t, outside.NS) })
	return outside
}

func hostLink(index int) string { return fmt.Sprintf("out%d", index) }

// wire lays the cable and gives both ends their addresses and routes.
func (o *Outside) wire(bits4, bits6 int, uplink bool) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = o.HostLink
	veth := netlink.NewVeth(attrs)
	veth.PeerName, veth.PeerNamespace = "eth0", netlink.NsFd(o.file.Fd())
	if err := netlink.LinkAdd(veth); err != nil {
		return fmt.Errorf("add veth: %w", err)
	}
	v4, v6 := netip.PrefixFrom(o.V4, bits4), netip.PrefixFrom(o.V6, bits6)
	host4, host6 := netip.PrefixFrom(o.HostV4, bits4), netip.PrefixFrom(o.HostV6, bits6)
	err := o.Do(func() error {
		return errors.Join(setUp("lo"), Configure("eth0", v4, v6), AddDefault("eth0", o.HostV4, o.HostV6))
	})
	if err == nil {
		err = Configure(o.HostLink, host4, host6)
	}
	if err == nil && uplink {
		err = AddDefault(o.HostLink, o.V4, o.V6)
	}
	return err
}

// Configure gives an interface of the calling thread's namespace addresses, usable at once (without duplicate address
// detection), and brings it up.
func Configure(link string, addresses ...netip.Prefix) error {
	found, err := netlink.LinkByName(link)
	if err != nil {
		return fmt.Errorf("find interface %q: %w", link, err)
	}
	for _, address := range addresses {
		entry := &netlink.Addr{IPNet: &net.IPNet{
			IP:   address.Addr().AsSlice(),
			Mask: net.CIDRMask(address.Bits(), address.Addr().BitLen()),
		}}
		if address.Addr().Is6() {
			entry.Flags = unix.IFA_F_NODAD
		}
		if err := netlink.AddrAdd(found, entry); err != nil {
			return fmt.Errorf("add %s to %q: %w", address, link, err)
		}
	}
	return setUp(link)
}

// AddDefault makes the gateways the default routes of the calling thread's namespace.
func AddDefault(link string, gateways ...netip.Addr) error {
	found, err := netlink.LinkByName(link)
	if err != nil {
		return fmt.Errorf("find interface %q: %w", link, err)
	}
	for _, gateway := range gateways {
		route := &netlink.Route{LinkIndex: found.Attrs().Index, Gw: gateway.AsSlice()}
		if err := netlink.RouteAdd(route); err != nil {
			return fmt.Errorf("add default route by %s: %w", gateway, err)
		}
	}
	return nil
}

// deleteLink deletes an interface of the host; one that is not there is fine.
func deleteLink(name string) error {
	link, err := netlink.LinkByName(name)
	if _, absent := errors.AsType[netlink.LinkNotFoundError](err); absent {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find interface %q: %w", name, err)
	}
	if err := netlink.LinkDel(link); err != nil {
		return fmt.Errorf("delete interface %q: %w", name, err)
	}
	return nil
}
