// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/nl"
	"github.com/cni-chain/cni-chain/shared/nlsock"
)

// kernelRoute is a route as the kernel has it. A route with several next hops counts as one for each.
type kernelRoute struct {
	route
	link   int // index of the interface, 0 for none (a blackhole)
	origin uint8
}

// rtmsg is struct rtmsg of linux/rtnetlink.h.
func rtmsg(family uint8, bits, table int, origin, scope, kind uint8, flags uint32) []byte {
	head := make([]byte, unix.SizeofRtMsg)
	head[0], head[1] = family, uint8(bits)
	if table < 256 { // else the attribute alone says it
		head[4] = uint8(table)
	}
	head[5], head[6], head[7] = origin, scope, kind
	binary.NativeEndian.PutUint32(head[8:], flags)
	return head
}

// addRoute adds a route, behind others of the same destination and metric: several make equal-cost paths in IPv6, and
// in IPv4 a list of which the kernel takes the first. None that was there before is displaced.
func (c *conn) addRoute(index int, r route) error {
	scope, flags := uint8(unix.RT_SCOPE_UNIVERSE), uint32(0)
	switch {
	case r.scope != nil:
		scope = uint8(*r.scope)
	case !r.gw.IsValid() && r.dst.Addr().Is4():
		scope = unix.RT_SCOPE_LINK
	}
	if r.onlink {
		flags = unix.RTNH_F_ONLINK
	}
	m := routeMessage(unix.RTM_NEWROUTE, index, r, scope, flags)
	m.Flags = unix.NLM_F_CREATE | unix.NLM_F_APPEND
	return c.Do(m)
}

// deleteRoute deletes one of our routes.
func (c *conn) deleteRoute(index int, r route) error {
	r.mtu, r.advmss = 0, 0
	return c.Do(routeMessage(unix.RTM_DELROUTE, index, r, unix.RT_SCOPE_NOWHERE, 0))
}

func routeMessage(kind uint16, index int, r route, scope uint8, flags uint32) nl.Message {
	table := value(r.table)
	return nl.Message{
		Kind: kind,
		Head: rtmsg(family(r.dst.Addr()), r.dst.Bits(), table, origin, scope, unix.RTN_UNICAST, flags),
		Attrs: func(w *nlsock.Writer) {
			w.Bytes(unix.RTA_DST, r.dst.Addr().AsSlice())
			nl.Native(w, unix.RTA_OIF, uint32(index))
			nl.Native(w, unix.RTA_TABLE, uint32(table))
			if r.gw.IsValid() {
				w.Bytes(unix.RTA_GATEWAY, r.gw.AsSlice())
			}
			if r.priority != 0 {
				nl.Native(w, unix.RTA_PRIORITY, uint32(r.priority))
			}
			if r.mtu == 0 && r.advmss == 0 {
				return
			}
			at := w.Nest(unix.RTA_METRICS)
			if r.mtu != 0 {
				nl.Native(w, unix.RTAX_MTU, uint32(r.mtu))
			}
			if r.advmss != 0 {
				nl.Native(w, unix.RTAX_ADVMSS, uint32(r.advmss))
			}
			w.CloseNest(at)
		},
	}
}

// routeFilter says which routes to list; a zero field means any.
type routeFilter struct {
	family uint8
	table  int
	link   int
	origin uint8
}

func (f routeFilter) leavesOut(r kernelRoute) bool {
	return f.table != 0 && value(r.table) != f.table || f.link != 0 && r.link != f.link ||
		f.origin != 0 && r.origin != f.origin
}

// routes lists unicast routes. The filter is applied here as well, for kernels that do not.
func (c *conn) routes(f routeFilter) ([]kernelRoute, error) {
	all, err := nl.List(c.Conn, nl.Message{
		Kind: unix.RTM_GETROUTE,
		Head: rtmsg(f.family, 0, f.table, f.origin, 0, 0, 0),
		Attrs: func(w *nlsock.Writer) {
			if f.table != 0 {
				nl.Native(w, unix.RTA_TABLE, uint32(f.table))
			}
			if f.link != 0 {
				nl.Native(w, unix.RTA_OIF, uint32(f.link))
			}
		},
	}, func(body []byte) []kernelRoute {
		return slices.DeleteFunc(parseRoute(body, f.family), f.leavesOut)
	})
	// A table that nobody has written to does not exist.
	if err = ignore(err, unix.ENOENT); err != nil {
		return nil, fmt.Errorf("list routes: %w", err)
	}
	return all, nil
}

// parseRoute reads a RTM_NEWROUTE into as many routes as it has next hops.
func parseRoute(body []byte, of uint8) []kernelRoute {
	if len(body) < unix.SizeofRtMsg || body[0] != of || body[7] != unix.RTN_UNICAST ||
		nl.Number(body[8:])&unix.RTM_F_CLONED != 0 {
		return nil
	}
	table, scope := int(body[4]), int(body[6])
	r := kernelRoute{origin: body[5]}
	r.table, r.scope = &table, &scope
	dst := netip.IPv6Unspecified()
	if of == unix.AF_INET {
		dst = netip.IPv4Unspecified()
	}
	var hops []byte
	nlsock.EachAttr(body[unix.SizeofRtMsg:], func(kind uint16, v []byte) {
		switch kind {
		case unix.RTA_DST:
			dst, _ = netip.AddrFromSlice(v)
		case unix.RTA_MULTIPATH:
			hops = v
		default:
			r.parse(kind, v)
		}
	})
	r.dst = netip.PrefixFrom(dst, int(body[1]))
	if hops == nil {
		return []kernelRoute{r}
	}
	return r.spread(hops)
}

func (r *kernelRoute) parse(kind uint16, v []byte) {
	switch kind {
	case unix.RTA_OIF:
		r.link = int(nl.Number(v))
	case unix.RTA_GATEWAY:
		r.gw, _ = netip.AddrFromSlice(v)
	case unix.RTA_PRIORITY:
		r.priority = int(nl.Number(v))
	case unix.RTA_TABLE:
		*r.table = int(nl.Number(v))
	case unix.RTA_METRICS:
		nlsock.EachAttr(v, r.parseMetric)
	}
}

func (r *kernelRoute) parseMetric(kind uint16, v []byte) {
	switch kind {
	case unix.RTAX_MTU:
		r.mtu = int(nl.Number(v))
	case unix.RTAX_ADVMSS:
		r.advmss = int(nl.Number(v))
	}
}

// spread makes a route of each struct rtnexthop of linux/rtnetlink.h.
func (r kernelRoute) spread(hops []byte) []kernelRoute {
	var all []kernelRoute
	for len(hops) >= unix.SizeofRtNexthop {
		size := int(binary.NativeEndian.Uint16(hops))
		if size < unix.SizeofRtNexthop || size > len(hops) {
			break
		}
		one := r
		one.link = int(nl.Number(hops[4:]))
		nlsock.EachAttr(hops[unix.SizeofRtNexthop:size], func(kind uint16, v []byte) {
			if kind == unix.RTA_GATEWAY {
				one.gw, _ = netip.AddrFromSlice(v)
			}
		})
		all = append(all, one)
		hops = hops[min(nlsock.Align(size), len(hops)):]
	}
	return all
}
