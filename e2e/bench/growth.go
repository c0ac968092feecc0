// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/testnet"
)

// slowFill is how many live attachments upstream with masquerade and portmap is measured with at most: it takes minutes
// to get further.
const slowFill = 500

// settle is how long the kernel is busy with the IPv6 addresses of new links: duplicate address detection, and three
// solicitations of routers (RFC 4861), to all ports of a bridge.
const settle = 15 * time.Second

// The two machines of a contender whose growth is measured.
const (
	full  = "full"
	empty = "empty"
)

// growthResult is what a call takes beside live attachments, while no other contender has anything in the kernel.
type growthResult struct {
	Full cycleResult
	// Empty is the same contender on a machine without attachments, in turns with Full: it shares the kernel with
	// them, not the host's namespace.
	Empty cycleResult
}

// runGrowth fills one contender's machine after the other. A short run leaves out upstream with portmap, whose fill is
// slow.
func runGrowth(o *options, r *results) error {
	names := []string{ours, bare, byIPTables, byNFTables, floor}
	if o.quick {
		names = []string{ours, bare, floor}
	}
	for i, name := range names {
		start := time.Now()
		if err := grow(o, r, name, i > 0 && !o.quick); err != nil {
			return err
		}
		note("growth of "+name, start)
	}
	return nil
}

// grow measures a contender with more and more live attachments, alone in the kernel. The first measurement is with
// none. After another contender, the kernel has a pause.
func grow(o *options, r *results, name string, pause bool) error {
	f := &fleet{o: o, machines: map[string]*machine{}}
	defer f.close()
	for _, as := range []string{full, empty} {
		if err := f.add(as, name); err != nil {
			return err
		}
	}
	if _, err := f.machines[full].do(order{Do: "drain"}); err != nil {
		return err
	}
	if pause {
		time.Sleep(settle)
	}
	for _, live := range levels(o, name) {
		if err := f.fill(live, full); err != nil {
			return err
		}
		list, err := f.cycles(o.samples, order{Ports: 1, Proto: "tcp"}, full, empty)
		if err != nil {
			return err
		}
		list[0].Who, list[0].Live, list[1].Who = name, live, name
		r.Growth = append(r.Growth, growthResult{list[0], list[1]})
	}
	return r.peak(o, name, f.machines[full])
}

// levels are the numbers of live attachments that a contender is measured with, none being the first.
func levels(o *options, name string) (list []int) {
	list = []int{0}
	for _, live := range o.live {
		tooSlow := live > slowFill && (name == byIPTables || name == byNFTables)
		if live > 0 && !tooSlow {
			list = append(list, live)
		}
	}
	return list
}

// fill makes each machine have so many attachments.
func (f *fleet) fill(live int, names ...string) error {
	if live == 0 {
		return nil
	}
	for _, name := range names {
		if _, err := f.machines[name].do(order{Do: "fill", Live: live}); err != nil {
			return err
		}
	}
	time.Sleep(settle)
	return nil
}

// drain returns when the kernel has taken down all network namespaces that were closed before. It does that in the
// background, in the order in which they were closed and many at a time (cleanup_net in net/core/net_namespace.c), so
// that it is enough to wait for one that is closed now. With the second one, all that the first went with is over.
func drain() error {
	for range 2 {
		if err := sentinel(); err != nil {
			return fmt.Errorf("wait until the kernel has taken down closed namespaces: %w", err)
		}
	}
	return nil
}

// patience is for the kernel to take down thousands of namespaces.
const patience = 3 * time.Minute

// sentinel closes a namespace with one end of a veth pair, and waits for the other end to vanish.
func sentinel() error {
	changes, done := make(chan netlink.LinkUpdate, 64), make(chan struct{})
	defer close(done)
	if err := netlink.LinkSubscribe(changes, done); err != nil {
		return err
	}
	ns, err := testnet.Create("sentinel")
	if err != nil {
		return err
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "sentinel"
	veth := netlink.NewVeth(attrs)
	veth.PeerName, veth.PeerNamespace = "eth0", netlink.NsFd(ns.File().Fd())
	if err := netlink.LinkAdd(veth); err != nil {
		return err
	}
	if err := ns.Close(); err != nil {
		return err
	}
	deadline := time.After(patience)
	for {
		select {
		case change, ok := <-changes:
			if !ok {
				return fmt.Errorf("the kernel's messages about links have ended")
			}
			if change.Header.Type == unix.RTM_DELLINK && change.Attrs().Name == attrs.Name {
				return nil
			}
		case <-deadline:
			return fmt.Errorf("not within %v", patience)
		}
	}
}
