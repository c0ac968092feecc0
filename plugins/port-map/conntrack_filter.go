// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import "net/netip"

// filter names connections. A kernel older than 5.8 lists all whatever the filter, so what it lists is compared again.
type filter struct {
	family  uint8 // AF_; 0 is all
	proto   uint8 // with port and to; 0 is any
	port    uint16
	to      netip.Addr // of the host; invalid is any
	answers netip.Addr // invalid is anybody
	dnat    bool       // with a translated destination only
}

// inexact says that the kernel can only be told a part of the filter: it takes connections of all IPv6 addresses but
// the one in a filter for those of that one (ctnetlink_filter_match_tuple of net/netfilter/nf_conntrack_netlink.c takes
// ipv6_addr_cmp for a comparison that is true when the addresses are equal; seen with 6.18).
func (f filter) inexact() bool { return f.to.Is6() || f.answers.Is6() }

// common is the narrowest filter that lets through what any of them does, for a list that serves all.
func common(all []filter) filter {
	c := all[0]
	for _, f := range all[1:] {
		if f.family != c.family {
			c.family = 0
		}
		if f.proto != c.proto || f.port != c.port {
			c.port = 0
		}
		if f.proto != c.proto {
			c.proto = 0
		}
		if f.to != c.to || c.family == 0 {
			c.to = netip.Addr{}
		}
		if f.answers != c.answers || c.family == 0 {
			c.answers = netip.Addr{}
		}
		c.dnat = c.dnat && f.dnat
	}
	return c
}

// index finds the filters that a connection may be of: there are as many as ports, and connections may be many more.
type index map[indexKey][]filter

type indexKey struct {
	port    uint16
	answers netip.Addr
}

func indexFilters(all []filter) index {
	x := index{}
	for _, f := range all {
		key := indexKey{f.port, f.answers}
		x[key] = append(x[key], f)
	}
	return x
}

// match says whether one of the filters lets the connection through. Whether its destination is translated is for the
// kernel to say; who answers for a container's address is one that was.
func (x index) match(c flow) bool {
	for _, key := range []indexKey{{port: c.port}, {answers: c.answers}} {
		for _, f := range x[key] {
			if familyOf(c.to).afi() == f.family && (f.proto == 0 || f.proto == c.proto) && (!f.to.IsValid() || f.to == c.to) {
				return true
			}
		}
	}
	return false
}
