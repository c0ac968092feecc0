// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/chain"
)

// dadPatience is how long to wait for duplicate address detection at most. The kernel delays its probe by up to a
// second and listens for one (RFC 4862, 5.4; dad_transmits and retrans_time in ip-sysctl).
const dadPatience = 10 * time.Second

// watchAddresses opens a socket, in the namespace of the calling thread, that is told of changes to IPv6 addresses.
func watchAddresses() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open netlink socket: %w", err)
	}
	address := &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1 << (unix.RTNLGRP_IPV6_IFADDR - 1)}
	if err := unix.Bind(fd, address); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("watch IPv6 addresses: %w", err)
	}
	return os.NewFile(uintptr(fd), "address changes"), nil
}

// waitForChange returns when the socket has something to say, or when ctx is over.
func waitForChange(ctx context.Context, watch *os.File) error {
	stop := context.AfterFunc(ctx, func() { _ = watch.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	var news [8 << 10]byte
	_, err := watch.Read(news[:])
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil && !errors.Is(err, unix.ENOBUFS) { // more changes than the buffer holds are a change
		return fmt.Errorf("watch IPv6 addresses: %w", err)
	}
	return nil
}

// settle waits until the kernel knows of each new IPv6 address whether somebody else has it. Without a carrier it will
// not, and an address that is not yet sure is no error.
func (b *container) settle(ctx context.Context, r *request, p *plan) error {
	if !r.Conf.EnableDAD || !p.hasIPv6() {
		return nil
	}
	return r.Do("wait for duplicate address detection", func() error {
		ctx, cancel := context.WithTimeout(ctx, dadPatience)
		defer cancel()
		for {
			has, err := b.addresses(b.link.Index)
			if err != nil {
				return err
			}
			pending, err := undecided(has, p)
			if err != nil || !pending {
				return err
			}
			if err := waitForChange(ctx, b.watch); err != nil {
				return b.unsettled(r, err)
			}
		}
	}, nil)
}

// undecided says whether the kernel is still looking for a duplicate of a planned address; the error is that it has
// found one.
func undecided(has []addr, p *plan) (pending bool, err error) {
	for _, a := range has {
		if !slices.ContainsFunc(p.addresses, func(want address) bool { return want.prefix == a.prefix }) {
			continue
		}
		if a.duplicate() {
			return false, chain.Errorf(chain.CodeTryAgain, "another host on the link has the address %s", a.prefix.Addr())
		}
		pending = pending || a.pending()
	}
	return pending, nil
}

// unsettled judges the end of the patience.
func (b *container) unsettled(r *request, err error) error {
	now, linkErr := b.linkByName(r.IfName)
	if linkErr == nil && !now.Carrier() && errors.Is(err, context.DeadlineExceeded) {
		r.Log.Warn("duplicate address detection has not ended, as the interface has no carrier")
		return nil
	}
	return chain.Errorf(chain.CodeTryAgain, "the addresses of %s are still tentative: %w", r.IfName, err)
}
