// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"

	"github.com/cni-chain/cni-chain/chain"
)

// status asks those who would be asked by an ADD. An IPAM plugin's code is passed on.
func status(ctx context.Context, r *request) error {
	source, err := ipamOf(r)
	if err == nil && source != nil {
		err = source.status(ctx)
	}
	errs := []error{err}
	if r.Conf.IPMasq.any() {
		masq := masqueraderOf(r)
		if err := errors.Join(masq.status(ctx), masq.close()); err != nil {
			errs = append(errs, chain.Errorf(chain.CodeNotAvailable, "%w", err))
		}
	}
	return errors.Join(errs...)
}
