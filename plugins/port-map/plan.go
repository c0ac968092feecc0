// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/netip"

	current "github.com/containernetworking/cni/pkg/types/100"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/shared/owner"
)

// family is an address family as people number it.
type family uint8

const (
	v4 family = 4
	v6 family = 6
)

func familyOf(addr netip.Addr) family {
	if addr.Is4() {
		return v4
	}
	return v6
}

// loopback is the host's own address, from which its programs connect to "localhost".
func (f family) loopback() netip.Addr {
	if f == v4 {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.IPv6Loopback()
}

// loopbackPrefix are all addresses of that kind.
func (f family) loopbackPrefix() netip.Prefix {
	if f == v4 {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{127}), 8)
	}
	return netip.PrefixFrom(netip.IPv6Loopback(), 128)
}

// plan is all that an attachment is to have, before anybody asks how.
type plan struct {
	owner  owner.Owner
	netns  string // the note that identifies the container's namespace
	snat   bool
	all    bool   // masquerade all
	bit    int    // of the mark, iptables only
	extern string // chain that sets the mark, iptables only
	sides  []*side
}

// side is one address family of a plan. There is none where nothing is mapped.
type side struct {
	family     family
	container  netip.Addr
	subnet     netip.Prefix
	link       string // host interface that leads to the container; "" when it is not on the same link
	words      []string
	conditions []condition
	ports      []port // of this family, in the order of the configuration
}

// empty says whether there is nothing to map.
func (p *plan) empty() bool { return len(p.sides) == 0 }

// makePlan finds the container's addresses and gives each mapping to the families it is for.
func makePlan(r *chain.Request[Config]) (*plan, error) {
	c := &r.Conf
	p := &plan{
		owner: owner.Owner{Network: r.Network, ContainerID: r.ContainerID, IfName: r.IfName},
		snat:  c.SNAT == nil || *c.SNAT,
		all:   c.MasqAll,
		bit:   defaultMarkBit,
	}
	if c.MarkMasqBit != nil {
		p.bit = *c.MarkMasqBit
	}
	if c.ExternalSetMarkChain != nil {
		p.extern = *c.ExternalSetMarkChain
	}
	ports, err := c.ports()
	if err != nil || len(ports) == 0 {
		return p, err
	}
	addresses, err := containerAddresses(r)
	if err != nil {
		return nil, err
	}
	return p, p.addSides(c, ports, addresses)
}

func (p *plan) addSides(c *Config, ports []port, addresses map[family]netip.Prefix) error {
	for _, f := range []family{v4, v6} {
		address, ok := addresses[f]
		s := &side{family: f, container: address.Addr(), subnet: address.Masked(), words: c.ConditionsV4}
		if f == v6 {
			s.words = c.ConditionsV6
		}
		// What only iptables understands has been accepted by Validate and is not looked at here.
		s.conditions, _ = parseConditions(f, s.words)
		for _, port := range ports {
			if port.family != 0 && port.family != f {
				continue
			}
			if !ok && port.family == f {
				return chain.Errorf(chain.CodeConfig, "%s.hostIP: it is an IPv%d address, "+
					"but the container has none in prevResult", port.path, f)
			}
			if ok {
				s.ports = append(s.ports, port)
			}
		}
		if len(s.ports) > 0 {
			p.sides = append(p.sides, s)
		}
	}
	return nil
}

// containerAddresses are the first IPv4 and the first IPv6 address of the container's interface. An address that names
// no interface counts when none does.
func containerAddresses(r *chain.Request[Config]) (map[family]netip.Prefix, error) {
	index, _, err := r.Container()
	if err != nil && len(r.Result.Interfaces) > 0 {
		return nil, err
	}
	named, unnamed := map[family]netip.Prefix{}, map[family]netip.Prefix{}
	for _, ip := range r.Result.IPs {
		address, ok := prefixOf(ip)
		if !ok {
			continue
		}
		into := unnamed
		if ip.Interface != nil {
			if err != nil || *ip.Interface != index {
				continue
			}
			into = named
		}
		if f := familyOf(address.Addr()); !into[f].IsValid() {
			into[f] = address
		}
	}
	if len(named) == 0 {
		named = unnamed
	}
	if len(named) == 0 {
		return nil, chain.Errorf(chain.CodeConfig, "prevResult has no address of %s: ports can be mapped only to an "+
			"address, so the plugin that configures one comes earlier in \"plugins\"", r.IfName)
	}
	return named, nil
}

// prefixOf is the address of a result with its prefix length.
func prefixOf(ip *current.IPConfig) (netip.Prefix, bool) {
	addr, ok := netip.AddrFromSlice(ip.Address.IP)
	ones, bits := ip.Address.Mask.Size()
	if !ok || bits == 0 {
		return netip.Prefix{}, false
	}
	addr = addr.Unmap()
	return netip.PrefixFrom(addr, ones-(bits-addr.BitLen())), true
}
