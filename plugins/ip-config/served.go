// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/containernetworking/cni/pkg/types"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/shared/owner"
	"github.com/cni-chain/cni-chain/shared/pool"
	"github.com/cni-chain/cni-chain/shared/resolv"
)

// served is ip-pool in this process: the same pool as the plugin of that name, without starting one.
type served struct{ r *request }

// poolConfig is "ipam" for ip-pool.
type poolConfig struct {
	Type string `json:"type"`
	pool.Config
}

func (s *served) config() pool.Config {
	var c poolConfig
	_ = json.Unmarshal(s.r.Conf.IPAM, &c) // Validate has been strict; DEL and GC go on with what can be read
	return c.Config
}

func (s *served) pool() *pool.Pool { return pool.Open(s.r.Network, s.config()) }

func (s *served) add(ctx context.Context) (got answer, err error) {
	conf := s.config()
	if got.dns, err = s.dns(conf.ResolvConf); err != nil {
		return answer{}, err
	}
	var lease pool.Lease
	err = s.r.Do("lease addresses", func() (err error) {
		lease, err = s.pool().Allocate(ctx, ownerOf(s.r), s.wishes())
		return poolError(err, chain.CodeTryAgain)
	}, func() error {
		if lease.Existing {
			return nil // left by an ADD that was killed; as it was found
		}
		// The undo after a signal: the context is over, the lock is still needed.
		return s.pool().Release(context.WithoutCancel(ctx), ownerOf(s.r))
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
	return s.pool().Release(ctx, ownerOf(s.r), s.known()...)
}

// check holds the lease to the addresses of the result that are on the interface.
func (s *served) check(ctx context.Context) error {
	return poolError(s.pool().Check(ctx, ownerOf(s.r), s.wishes(), s.known()), codeCheck)
}

// known are the addresses of the result.
func (s *served) known() (addresses []netip.Addr) {
	for _, p := range resultAddresses(s.r) {
		addresses = append(addresses, p.Addr())
	}
	return addresses
}

func (s *served) gc(ctx context.Context) error { return s.pool().GC(ctx, validOwners(s.r)) }

func (s *served) status(ctx context.Context) error {
	_, err := s.dns(s.config().ResolvConf)
	if err := errors.Join(s.pool().Status(ctx), err); err != nil {
		return chain.Errorf(chain.CodeNotAvailable, "ip-pool: %w", err)
	}
	return nil
}

// wishes are what the runtime asks, from all three places at once, as host-local takes them.
func (s *served) wishes() pool.Request {
	var w pool.Request
	if list := s.r.Args["IP"]; list != "" {
		w.IPs = strings.Split(list, ",")
	}
	w.IPs = append(w.IPs, s.r.Conf.Args.CNI.IPs...)
	w.IPs = append(w.IPs, s.r.Conf.RuntimeConfig.IPs...)
	w.Ranges = s.r.Conf.RuntimeConfig.IPRanges
	return w
}

// dns is the content of the file that "resolvConf" names.
func (s *served) dns(path string) (types.DNS, error) {
	if path == "" {
		return types.DNS{}, nil
	}
	found, err := resolv.Inherit(path)
	if err != nil {
		return types.DNS{}, chain.Invalid("ipam.resolvConf", path, "%v", err)
	}
	for _, dropped := range found.Dropped {
		s.r.Log.Warn(dropped, "resolvConf", found.Path)
	}
	return types.DNS{Nameservers: found.Servers, Domain: found.Domain, Search: found.Search, Options: found.Options}, nil
}

// poolError gives the pool's errors their CNI codes; unavailable is that of an address that cannot be had now.
func poolError(err error, unavailable uint) error {
	var config *pool.ConfigError
	var exhausted *pool.ExhaustedError
	var taken *pool.TakenError
	var notReady *pool.NotReadyError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &config):
		return chain.Invalid(poolPath(config.Path), config.Value, "%s", config.Reason)
	case errors.As(err, &exhausted), errors.As(err, &taken), errors.As(err, &notReady), unavailable == codeCheck:
		return chain.Errorf(unavailable, "%w", err)
	}
	return err
}

// poolPath is where in the whole configuration a path of the pool stands.
func poolPath(path string) string {
	switch {
	case strings.HasPrefix(path, "ipRanges["):
		return "runtimeConfig." + path
	case strings.HasPrefix(path, "ips["):
		return "a requested address, " + path
	}
	return "ipam." + path
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
