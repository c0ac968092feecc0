// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/plugins/ip-pool/leasing"
	"github.com/cni-chain/cni-chain/shared/owner"
	"github.com/cni-chain/cni-chain/shared/pool"
)

// served is ip-pool in this process: the same pool as the plugin of that name, without starting one.
type served struct {
	r    *request
	conf pool.Config
	pool *pool.Pool
}

// poolConfig is "ipam" for ip-pool.
type poolConfig struct {
	Type string `json:"type"`
	pool.Config
}

func servedOf(r *request) *served {
	var c poolConfig
	_ = chain.Unmarshal(r.Conf.IPAM, &c) // Validate has been strict; DEL and GC go on with what can be read
	return &served{r: r, conf: c.Config, pool: pool.Open(r.Network, c.Config)}
}

func (s *served) add(ctx context.Context) (got answer, err error) {
	if got.dns, err = leasing.DNS(s.conf.ResolvConf, s.r.Log); err != nil {
		return answer{}, err
	}
	var lease pool.Lease
	err = s.r.Do("lease addresses", func() (err error) {
		lease, err = s.pool.Allocate(ctx, ownerOf(s.r), s.wishes())
		return leasing.Error(err, chain.CodeTryAgain)
	}, func() error {
		if lease.Existing {
			return nil // left by an ADD that was killed; as it was found
		}
		// The undo after a signal: the context is over, the lock is still needed.
		return s.pool.Release(context.WithoutCancel(ctx), ownerOf(s.r))
	})
	if err != nil {
		return answer{}, err
	}
	for _, a := range lease.Addresses {
		got.addresses = append(got.addresses, address{a.Prefix, a.Gateway, a.Network})
	}
	for i, given := range lease.Routes {
		parsed, err := Route(given).parse(fmt.Sprintf("ipam.routes[%d]", i))
		if err != nil {
			return answer{}, err
		}
		got.routes = append(got.routes, parsed)
	}
	return got, nil
}

// del names the addresses of the result too, in case that the pool's record of the attachment is lost.
func (s *served) del(ctx context.Context) error {
	return s.pool.Release(ctx, ownerOf(s.r), s.known()...)
}

// check holds the lease to the addresses of the result that are on the interface.
func (s *served) check(ctx context.Context) error {
	if err := s.pool.Check(ctx, ownerOf(s.r), s.wishes(), s.known()); err != nil {
		return chain.Errorf(codeCheck, "%w", err)
	}
	return nil
}

// known are the addresses of the result.
func (s *served) known() (addresses []netip.Addr) {
	for _, p := range resultAddresses(s.r) {
		addresses = append(addresses, p.Addr())
	}
	return addresses
}

func (s *served) gc(ctx context.Context) error { return s.pool.GC(ctx, validOwners(s.r)) }

func (s *served) status(ctx context.Context) error {
	_, err := leasing.DNS(s.conf.ResolvConf, s.r.Log)
	if err := errors.Join(s.pool.Status(ctx), err); err != nil {
		return chain.Errorf(chain.CodeNotAvailable, "ip-pool: %w", err)
	}
	return nil
}

func (s *served) network(a netip.Addr) netip.Prefix { return s.pool.Network(a) }

// wishes are what the runtime asks, from all three places at once, as host-local takes them.
func (s *served) wishes() pool.Request {
	c := &s.r.Conf
	return leasing.Wishes(s.r.Args, c.Args.CNI.IPs, c.RuntimeConfig.IPs, c.RuntimeConfig.IPRanges)
}

func ownerOf(r *request) owner.Owner {
	return owner.Owner{Network: r.Network, ContainerID: r.ContainerID, IfName: r.IfName}
}

// validOwners are the attachments that GC keeps.
func validOwners(r *request) []owner.Owner {
	valid := make([]owner.Owner, len(r.Valid))
	for i, a := range r.Valid {
		valid[i] = owner.Owner{Network: r.Network, ContainerID: a.ContainerID, IfName: a.IfName}
	}
	return valid
}
