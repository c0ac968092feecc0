// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/chain"
)

// check holds the kernel to the result, and tells all that is wrong at once.
func check(ctx context.Context, r *request) error {
	index, _, err := r.Container()
	if err != nil {
		return err
	}
	source, err := ipamOf(r)
	if err != nil {
		return err
	}
	p := planOf(r, index, source)
	errs := []error{checkContainer(r, p), checkGateway(r, p), checkForwarding(p)}
	if len(p.masq) > 0 {
		masq := masqueraderOf(r)
		errs = append(errs, masq.check(ctx, p.masq), masq.close())
	}
	if source != nil {
		errs = append(errs, source.check(ctx))
	}
	return errors.Join(errs...)
}

// planOf is what ADD must have planned, by its result.
func planOf(r *request, index int, source ipam) *plan {
	p := &plan{}
	for _, ip := range r.Result.IPs {
		prefix, ok := prefixOf(ip.Address)
		if !ok || ip.Interface != nil && *ip.Interface != index {
			continue
		}
		a := address{prefix: prefix, gateway: addrOf(ip.Gateway)}
		if source != nil {
			a.network = source.network(prefix.Addr())
		}
		p.addresses = append(p.addresses, a)
		p.use(&r.Conf, a)
	}
	for _, given := range r.Result.Routes {
		dst, ok := prefixOf(given.Dst)
		if !ok {
			continue
		}
		p.routes = append(p.routes, p.resolve(route{
			dst: dst.Masked(), gw: addrOf(given.GW), mtu: given.MTU, advmss: given.AdvMSS, priority: given.Priority,
			scope: given.Scope,
		}, nil))
	}
	return p
}

func checkContainer(r *request, p *plan) error {
	box, err := enter(r)
	if err != nil {
		return chain.Errorf(codeCheck, "%w", err)
	}
	defer box.close()
	var errs []error
	if !box.link.Up() {
		errs = append(errs, chain.Errorf(codeCheck, "%s in %s is down", r.IfName, r.NetNS))
	}
	for _, a := range p.addresses {
		i := slices.IndexFunc(box.has, func(h addr) bool { return h.prefix == a.prefix })
		switch {
		case i < 0:
			errs = append(errs, chain.Errorf(codeCheck, "the address %s is missing on %s in %s", a.prefix, r.IfName, r.NetNS))
		case box.has[i].duplicate():
			errs = append(errs, chain.Errorf(codeCheck, "another host on the link has the address %s of %s", a.prefix, r.IfName))
		}
	}
	return errors.Join(append(errs, box.checkRoutes(r, p))...)
}

// checkRoutes finds each route in whatever table: links behind this one may have moved it (sbr, vrf), and then it is
// where they want it.
func (b *container) checkRoutes(r *request, p *plan) error {
	var errs []error
	for _, f := range []uint8{unix.AF_INET, unix.AF_INET6} {
		wanted := slices.DeleteFunc(slices.Clone(p.routes), func(r route) bool { return family(r.dst.Addr()) != f })
		if len(wanted) == 0 {
			continue
		}
		has, err := b.routes(routeFilter{family: f, link: b.link.Index})
		if err != nil {
			return err
		}
		for _, want := range wanted {
			if !slices.ContainsFunc(has, want.isDoneBy) {
				errs = append(errs, chain.Errorf(codeCheck, "the route %s is missing in %s, in all tables", want, r.NetNS))
			}
		}
	}
	return errors.Join(errs...)
}

// isDoneBy says whether the kernel's route does what is wanted.
func (r route) isDoneBy(has kernelRoute) bool {
	return has.dst == r.dst && (!r.gw.IsValid() || has.gw == r.gw) &&
		(r.mtu == 0 || has.mtu == r.mtu) && (r.advmss == 0 || has.advmss == r.advmss)
}

func checkGateway(r *request, p *plan) error {
	g, err := findGateway(r)
	if err != nil || g == nil {
		return err
	}
	defer g.close()
	if r.Conf.VLAN != 0 {
		if g.on, err = g.linkByName(vlanName(g.bridge.Name, r.Conf.VLAN)); err != nil {
			return chain.Errorf(codeCheck, "the gateway's interface is gone: %w", err)
		}
	}
	has, err := g.addresses(g.on.Index)
	if err != nil {
		return err
	}
	var errs []error
	for _, gw := range p.gateways {
		if !slices.ContainsFunc(has, func(a addr) bool { return a.prefix == gw }) {
			errs = append(errs, chain.Errorf(codeCheck, "the gateway address %s is missing on %s", gw, g.on.Name))
		}
	}
	return errors.Join(errs...)
}
