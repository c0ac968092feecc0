// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net"
	"net/netip"

	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"
)

// describe adds what was made to the result; the interface of the addresses is the one of that index.
func (p *plan) describe(result *current.Result, index int) {
	for _, a := range p.addresses {
		result.IPs = append(result.IPs, &current.IPConfig{
			Interface: current.Int(index), Address: ipNet(a.prefix), Gateway: a.gateway.AsSlice(),
		})
	}
	for _, r := range p.asked {
		result.Routes = append(result.Routes, &types.Route{
			Dst: ipNet(r.dst), GW: r.gw.AsSlice(), MTU: r.mtu, AdvMSS: r.advmss, Priority: r.priority,
			Table: r.table, Scope: r.scope,
		})
	}
}

// chooseDNS is the DNS of the result: what is configured when anything is, even an empty list; else IPAM's; else what
// an earlier link said.
func chooseDNS(conf, ipam, prev types.DNS) types.DNS {
	switch {
	case conf.Nameservers != nil || conf.Domain != "" || conf.Search != nil || conf.Options != nil:
		return conf
	case !ipam.IsEmpty():
		return ipam
	}
	return prev
}

func ipNet(p netip.Prefix) net.IPNet {
	return net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// prefixOf is the other way round; ok is false for what is no address with a prefix length.
func prefixOf(n net.IPNet) (p netip.Prefix, ok bool) {
	a, ok := netip.AddrFromSlice(n.IP)
	ones, bits := n.Mask.Size()
	if !ok || bits == 0 {
		return netip.Prefix{}, false
	}
	if a = a.Unmap(); a.Is4() && bits == 128 {
		ones -= 96
	}
	p = netip.PrefixFrom(a, ones)
	return p, p.IsValid()
}

// addrOf is not valid for no address.
func addrOf(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}
