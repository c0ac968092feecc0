// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"
)

// ipam is who decides on addresses: a plugin on CNI_PATH, or the pool in this process.
type ipam interface {
	// add leases addresses, as a step of the request; its undo gives them back.
	add(context.Context) (answer, error)
	del(context.Context) error
	check(context.Context) error
	gc(context.Context) error
	status(context.Context) error
	// network is that of all hosts which an address is of; not valid where there is none.
	network(netip.Addr) netip.Prefix
}

// ipamOf is the request's; nil when the configuration names none.
func ipamOf(r *request) (ipam, error) {
	name, err := r.Conf.ipamType()
	switch {
	case err != nil:
		return nil, err
	case name == "":
		return nil, nil
	case name == poolType:
		return servedOf(r), nil
	}
	return &delegate{r, name}, nil
}

// answerOf takes an IPAM result for what it should be, and says what it is not.
func answerOf(result types.Result) (got answer, err error) {
	defer func() {
		// The library's conversions between versions trust the document: a null in a list is a nil pointer to them.
		if recover() != nil {
			err = errors.New("its result has a null where an object belongs")
		}
	}()
	r, err := current.NewResultFromResult(result)
	if err != nil {
		return answer{}, err
	}
	if len(r.IPs) == 0 {
		return answer{}, errors.New("its result has no addresses (\"ips\")")
	}
	got.dns = r.DNS
	for i, ip := range r.IPs {
		prefix, ok := prefixOf(ip.Address)
		if !ok {
			return answer{}, fmt.Errorf("its result has no address in ips[%d]", i)
		}
		a := address{prefix: prefix, gateway: addrOf(ip.Gateway)}
		if err := a.validate(); err != nil {
			return answer{}, fmt.Errorf("ips[%d] of its result, %s: %w", i, prefix, err)
		}
		got.addresses = append(got.addresses, a)
	}
	for i, given := range r.Routes {
		dst, ok := prefixOf(given.Dst)
		if !ok {
			return answer{}, fmt.Errorf("its result has no destination in routes[%d]", i)
		}
		parsed := route{dst: dst, gw: addrOf(given.GW), mtu: given.MTU, advmss: given.AdvMSS, priority: given.Priority,
			table: given.Table, scope: given.Scope}
		if err := parsed.validate(); err != nil {
			return answer{}, fmt.Errorf("routes[%d] of its result, %s: %w", i, dst, err)
		}
		got.routes = append(got.routes, parsed)
	}
	return got, nil
}
