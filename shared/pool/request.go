// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/cni-chain/cni-chain/shared/owner"
)

// Request is what a runtime asks for one attachment.
type Request struct {
	// IPs are the addresses to lease, at most one of each range set, as "10.0.0.5" or "10.0.0.5/24"; the prefix length
	// is the subnet's in any case. Sets of which nothing is asked give their next free address.
	IPs []string
	// Ranges are range sets that come before the configured ones.
	Ranges [][]Range
}

// plan is a request that has been checked against the ranges.
type plan struct {
	sets   []set
	routes []Route
	wanted []netip.Addr // per set; not valid where any will do
}

func (c *Config) plan(r Request) (plan, error) {
	file, err := c.file()
	if err != nil {
		return plan{}, err
	}
	sets, err := c.sets(r.Ranges, file)
	if err != nil {
		return plan{}, err
	}
	if len(sets) == 0 {
		return plan{}, invalid("ranges", "", "no range to lease from: give \"subnet\", \"ranges\" or \"subnetFile\"")
	}
	p := plan{sets, slices.Clone(c.Routes), make([]netip.Addr, len(sets))}
	for _, route := range file.routes() {
		if !slices.ContainsFunc(c.Routes, route.sameDst) {
			p.routes = append(p.routes, route)
		}
	}
	for i, text := range r.IPs {
		path := fmt.Sprintf("ips[%d]", i)
		a, err := parseWanted(text)
		if err != nil {
			return plan{}, invalid(path, text, "%v", err)
		}
		if reason := p.want(a); reason != "" {
			return plan{}, invalid(path, text, "%s", reason)
		}
	}
	return p, nil
}

// want notes a requested address; the same one may be asked in two ways at once. It returns why it cannot be had, or
// "".
func (p *plan) want(a netip.Addr) (reason string) {
	var ranges []string
	for i, s := range p.sets {
		ranges = append(ranges, s.String())
		if _, ok := s.find(a); !ok {
			continue
		}
		switch {
		case s.reserved[a]:
			return "the address is a gateway"
		case p.wanted[i].IsValid() && p.wanted[i] != a:
			return fmt.Sprintf("a second address of the range set %s, after %s", s, p.wanted[i])
		}
		p.wanted[i] = a
		return ""
	}
	return "not in the ranges " + strings.Join(ranges, ", ")
}

func parseWanted(text string) (netip.Addr, error) {
	address, _, hasBits := strings.Cut(text, "/")
	if _, err := netip.ParsePrefix(text); hasBits && err != nil {
		return netip.Addr{}, fmt.Errorf("an IP address is needed, like 10.0.0.5 or 10.0.0.5/24")
	}
	return parseAddr(address)
}

// Lease is what an attachment holds.
type Lease struct {
	// Addresses are one of each range set, in order.
	Addresses []Address
	// Routes are the configured ones, and those to the networks of the subnet file.
	Routes []Route
	// Existing says that the attachment held them before: an ADD that fails must leave them.
	Existing bool
}

// Address is an address with the length of its subnet's prefix.
type Address struct {
	Prefix netip.Prefix
	// Gateway is not valid where the subnet has none.
	Gateway netip.Addr
	// Network is, where the address is of a subnet file, the network of all hosts: what goes there keeps its source
	// address. Otherwise it is not valid.
	Network netip.Prefix
}

// lease gives the addresses their prefix and gateway; ok is false unless they are one of each set, and those wanted.
func (p plan) lease(held []netip.Addr) (l Lease, ok bool) {
	if len(held) != len(p.sets) {
		return Lease{}, false
	}
	l.Routes = p.routes
	for i, s := range p.sets {
		for _, a := range held {
			if r, ok := s.find(a); ok && (!p.wanted[i].IsValid() || p.wanted[i] == a) {
				l.Addresses = append(l.Addresses, Address{netip.PrefixFrom(a, r.bits), r.gateway, r.network})
				break
			}
		}
		if len(l.Addresses) != i+1 {
			return Lease{}, false
		}
	}
	return l, true
}

// ExhaustedError says that a range set has no address left. The search has looked at the truth, not at a hint.
type ExhaustedError struct {
	Pool   string // its name
	Ranges string // the set's: "10.0.0.2-10.0.0.254", several separated by ", "
	Leases int    // how many addresses of the set are leased
}

func (e *ExhaustedError) Error() string {
	return fmt.Sprintf("pool %s has no address left in %s (%d leased): "+
		"remove attachments that are gone (GC), or give it a larger range", e.Pool, e.Ranges, e.Leases)
}

// TakenError says that a requested address is somebody else's.
type TakenError struct {
	Address netip.Addr
	By      string // the owner's tag, or "" when the file in its place has none
}

func (e *TakenError) Error() string {
	if e.By == "" {
		return fmt.Sprintf("address %s is reserved by a file that no plugin made", e.Address)
	}
	return fmt.Sprintf("address %s is leased to %s", e.Address, describe(e.By))
}

// describe is an owner's tag for people.
func describe(tag string) string {
	if o, ok := owner.Parse(tag); ok {
		return o.String()
	}
	return tag
}
