// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/shared/nft"
	"github.com/cni-chain/cni-chain/shared/owner"
	"github.com/cni-chain/cni-chain/shared/sysctl"
)

type request = chain.Request[Config]

// add maps the ports. Without any it does nothing at all.
func add(ctx context.Context, r *request) error {
	p, err := makePlan(r)
	if err != nil || p.empty() {
		return err
	}
	if err := p.lookAround(r); err != nil {
		return err
	}
	if err := checkListeners(r.Conf.Listeners, p, r.Log); err != nil {
		return err
	}
	if err := addByBackend(ctx, r, p); err != nil {
		return err
	}
	if err := openLoopback(r, p); err != nil {
		return err
	}
	return r.Do("forget UDP connections from before", func() error { return flushStale(p) }, nil)
}

// lookAround completes the plan with what only the host knows.
func (p *plan) lookAround(r *request) (err error) {
	if p.netns, err = namespaceNote(r.Sandbox(), r.NetNS); err != nil {
		return err
	}
	for _, s := range p.sides {
		link, direct, err := linkTo(s.container)
		switch {
		case errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.EHOSTUNREACH) || err == nil && !direct:
			r.Log.Warn("the host has no interface on the container's link: ports are not mapped for its own programs "+
				"that connect to localhost, nor for neighbours of the container", "address", s.container.String())
		case err != nil:
			return err
		default:
			s.link = link
		}
		s.warnForwarding(r)
	}
	return nil
}

// warnForwarding says why nobody else than the host will reach the ports, when that is so. Switching forwarding on is
// for the link that makes the network.
func (s *side) warnForwarding(r *request) {
	name := "net/ipv4/ip_forward"
	if s.family == v6 {
		name = "net/ipv6/conf/all/forwarding"
	}
	value, err := sysctl.Get(name)
	public := slices.ContainsFunc(s.ports, func(p port) bool { return !p.addr.IsLoopback() })
	if err == nil && value == "0" && public {
		r.Log.Warn("the host does not forward: mapped ports are reached by its own programs only", "sysctl", name)
	}
}

// del takes back what the attachment has by either backend, whatever the configuration says by now.
func del(ctx context.Context, r *request) error {
	o := owner.Owner{Network: r.Network, ContainerID: r.ContainerID, IfName: r.IfName}
	return r.Do("unmap host ports", func() error { return delAll(ctx, r, r.Conf.usesIPTables(), o.Tag()) }, nil)
}

// usesIPTables says whether the configuration leads to rules of iptables. Then they are looked for even without a mark:
// somebody may have emptied /run.
func (c *Config) usesIPTables() bool {
	return c.Backend == backendIPTables && len(c.PortMappings)+len(c.RuntimeConfig.PortMappings) > 0
}

// delAll takes back what owners have by either backend. search says that they may have rules of iptables and no mark.
func delAll(ctx context.Context, r *request, search bool, tags ...string) error {
	err := delNFTables(ctx, r, tags...)
	if noNFTables(err) {
		err = nil // then it has nothing either
	}
	if search && len(tags) > 0 {
		return errors.Join(err, searchIPTables(ctx, tags...))
	}
	return errors.Join(err, delIPTables(ctx, tags...))
}

// delNFTables takes back what owners have in the table. It asks first, without the lock: mostly there is nothing.
func delNFTables(ctx context.Context, r *request, tags ...string) error {
	conn, err := nft.Open()
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // the deletion is through, and nothing is lost with the socket
	n := &nftables{conn, r.Log}
	holdings, err := n.holdings(tags)
	if err != nil {
		return err
	}
	open, err := n.unused()
	if err != nil || len(holdings)+len(open) == 0 {
		return err
	}
	err = underLock(ctx, func() error { return errors.Join(n.remove(tags...), n.closeUnused()) })
	return errors.Join(err, flushTo(containersOf(holdings)))
}

// containersOf are the addresses that connections of these attachments go to.
func containersOf(holdings []*nft.Holding) []netip.Addr {
	var all []netip.Addr
	for _, h := range holdings {
		for _, note := range h.Notes {
			if text, ok := strings.CutPrefix(note, noteContainer); ok {
				if addr, err := netip.ParseAddr(text); err == nil {
					all = append(all, addr)
				}
			}
		}
	}
	return all
}

// gc takes back what attachments of the network have that are not valid any more.
func gc(ctx context.Context, r *request) error {
	valid := map[string]bool{}
	for _, a := range r.Valid {
		valid[owner.Owner{Network: r.Network, ContainerID: a.ContainerID, IfName: a.IfName}.Tag()] = true
	}
	tags, err := everybody(ctx, r)
	if err != nil {
		return err
	}
	var stale []string
	for _, tag := range tags {
		if !valid[tag] {
			stale = append(stale, tag)
		}
	}
	if len(stale) > 0 {
		r.Log.Info("unmap host ports of attachments that are no more", "attachments", len(stale))
	}
	return r.Do("unmap host ports", func() error { return delAll(ctx, r, r.Conf.Backend == backendIPTables, stale...) }, nil)
}

// everybody lists the tags of a network's attachments that have ports, by either backend.
func everybody(ctx context.Context, r *request) ([]string, error) {
	prefix := owner.NetworkPrefix(r.Network)
	marked, err := markedForIPTables(prefix)
	if r.Conf.Backend == backendIPTables && err == nil {
		var more []string
		more, err = inIPTables(ctx, prefix)
		marked = append(marked, more...)
	}
	if err != nil {
		return nil, err
	}
	conn, err := nft.Open()
	if noNFTables(err) {
		return marked, nil
	}
	if err != nil {
		return nil, err
	}
	tags, err := register.Owners(conn, prefix)
	return append(marked, tags...), errors.Join(err, conn.Close())
}
