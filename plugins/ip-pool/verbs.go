// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/plugins/ip-pool/leasing"
	"github.com/cni-chain/cni-chain/shared/netns"
	"github.com/cni-chain/cni-chain/shared/owner"
	"github.com/cni-chain/cni-chain/shared/pool"
)

type request = chain.Request[Config]

func poolOf(r *request) *pool.Pool { return pool.Open(r.Network, r.Conf.IPAM) }

func wishes(r *request) pool.Request {
	return leasing.Wishes(r.Args, r.Conf.Args.CNI.IPs, r.Conf.RuntimeConfig.IPs, r.Conf.RuntimeConfig.IPRanges)
}

func ownerOf(r *request) owner.Owner {
	return owner.Owner{Network: r.Network, ContainerID: r.ContainerID, IfName: r.IfName}
}

func add(ctx context.Context, r *request) error {
	dns, err := leasing.DNS(r.Conf.IPAM.ResolvConf, r.Log)
	if err != nil {
		return err
	}
	var lease pool.Lease
	err = r.Do("lease addresses", func() (err error) {
		lease, err = poolOf(r).Allocate(ctx, ownerOf(r), wishes(r))
		if err == nil && lease.Existing {
			err = refuseLive(r, lease)
		}
		return leasing.Error(err, chain.CodeTryAgain)
	}, func() error {
		if lease.Existing {
			return nil // as it was found
		}
		// The undo after a signal: the context is over, the lock is still needed.
		return poolOf(r).Release(context.WithoutCancel(ctx), ownerOf(r))
	})
	if err != nil {
		return err
	}
	r.Result, err = result(lease, dns)
	return err
}

// refuseLive tells a second ADD of a live attachment from an ADD after one that was killed: only the first has the
// addresses on its interface. The plugins that lease before they make the interface (ptp) would answer the failure that
// follows with a DEL, and give a live container's address to the next one.
func refuseLive(r *request, lease pool.Lease) error {
	configured, err := addressesOf(r)
	if err != nil {
		return fmt.Errorf("list the addresses of %s in %s: %w", r.IfName, r.NetNS, err)
	}
	for _, a := range lease.Addresses {
		if slices.Contains(configured, a.Prefix.Addr()) {
			return fmt.Errorf("%s has its address %s already: DEL it before the next ADD", ownerOf(r), a.Prefix)
		}
	}
	return nil
}

// addressesOf are those of the container's interface, none when there is no such interface.
func addressesOf(r *request) (all []netip.Addr, err error) {
	if r.Sandbox() == nil {
		return nil, nil
	}
	err = netns.Do(r.Sandbox(), func() error {
		links, err := net.Interfaces()
		i := slices.IndexFunc(links, func(l net.Interface) bool { return l.Name == r.IfName })
		if err != nil || i < 0 {
			return err
		}
		addresses, err := links[i].Addrs()
		for _, a := range addresses {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				all = append(all, p.Addr())
			}
		}
		return err
	})
	return all, err
}

func del(ctx context.Context, r *request) error {
	return r.Do("release the addresses of "+ownerOf(r).String(), func() error {
		return poolOf(r).Release(ctx, ownerOf(r), ownOf(r)...)
	}, nil)
}

func check(ctx context.Context, r *request) error {
	return leasing.Error(poolOf(r).Check(ctx, ownerOf(r), wishes(r), ownOf(r)), chain.CodeStep)
}

// ownOf are the addresses of prevResult that are on the container's interface, or on none in particular.
func ownOf(r *request) []netip.Addr {
	if r.Prev == nil {
		return nil
	}
	var addresses []netip.Addr
	for _, ip := range r.Prev.IPs {
		if ip.Interface != nil && r.Prev.Interfaces[*ip.Interface].Name != r.IfName {
			continue // another link's
		}
		if a, ok := netip.AddrFromSlice(ip.Address.IP); ok {
			addresses = append(addresses, a.Unmap())
		}
	}
	return addresses
}

func gc(ctx context.Context, r *request) error {
	var valid []owner.Owner
	for _, a := range r.Valid {
		valid = append(valid, owner.Owner{Network: r.Network, ContainerID: a.ContainerID, IfName: a.IfName})
	}
	return r.Do("release the addresses of attachments that are gone", func() error {
		return poolOf(r).GC(ctx, valid)
	}, nil)
}

func status(ctx context.Context, r *request) error {
	_, err := leasing.DNS(r.Conf.IPAM.ResolvConf, r.Log)
	if err := errors.Join(poolOf(r).Status(ctx), err); err != nil {
		return chain.Errorf(chain.CodeNotAvailable, "%w", err)
	}
	return nil
}
