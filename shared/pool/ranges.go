// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// span is a range that has been checked: the addresses from first to last, both leasable unless a gateway.
type span struct {
	path        string // where it stands in the configuration
	bits        int    // the subnet's prefix length
	first, last netip.Addr
	gateway     netip.Addr   // not valid where the subnet has none
	network     netip.Prefix // see Address
}

func (s span) contains(a netip.Addr) bool {
	return a.BitLen() == s.first.BitLen() && s.first.Compare(a) <= 0 && a.Compare(s.last) <= 0
}

func (s span) String() string { return s.first.String() + "-" + s.last.String() }

// set is a range set: an attachment gets one address of it.
type set struct {
	spans []span
	// reserved are the gateways of all sets: one range's gateway may lie in another.
	reserved map[netip.Addr]bool
}

// find is the span that the address belongs to.
func (s set) find(a netip.Addr) (span, bool) {
	i := slices.IndexFunc(s.spans, func(r span) bool { return r.contains(a) })
	if i < 0 {
		return span{}, false
	}
	return s.spans[i], true
}

func (s set) String() string {
	var names []string
	for _, r := range s.spans {
		names = append(names, r.String())
	}
	return strings.Join(names, ", ")
}

// sets are all range sets, in the order of host-local: the request's, then the short form or the subnet file in its
// place, then "ranges".
func (c *Config) sets(requested [][]Range, file *subnetFile) ([]set, error) {
	var all []set
	add := func(path string, ranges []Range) error {
		s, err := newSet(path, ranges)
		all = append(all, s)
		return err
	}
	for i, ranges := range requested {
		if err := add(fmt.Sprintf("ipRanges[%d]", i), ranges); err != nil {
			return nil, err
		}
	}
	short := Range{c.Subnet, c.RangeStart, c.RangeEnd, c.Gateway}
	if short != (Range{}) {
		s, err := short.resolve("")
		if c.SubnetFile != "" {
			err = invalid("subnetFile", c.SubnetFile,
				"the range comes from this file; leave out subnet, rangeStart, rangeEnd and gateway")
		}
		if err != nil {
			return nil, err
		}
		all = append(all, set{spans: []span{s}})
	}
	ofFile, err := file.sets()
	if err != nil {
		return nil, err
	}
	all = append(all, ofFile...)
	for i, ranges := range c.Ranges {
		if err := add(fmt.Sprintf("ranges[%d]", i), ranges); err != nil {
			return nil, err
		}
	}
	return all, finish(all)
}

func newSet(path string, ranges []Range) (set, error) {
	if len(ranges) == 0 {
		return set{}, invalid(path, "[]", "a range set needs a range")
	}
	var s set
	for i, r := range ranges {
		resolved, err := r.resolve(fmt.Sprintf("%s[%d].", path, i))
		if err != nil {
			return set{}, err
		}
		if i > 0 && resolved.first.Is4() != s.spans[0].first.Is4() {
			return set{}, invalid(resolved.path+"subnet", r.Subnet,
				"another address family than the set's first range; put it into a set of its own to get an address of both")
		}
		s.spans = append(s.spans, resolved)
	}
	return s, nil
}

// finish refuses ranges that overlap and reserves the gateways.
func finish(all []set) error {
	reserved := map[netip.Addr]bool{}
	var spans []span
	for i, s := range all {
		spans = append(spans, s.spans...)
		all[i].reserved = reserved
	}
	slices.SortFunc(spans, func(a, b span) int {
		return cmp.Or(cmp.Compare(a.first.BitLen(), b.first.BitLen()), a.first.Compare(b.first))
	})
	for i, s := range spans {
		if s.gateway.IsValid() {
			reserved[s.gateway] = true
		}
		if i > 0 && spans[i-1].contains(s.first) {
			other := cmp.Or(strings.TrimSuffix(spans[i-1].path, "."), "subnet")
			return invalid(s.path+"subnet", s.String(), "overlaps %s, %s", other, spans[i-1])
		}
	}
	return nil
}

// resolve checks a range and fills in what it leaves out. path is what stands before the keys in an error.
func (r Range) resolve(path string) (span, error) {
	subnet, err := netip.ParsePrefix(r.Subnet)
	switch {
	case r.Subnet == "":
		return span{}, invalid(path+"subnet", "", "a range needs its subnet")
	case err != nil:
		return span{}, invalid(path+"subnet", r.Subnet, "a prefix is needed, like 10.0.0.0/24 or fd00::/64")
	case subnet.Addr().Is4In6():
		return span{}, invalid(path+"subnet", r.Subnet, "write it as IPv4")
	case subnet != subnet.Masked():
		return span{}, invalid(path+"subnet", r.Subnet, "bits beyond the prefix are set, the network is %s", subnet.Masked())
	}
	low, high := usable(subnet)
	s := span{path: path, bits: subnet.Bits(), first: low, last: high}
	if subnet.Bits() < subnet.Addr().BitLen() {
		s.gateway = low
	}
	if r.Gateway != "" {
		if s.gateway, err = parseAddr(r.Gateway); err != nil {
			return span{}, invalid(path+"gateway", r.Gateway, "%v", err)
		}
		if s.gateway.Is4() != low.Is4() {
			return span{}, invalid(path+"gateway", r.Gateway, "not of the address family of %s", subnet)
		}
	}
	return s, s.narrow(r, subnet)
}

// narrow applies rangeStart and rangeEnd.
func (s *span) narrow(r Range, subnet netip.Prefix) error {
	low, high := s.first, s.last
	for _, end := range []struct {
		key, text string
		to        *netip.Addr
	}{{"rangeStart", r.RangeStart, &s.first}, {"rangeEnd", r.RangeEnd, &s.last}} {
		if end.text == "" {
			continue
		}
		a, err := parseAddr(end.text)
		if err != nil {
			return invalid(s.path+end.key, end.text, "%v", err)
		}
		if !subnet.Contains(a) {
			return invalid(s.path+end.key, end.text, "not in %s", subnet)
		}
		*end.to = a
	}
	if s.last.Less(s.first) {
		return invalid(s.path+"rangeEnd", s.last, "before the range's start, %s", s.first)
	}
	if s.first.Less(low) {
		s.first = low
	}
	if high.Less(s.last) {
		s.last = high
	}
	if s.last.Less(s.first) || s.first == s.last && s.first == s.gateway {
		return invalid(s.path+"subnet", subnet, "no address to lease: network, broadcast and gateway addresses are not")
	}
	return nil
}

// usable are the first and the last address of a subnet that a host can have. The first of all is the network's (IPv6:
// of all its routers, RFC 4291 section 2.6.1), IPv4's last is broadcast; but a subnet of two addresses is a
// point-to-point link, where both are hosts (RFC 3021, RFC 6164), and that of one address is a host.
func usable(subnet netip.Prefix) (first, last netip.Addr) {
	first, last = subnet.Addr(), lastOf(subnet)
	if subnet.Addr().BitLen()-subnet.Bits() < 2 {
		return first, last
	}
	if first.Is4() {
		last = last.Prev()
	}
	return first.Next(), last
}

// lastOf is the subnet's last address.
func lastOf(subnet netip.Prefix) netip.Addr {
	bytes := subnet.Addr().AsSlice()
	for i := subnet.Bits(); i < len(bytes)*8; i++ {
		bytes[i/8] |= 0x80 >> (i % 8)
	}
	last, _ := netip.AddrFromSlice(bytes) // 4 or 16 bytes, as the subnet's
	return last
}
