// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/shared/pool"
	"github.com/cni-chain/cni-chain/shared/resolv"
)

// wishes are what the runtime asks, from all three places at once, as host-local takes them.
func wishes(r *request) pool.Request {
	var w pool.Request
	if list := r.Args["IP"]; list != "" {
		w.IPs = strings.Split(list, ",")
	}
	w.IPs = append(w.IPs, r.Conf.Args.CNI.IPs...)
	w.IPs = append(w.IPs, r.Conf.RuntimeConfig.IPs...)
	w.Ranges = r.Conf.RuntimeConfig.IPRanges
	return w
}

// coded gives the pool's errors their CNI codes; unavailable is that of an address that somebody else has.
func coded(err error, unavailable uint) error {
	var config *pool.ConfigError
	var exhausted *pool.ExhaustedError
	var taken *pool.TakenError
	var notReady *pool.NotReadyError
	switch {
	case errors.As(err, &config):
		return chain.Invalid(place(config.Path), config.Value, "%s", config.Reason)
	case errors.As(err, &exhausted), errors.As(err, &taken), errors.As(err, &notReady):
		return chain.Errorf(unavailable, "%w", err)
	}
	return err
}

// place is where in the whole configuration a path of the pool stands.
func place(path string) string {
	switch {
	case strings.HasPrefix(path, "ipRanges["):
		return "runtimeConfig." + path
	case strings.HasPrefix(path, "ips["):
		return "a requested address, " + path
	}
	return "ipam." + path
}

// dnsOf is the DNS part of the result, from the file "resolvConf".
func dnsOf(r *request) (types.DNS, error) {
	path := r.Conf.IPAM.ResolvConf
	if path == "" {
		return types.DNS{}, nil
	}
	found, err := resolv.Inherit(path)
	if err != nil {
		return types.DNS{}, chain.Invalid("ipam.resolvConf", path, "%v", err)
	}
	for _, dropped := range found.Dropped {
		r.Log.Warn(dropped, "resolvConf", found.Path)
	}
	return types.DNS{Nameservers: found.Servers, Domain: found.Domain, Search: found.Search, Options: found.Options}, nil
}

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
