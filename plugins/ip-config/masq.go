// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"net/netip"
	"slices"

	"github.com/cni-chain/cni-chain/shared/owner"
)

// masquerader is a backend of ipMasq: what a container sends out of its subnet leaves the host with the host's address.
// Multicast is left alone.
type masquerader interface {
	// add makes the attachment's addresses masqueraded. When it fails it has left nothing.
	add(ctx context.Context, addresses []netip.Prefix) error
	// remove takes away what carries the attachment's tag. It needs the names alone; that there is nothing is no error.
	remove(ctx context.Context) error
	check(ctx context.Context, addresses []netip.Prefix) error
	// gc removes what the network's attachments have, except the valid ones.
	gc(ctx context.Context, valid []owner.Owner) error
	status(ctx context.Context) error
	// close waits until the kernel is done with what was deleted; whatever else there is to do comes before.
	close() error
}

// masqueraderOf is the configured backend.
func masqueraderOf(r *request) masquerader {
	if r.Conf.IPMasqBackend == backendIPTables {
		return &iptablesMasq{owner: ownerOf(r), masq: r.Conf.IPMasq}
	}
	return &nftMasq{owner: ownerOf(r), log: r.Log}
}

// masquerade is the step of ADD.
func masquerade(ctx context.Context, r *request, p *plan) error {
	if len(p.masq) == 0 {
		return nil
	}
	backend := masqueraderOf(r)
	return r.Do("masquerade what leaves the network",
		func() error { return errors.Join(backend.add(ctx, p.masq), backend.close()) },
		func() error {
			ctx, cancel := undoContext(ctx)
			defer cancel()
			return errors.Join(backend.remove(ctx), backend.close())
		})
}

// multicast is what is never masqueraded: routers send it to those who have joined, from whom it is.
func multicast(a netip.Addr) netip.Prefix {
	if a.Is4() {
		return netip.MustParsePrefix("224.0.0.0/4")
	}
	return netip.MustParsePrefix("ff00::/8")
}

// tagsOf are the tags of owners, for looking up.
func tagsOf(owners []owner.Owner) map[string]bool {
	tags := map[string]bool{}
	for _, o := range owners {
		tags[o.Tag()] = true
	}
	return tags
}

// stale are the tags that are not valid.
func stale(tags []string, valid []owner.Owner) []string {
	keep := tagsOf(valid)
	return slices.DeleteFunc(tags, func(tag string) bool { return keep[tag] })
}
