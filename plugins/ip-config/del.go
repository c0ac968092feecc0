// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/nl"
)

// del goes on over errors. The addresses leave the container before they go back to IPAM, so that nobody can get one
// that is still in use; an interface that is gone has taken them along.
func del(ctx context.Context, r *request) error {
	masq := masqueraderOf(r)
	errs := []error{
		r.Do("remove addresses from "+r.IfName, func() error { return leave(r) }, nil),
		r.Do("end the masquerade", func() error { return removeMasquerade(ctx, r, masq) }, nil),
	}
	source, err := ipamOf(r)
	if err == nil && source != nil {
		err = r.Do("give the addresses back to IPAM", func() error { return source.del(ctx) }, nil)
	}
	return errors.Join(append(errs, err, masq.close())...)
}

// leave takes what carries our origin off the interface in the container.
func leave(r *request) error {
	if r.Sandbox() == nil {
		return nil
	}
	box, err := enter(r)
	if nl.IsGone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer box.close()
	var errs []error
	for _, f := range []uint8{unix.AF_INET, unix.AF_INET6} {
		routes, err := box.routes(routeFilter{family: f, link: box.link.Index, origin: origin})
		errs = append(errs, err)
		for _, route := range routes {
			errs = append(errs, ignore(box.deleteRoute(box.link.Index, route.route), unix.ESRCH))
		}
	}
	// The first of a subnet takes the others along (promote_secondaries), so the last goes first.
	for i := len(box.has) - 1; i >= 0; i-- {
		if a := box.has[i]; a.ours() {
			errs = append(errs, ignore(box.deleteAddress(box.link.Index, a.prefix), unix.EADDRNOTAVAIL))
		}
	}
	return errors.Join(errs...)
}

// removeMasquerade looks for masquerade even where the configuration asks for none, as it may have done so once; but a
// backend that is not there is then no error.
func removeMasquerade(ctx context.Context, r *request, masq masquerader) error {
	err := masq.remove(ctx)
	if err != nil && !r.Conf.IPMasq.any() {
		r.Log.Info("masquerade is not configured and cannot be looked for", "err", err)
		return nil
	}
	return err
}

// gc goes on over errors as well.
func gc(ctx context.Context, r *request) error {
	masq := masqueraderOf(r)
	errs := []error{r.Do("end the masquerade of attachments that are gone", func() error {
		return masq.gc(ctx, validOwners(r))
	}, nil)}
	source, err := ipamOf(r)
	if err == nil && source != nil {
		err = r.Do("give addresses of attachments that are gone back to IPAM", func() error { return source.gc(ctx) }, nil)
	}
	return errors.Join(append(errs, err, masq.close())...)
}
