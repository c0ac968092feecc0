// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"

	"github.com/cni-chain/cni-chain/shared/pool"
)

// result is an IPAM result: addresses without an interface, which is the caller's to say.
func result(lease pool.Lease, dns types.DNS) (*current.Result, error) {
	r := &current.Result{CNIVersion: current.ImplementedSpecVersion, DNS: dns}
	for _, a := range lease.Addresses {
		r.IPs = append(r.IPs, &current.IPConfig{Address: ipNet(a.Prefix), Gateway: ip(a.Gateway)})
	}
	for i, route := range lease.Routes {
		dst, err := netip.ParsePrefix(route.Dst)
		if err != nil { // Validate has seen it
			return nil, fmt.Errorf("ipam.routes[%d].dst: %w", i, err)
		}
		r.Routes = append(r.Routes, &types.Route{
			Dst: ipNet(dst), GW: net.ParseIP(route.GW), MTU: route.MTU, AdvMSS: route.AdvMSS, Priority: route.Priority,
			Table: route.Table, Scope: route.Scope,
		})
	}
	return r, nil
}

func ipNet(p netip.Prefix) net.IPNet {
	return net.IPNet{IP: ip(p.Addr()), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// ip is nil for an address that is not valid.
func ip(a netip.Addr) net.IP { return a.AsSlice() }
