// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/shared/netns"
	"github.com/cni-chain/cni-chain/shared/nl"
	"github.com/cni-chain/cni-chain/shared/sysctl"
)

// container is the interface in the container's namespace. Its sockets are opened there; the process stays on the host.
type container struct {
	*conn
	ns    *os.File
	link  *nl.Link
	has   []addr
	watch *os.File // told of every change to an IPv6 address; nil unless enabledad
}

// enter opens the container's namespace, and finds the interface there.
func enter(r *request) (box *container, err error) {
	opened := &container{ns: r.Sandbox()}
	defer func() {
		if err != nil {
			opened.close()
		}
	}()
	box = opened
	err = netns.Do(box.ns, func() (err error) {
		if box.conn, err = dial(); err == nil && r.Conf.EnableDAD {
			box.watch, err = watchAddresses()
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("in namespace %s: %w", r.NetNS, err)
	}
	if box.link, err = box.linkByName(r.IfName); err != nil {
		return nil, fmt.Errorf("in namespace %s: %w", r.NetNS, err)
	}
	if box.has, err = box.addresses(box.link.Index); err != nil {
		return nil, fmt.Errorf("%s in namespace %s: %w", r.IfName, r.NetNS, err)
	}
	return box, nil
}

func (b *container) close() {
	if b.conn != nil {
		b.conn.close()
	}
	if b.watch != nil {
		_ = b.watch.Close()
	}
}

// refuseLive refuses a second ADD of an attachment: addresses of ours that no earlier link of this chain has reported.
// It comes before IPAM, whose DEL after a failed ADD would give away what the container is using.
func (b *container) refuseLive(r *request) error {
	known := resultAddresses(r)
	for _, a := range b.has {
		if a.ours() && !slices.Contains(known, a.prefix) {
			return chain.Errorf(codeExists, "%s has the address %s of an earlier ADD already: DEL it before the next ADD",
				ownerOf(r), a.prefix)
		}
	}
	return nil
}

// found is what the plan has to know of the namespace.
func (b *container) found(c *Config) (has found, err error) {
	for _, a := range b.has {
		has.subnets = append(has.subnets, a.prefix.Masked())
	}
	if !c.IsDefaultGateway {
		return has, nil
	}
	for _, f := range []struct {
		family uint8
		has    *bool
	}{{unix.AF_INET, &has.default4}, {unix.AF_INET6, &has.default6}} {
		routes, err := b.routes(routeFilter{family: f.family, table: unix.RT_TABLE_MAIN})
		if err != nil {
			return found{}, err
		}
		*f.has = slices.ContainsFunc(routes, func(r kernelRoute) bool { return r.dst.Bits() == 0 })
	}
	return has, nil
}

// configure adds what is planned for the container, step by step.
func (b *container) configure(r *request, p *plan) error {
	if p.hasIPv6() {
		if err := b.enableIPv6(r); err != nil {
			return err
		}
	}
	if err := b.enableAnnouncements(r); err != nil {
		return err
	}
	for _, a := range p.addresses {
		err := r.Do(fmt.Sprintf("add address %s to %s", a.prefix, r.IfName),
			func() error { return b.addAddress(b.link.Index, a.prefix, r.Conf.EnableDAD) },
			b.undo(func(c *conn) error { return ignore(c.deleteAddress(b.link.Index, a.prefix), unix.EADDRNOTAVAIL) }))
		if errors.Is(err, unix.EEXIST) {
			return chain.Errorf(codeExists, "%w: somebody else has put it there", err)
		}
		if err != nil {
			return err
		}
	}
	if !b.link.Up() {
		err := r.Do("bring "+r.IfName+" up",
			func() error { return b.setUp(b.link.Index, true) },
			b.undo(func(c *conn) error { return c.setUp(b.link.Index, false) }))
		if err != nil {
			return err
		}
	}
	for _, route := range p.routes {
		if err := b.configureRoute(r, route); err != nil {
			return err
		}
	}
	return nil
}

func (b *container) configureRoute(r *request, route route) error {
	existed := false
	err := r.Do(fmt.Sprintf("add route %s to %s", route, r.IfName),
		func() error {
			err := b.addRoute(b.link.Index, route)
			existed = errors.Is(err, unix.EEXIST)
			return ignore(err, unix.EEXIST)
		},
		b.undo(func(c *conn) error {
			if existed {
				return nil
			}
			return ignore(c.deleteRoute(b.link.Index, route), unix.ESRCH)
		}))
	if errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.EHOSTUNREACH) {
		return chain.Errorf(chain.CodeConfig, "%w: its gateway is in no subnet of %s", err, r.IfName)
	}
	return err
}

// undo runs f on a socket in the namespace.
func (b *container) undo(f func(*conn) error) func() error {
	return func() error { return netns.Do(b.ns, func() error { return dialed(f) }) }
}

// enableIPv6 makes the interface take IPv6 addresses, and keep them when it goes down for a while. A setting that is
// right already is not touched.
func (b *container) enableIPv6(r *request) error {
	if b.link.IPv6 == nil {
		return noIPv6(b.link)
	}
	if off, _ := b.link.Setting6(disableIPv6); off != 0 {
		// Traffic to an own address comes in by the loopback interface.
		for _, link := range []string{"lo", r.IfName} {
			if err := b.setIPv6(r, link, "disable_ipv6", "0"); err != nil {
				return err
			}
		}
	}
	for _, w := range []struct {
		setting int
		name    string
		wanted  bool
	}{
		{keepAddrOnDown, "keep_addr_on_down", true}, {ndiscNotify, "ndisc_notify", speaksARP(b.link)},
		{enhancedDAD, "enhanced_dad", r.Conf.EnableDAD}, {acceptDAD, "accept_dad", r.Conf.EnableDAD},
	} {
		if is, ok := b.link.Setting6(w.setting); !ok || is > 0 || !w.wanted {
			continue
		}
		if err := b.setIPv6(r, r.IfName, w.name, "1"); err != nil {
			return err
		}
	}
	return nil
}

// setIPv6 writes an IPv6 setting of a link in the container.
func (b *container) setIPv6(r *request, link, name, value string) error {
	name = "net/ipv6/conf/" + link + "/" + name
	return setSysctl(r, name, value, func(f func() error) error { return netns.Do(b.ns, f) })
}

// setSysctl writes a sysctl as a step, if it has another value; in runs a function in the right namespace.
func setSysctl(r *request, name, value string, in func(func() error) error) error {
	var changed bool
	var old string
	err := r.Do("set "+name, func() error {
		return in(func() (err error) {
			changed, old, err = sysctl.Set(name, value)
			return err
		})
	}, func() error {
		if !changed {
			return nil
		}
		return in(func() error {
			_, _, err := sysctl.Set(name, old)
			return err
		})
	})
	if err != nil {
		return chain.Errorf(codeLacks, "%w", err)
	}
	return nil
}

// noIPv6 says why a link has no IPv6.
func noIPv6(l *nl.Link) error {
	if l.MTU < minIPv6MTU {
		return chain.Errorf(codeLacks, "the MTU of %s is %d, and IPv6 needs %d: give it a larger one, or no IPv6 address",
			l.Name, l.MTU, minIPv6MTU)
	}
	if _, err := sysctl.Get("net/ipv6/conf/all/disable_ipv6"); err != nil {
		return chain.Errorf(codeLacks, "IPv6 addresses for %s: %w", l.Name, err)
	}
	return chain.Errorf(codeLacks, "the kernel gives %s no IPv6", l.Name)
}

// resultAddresses are the addresses that the result has for the container's interface.
func resultAddresses(r *request) []netip.Prefix {
	index, _, err := r.Container()
	if err != nil {
		return nil
	}
	var all []netip.Prefix
	for _, ip := range r.Result.IPs {
		if p, ok := prefixOf(ip.Address); ok && (ip.Interface == nil || *ip.Interface == index) {
			all = append(all, p)
		}
	}
	return all
}

// ignore is err unless it is expected.
func ignore(err, expected error) error {
	if errors.Is(err, expected) {
		return nil
	}
	return err
}
