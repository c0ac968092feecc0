// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"time"

	"github.com/containernetworking/cni/pkg/types"
)

// undoPatience is how long an undo waits for a lock. What cannot be undone is logged, and DEL finds it.
const undoPatience = 5 * time.Second

// undoContext is for an undo after a signal: the call's context is over, what the undo needs is not.
func undoContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), undoPatience)
}

func add(ctx context.Context, r *request) error {
	index, iface, err := r.Container()
	if err != nil {
		return err
	}
	box, err := enter(r)
	if err != nil {
		return err
	}
	defer box.close()
	if err := box.refuseLive(r); err != nil {
		return err
	}
	gw, err := findGateway(r)
	if err != nil {
		return err
	}
	defer gw.close()
	p, dns, err := decide(ctx, r, box)
	if err != nil {
		return err
	}
	for _, step := range []func() error{
		func() error { return box.configure(r, p) },
		func() error { return gw.configure(ctx, r, p) },
		func() error { return masquerade(ctx, r, p) },
		func() error { return box.settle(ctx, r, p) },
		func() error { return forward(r, p) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	box.announce(r)
	iface.Mac, iface.Mtu = box.link.MAC.String(), box.link.MTU
	p.describe(r.Result, index)
	gw.describe(r.Result)
	r.Result.DNS = chooseDNS(r.Conf.DNS, dns, r.Result.DNS)
	return nil
}

// decide asks IPAM and plans.
func decide(ctx context.Context, r *request, box *container) (*plan, types.DNS, error) {
	static, err := r.Conf.static(r.Args)
	if err != nil {
		return nil, types.DNS{}, err
	}
	has, err := box.found(&r.Conf)
	if err != nil {
		return nil, types.DNS{}, err
	}
	source, err := ipamOf(r)
	if err != nil {
		return nil, types.DNS{}, err
	}
	var got answer
	if source != nil {
		if got, err = source.add(ctx); err != nil {
			return nil, types.DNS{}, err
		}
	}
	p, err := makePlan(&r.Conf, static, got, has)
	return p, got.dns, err
}
