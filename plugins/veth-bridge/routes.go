// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/shared/nl"
	"github.com/cni-chain/cni-chain/shared/nlsock"
)

// route is what of a route matters for the uplink and for mtu "auto".
type route struct {
	to         netip.Prefix
	link       int
	priority   uint32
	table      uint32
	fromKernel bool // it comes with an address, or with the link
}

// routes lists the routes of a family that match the attributes.
func (c *conn) routes(family uint8, matching func(*nlsock.Writer)) ([]route, error) {
	head := make([]byte, unix.SizeofRtMsg)
	head[0] = family
	list, err := nl.List(c.Conn, nl.Message{Kind: unix.RTM_GETROUTE, Head: head, Attrs: matching}, parseRoute)
	if err != nil {
		return nil, fmt.Errorf("list routes: %w", err)
	}
	return list, nil
}

// parseRoute reads a RTM_NEWROUTE.
func parseRoute(body []byte) []route {
	if len(body) < unix.SizeofRtMsg {
		return nil
	}
	to := netip.IPv4Unspecified()
	if body[0] == unix.AF_INET6 {
		to = netip.IPv6Unspecified()
	}
	r := route{table: uint32(body[4]), fromKernel: body[5] == unix.RTPROT_KERNEL}
	nlsock.EachAttr(body[unix.SizeofRtMsg:], func(kind uint16, v []byte) {
		switch kind {
		case unix.RTA_DST:
			if addr, ok := netip.AddrFromSlice(v); ok {
				to = addr
			}
		case unix.RTA_OIF:
			r.link = int(nl.Number(v))
		case unix.RTA_PRIORITY:
			r.priority = nl.Number(v)
		case unix.RTA_TABLE:
			r.table = nl.Number(v)
		case unix.RTA_MULTIPATH:
			if len(v) >= unix.SizeofRtNexthop { // the first of several ways
				r.link = int(binary.NativeEndian.Uint32(v[4:]))
			}
		}
	})
	r.to = netip.PrefixFrom(to, int(body[1]))
	return []route{r}
}

// usedAs says which address or route of the host's an interface has; what the kernel gives every interface by itself is
// none.
func (c *conn) usedAs(index int) (string, error) {
	head := make([]byte, unix.SizeofIfAddrmsg)
	binary.NativeEndian.PutUint32(head[4:], uint32(index))
	addresses, err := nl.List(c.Conn, nl.Message{Kind: unix.RTM_GETADDR, Head: head}, func(body []byte) []netip.Prefix {
		return parseAddress(body, index)
	})
	if err != nil {
		return "", fmt.Errorf("list addresses: %w", err)
	}
	if len(addresses) > 0 {
		return "the address " + addresses[0].String(), nil
	}
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		routes, err := c.routes(family, func(w *nlsock.Writer) { nl.Native(w, unix.RTA_OIF, uint32(index)) })
		if err != nil {
			return "", err
		}
		for _, r := range routes {
			if r.link == index && !r.fromKernel {
				return "a route to " + r.to.String(), nil
			}
		}
	}
	return "", nil
}

// parseAddress reads a RTM_NEWADDR about the link, but for link-local ones of IPv6.
func parseAddress(body []byte, index int) (list []netip.Prefix) {
	if len(body) < unix.SizeofIfAddrmsg || int(binary.NativeEndian.Uint32(body[4:])) != index {
		return nil
	}
	nlsock.EachAttr(body[unix.SizeofIfAddrmsg:], func(kind uint16, v []byte) {
		addr, ok := netip.AddrFromSlice(v)
		if kind == unix.IFA_ADDRESS && ok && !(addr.Is6() && addr.IsLinkLocalUnicast()) {
			list = append(list, netip.PrefixFrom(addr, int(body[1])))
		}
	})
	return list
}

// autoMTU is the MTU of the way out: of the uplink, or else of the default route's interface.
func (a *attachment) autoMTU() (int, error) {
	way := nl.Which{Name: a.Conf.Uplink}
	if a.Conf.Uplink == "" {
		index, err := a.conn.defaultRoute()
		if err != nil {
			return 0, err
		}
		way = nl.Which{Index: index}
	}
	l, err := a.conn.Link(way)
	if err == nil && l == nil {
		err = chain.Errorf(codeBridge, "mtu is \"auto\", but the host has no %v", way)
	}
	if err != nil {
		return 0, err
	}
	return l.MTU, nil
}

// defaultRoute is the index of the interface of the host's default route: of IPv4, or else of IPv6, the one that is
// preferred.
func (c *conn) defaultRoute() (int, error) {
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		routes, err := c.routes(family, func(w *nlsock.Writer) { nl.Native(w, unix.RTA_TABLE, unix.RT_TABLE_MAIN) })
		if err != nil {
			return 0, err
		}
		best := route{}
		for _, r := range routes {
			isDefault := r.to.Bits() == 0 && r.table == unix.RT_TABLE_MAIN && r.link != 0
			if isDefault && (best.link == 0 || r.priority < best.priority) {
				best = r
			}
		}
		if best.link != 0 {
			return best.link, nil
		}
	}
	return 0, chain.Errorf(chain.CodeTryAgain, "mtu is \"auto\", but the host has no default route: give a number")
}
