// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/nlsock"
	"github.com/cni-chain/cni-chain/shared/sysctl"
)

// flushStale forgets UDP connections to ports that have just been mapped: they are as old as before, and would go on to
// wherever they went. TCP finds out by itself.
func flushStale(p *plan) error {
	var all []filter
	for _, s := range p.sides {
		for _, port := range s.ports {
			for i := range port.count {
				if port.proto == unix.IPPROTO_UDP {
					all = append(all, filter{family: s.family.afi(), proto: port.proto, to: port.addr, port: port.host + uint16(i)})
				}
			}
		}
	}
	return flush(all)
}

// flushTo forgets all translated connections that the addresses answer: whoever gets an address or a host port next is
// not to get packets of those.
func flushTo(containers []netip.Addr) error {
	var all []filter
	for _, addr := range containers {
		all = append(all, filter{family: familyOf(addr).afi(), answers: addr, dnat: true})
	}
	return flush(all)
}

func (f family) afi() uint8 {
	if f == v4 {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// maxFilters is how many filters are given to the kernel one by one. For each it goes once through its table, which
// takes it less than a twentieth of what a list does.
const maxFilters = 16

// flush forgets the connections that one of the filters names. It does not look where none is tracked.
func flush(all []filter) error {
	if len(all) == 0 {
		return nil
	}
	if count, err := sysctl.Get("net/netfilter/nf_conntrack_count"); err != nil || count == "0" {
		return nil
	}
	exact := len(all) <= maxFilters && !slices.ContainsFunc(all, filter.inexact) && flushesByFilter()
	if !exact && nothingToForget(indexFilters(all)) {
		return nil
	}
	sock, err := nlsock.Open(unix.NETLINK_NETFILTER)
	if err != nil {
		return err
	}
	defer sock.CloseLater() //nolint:errcheck // the connections are gone, and nothing is lost with the socket
	err = unix.EOPNOTSUPP
	if exact {
		err = forget(sock, all)
	}
	if notOffered(err) {
		err = listAndForget(sock, all)
	}
	if notOffered(err) {
		return nil // a kernel without connection tracking by netlink has no way to forget
	}
	if err != nil {
		return fmt.Errorf("forget connections: %w", err)
	}
	return nil
}

func notOffered(err error) bool {
	return errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL)
}

// flushesByFilter says whether the kernel can be asked to delete by a filter. It must not be tried: a kernel before 5.8
// does not know filters (CTA_FILTER in ctnetlink_flush_conntrack of net/netfilter/nf_conntrack_netlink.c) and would
// delete all connections of the host. Those from 5.8 on refuse it, with EOPNOTSUPP or, for want of a whole tuple, with
// EINVAL, until they can do it: since 6.12 (commit 1ef7f50ccc6e).
func flushesByFilter() bool {
	var name unix.Utsname
	return unix.Uname(&name) == nil && takesFilters(unix.ByteSliceToString(name.Release[:]))
}

// takesFilters says whether it is 6.12 or later.
func takesFilters(release string) bool {
	var major, minor int
	n, _ := fmt.Sscanf(release, "%d.%d", &major, &minor)
	return n == 2 && (major > 6 || major == 6 && minor >= 12)
}

// forget has the kernel delete what each filter lets through.
func forget(sock *nlsock.Socket, all []filter) error {
	var w nlsock.Writer
	for _, f := range all {
		f.write(&w, msgDelConntrack, unix.NLM_F_ACK, sock.NextSeq())
	}
	if err := sock.Send(w.Buf); err != nil {
		return err
	}
	return sock.ReadAll(refusedErrno)
}

// listAndForget lists connections once, whatever the number of filters, and deletes those that match.
func listAndForget(sock *nlsock.Socket, all []filter) error {
	wanted := indexFilters(all)
	found, err := listFlows(sock, common(all), wanted.match)
	if err != nil {
		return err
	}
	return deleteFlows(sock, found)
}

// listFlows lists the connections that pass the filter and match.
func listFlows(sock *nlsock.Socket, f filter, match func(flow) bool) (found []flow, err error) {
	var w nlsock.Writer
	f.write(&w, msgGetConntrack, unix.NLM_F_DUMP, sock.NextSeq())
	if err := sock.Send(w.Buf); err != nil {
		return nil, err
	}
	err = sock.ReadAll(func(m nlsock.Message) error {
		if m.Kind == unix.NLMSG_ERROR || m.Kind == unix.NLMSG_DONE {
			return refusedErrno(m)
		}
		if c, ok := parseFlow(m); ok && match(c) {
			found = append(found, c)
		}
		return nil
	})
	return found, err
}

func refusedErrno(m nlsock.Message) error {
	if r := nlsock.ParseRefusal(m); r.Errno != 0 {
		return r.Errno
	}
	return nil
}

// deleteFlows deletes connections; one that has ended meanwhile is none the worse.
func deleteFlows(sock *nlsock.Socket, flows []flow) error {
	const atOnce = 64
	for len(flows) > 0 {
		var w nlsock.Writer
		n := min(atOnce, len(flows))
		for _, c := range flows[:n] {
			w.BeginGen(msgDelConntrack, 0, sock.NextSeq(), c.family, 0)
			w.Bytes(ctaOriginal|unix.NLA_F_NESTED, c.original)
			if c.zone != nil {
				w.Bytes(ctaZone, c.zone)
			}
			if c.id != nil {
				w.Bytes(ctaID, c.id)
			}
			w.End()
		}
		if err := sock.Send(w.Buf); err != nil {
			return err
		}
		err := sock.ReadAll(func(m nlsock.Message) error {
			if err := refusedErrno(m); m.Kind == unix.NLMSG_ERROR && !errors.Is(err, unix.ENOENT) {
				return err
			}
			return nil
		})
		if err != nil {
			return err
		}
		flows = flows[n:]
	}
	return nil
}
