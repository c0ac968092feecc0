// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/nlsock"
)

// flushStale forgets UDP connections to ports that have just been mapped: they are as old as before, and would go on to
// wherever they went. One list of connections serves all ports; TCP finds out by itself.
func flushStale(p *plan) error {
	wanted := map[uint16][]hostTarget{}
	f := filter{proto: unix.IPPROTO_UDP}
	for _, s := range p.sides {
		for _, port := range s.ports {
			for i := range port.count {
				if port.proto == unix.IPPROTO_UDP {
					n := port.host + uint16(i)
					wanted[n] = append(wanted[n], hostTarget{s.family, port.addr, s.container})
					f.port = n
				}
			}
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	if len(wanted) > 1 {
		f.port = 0
	}
	if len(p.sides) == 1 {
		f.family = p.sides[0].family.afi()
	}
	return flush(f, func(c flow) bool {
		for _, t := range wanted[c.port] {
			if c.proto == unix.IPPROTO_UDP && t.catches(c) {
				return true
			}
		}
		return false
	})
}

// hostTarget is one mapping of a port.
type hostTarget struct {
	family    family
	addr      netip.Addr
	container netip.Addr
}

// catches says whether the mapping is for the flow and the flow goes elsewhere.
func (t hostTarget) catches(c flow) bool {
	return familyOf(c.to) == t.family && (!t.addr.IsValid() || t.addr == c.to) && c.answers != t.container
}

// flushTo forgets all translated connections that the addresses answer, in one pass: whoever gets an address or a host
// port next is not to get packets of those.
func flushTo(containers []netip.Addr) error {
	if len(containers) == 0 {
		return nil
	}
	f := filter{dnat: true}
	if len(containers) == 1 {
		f.family, f.answers = familyOf(containers[0]).afi(), containers[0]
	}
	gone := map[netip.Addr]bool{}
	for _, addr := range containers {
		gone[addr] = true
	}
	return flush(f, func(c flow) bool { return gone[c.answers] })
}

func (f family) afi() uint8 {
	if f == v4 {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// flush lists connections once and deletes those that match. Listing takes the kernel some milliseconds, however few
// there are, so it is not done where there are none.
func flush(f filter, match func(flow) bool) error {
	if count, err := os.ReadFile("/proc/sys/net/netfilter/nf_conntrack_count"); err != nil ||
		strings.TrimSpace(string(count)) == "0" {
		return nil
	}
	sock, err := nlsock.Open(unix.NETLINK_NETFILTER)
	if err != nil {
		return err
	}
	found, err := listFlows(sock, f, match)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL) {
		return sock.Close() // a kernel without connection tracking by netlink has no way to forget
	}
	if err == nil {
		err = deleteFlows(sock, found)
	}
	if err = errors.Join(err, sock.Close()); err != nil {
		return fmt.Errorf("forget connections: %w", err)
	}
	return nil
}

// listFlows lists the connections that pass the filter and match.
func listFlows(sock *nlsock.Socket, f filter, match func(flow) bool) (found []flow, err error) {
	var w nlsock.Writer
	f.write(&w, sock.NextSeq())
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
