// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/shared/nft"
	"github.com/cni-chain/cni-chain/shared/nl"
	"github.com/cni-chain/cni-chain/shared/nlsock"
)

// status says whether an ADD could work now.
func status(_ context.Context, r *request) error {
	a, err := newAttachment(r)
	if err != nil {
		return notAvailable(err)
	}
	defer a.conn.Close()
	if err := a.look(); err != nil {
		return notAvailable(err)
	}
	var errs []error
	switch {
	case a.bridge == nil:
		errs = append(errs, a.conn.probe("bridge"))
	case a.bridge.Kind != "bridge":
		errs = append(errs, fmt.Errorf("%s is no bridge", a.bridge.Describe()))
	case r.Conf.filters() && !a.bridge.Bridge.CanFilter:
		errs = append(errs, errNoFilter())
	}
	if r.Conf.Uplink != "" {
		errs = append(errs, a.usableUplink())
	}
	errs = append(errs, a.conn.probe("veth"))
	if r.Conf.MacSpoofChk {
		errs = append(errs, probeNFT())
	}
	if err := errors.Join(errs...); err != nil {
		return notAvailable(err)
	}
	return nil
}

func notAvailable(err error) error { return chain.Errorf(chain.CodeNotAvailable, "%w", err) }

// probe asks whether the kernel can make a kind of link, loading its module if need be, without making one: the name
// cannot be had, which the kernel finds out (EINVAL) after it has found the kind.
func (c *conn) probe(kind string) error {
	err := c.Do(probeMessage(kind))
	switch {
	case errors.Is(err, unix.EINVAL):
		return nil
	case errors.Is(err, unix.EOPNOTSUPP):
		return fmt.Errorf("the kernel cannot make a %s, and has no module for it: %w", kind, err)
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("make a %s: %w: the plugin needs CAP_NET_ADMIN", kind, err)
	}
	return err
}

// probeMessage asks for a link with a name that no link can have (dev_valid_name in net/core/dev.c).
func probeMessage(kind string) nl.Message {
	return makeLink(0, func(w *nlsock.Writer) {
		w.Text(unix.IFLA_IFNAME, "no/link")
		info := w.Nest(unix.IFLA_LINKINFO)
		w.Text(unix.IFLA_INFO_KIND, kind)
		w.CloseNest(info)
	})
}

// probeNFT asks nftables for something of a bridge's table.
func probeNFT() error {
	c, err := nft.Open()
	if err == nil {
		_, err = c.HasChains(nft.Bridge, guardChain.Name)
		_ = c.Close()
	}
	return explainNFT(err)
}
