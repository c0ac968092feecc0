// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/nl"
	"github.com/cni-chain/cni-chain/shared/nlsock"
)

// origin marks the addresses and routes that this plugin makes (IFA_PROTO and rtm_protocol; "proto 193" in iproute2),
// so that DEL takes no others away. Numbers up to 4 are the kernel's and the administrator's, 193 is nobody's in
// linux/rtnetlink.h and in iproute2's rt_protos. Linux before 5.18 forgets it of addresses: those then go with the
// interface.
const origin = 193

// attrProto is IFA_PROTO of linux/if_addr.h.
const attrProto = 11

// addr is an address of an interface.
type addr struct {
	prefix netip.Prefix
	flags  uint32
	origin uint8
}

func (a addr) ours() bool { return a.origin == origin }

// pending says whether the kernel is still looking for a duplicate.
func (a addr) pending() bool { return a.flags&unix.IFA_F_TENTATIVE != 0 && !a.duplicate() }

// duplicate says whether it has found one.
func (a addr) duplicate() bool { return a.flags&unix.IFA_F_DADFAILED != 0 }

func family(a netip.Addr) uint8 {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// ifaddrmsg is struct ifaddrmsg of linux/if_addr.h.
func ifaddrmsg(family uint8, bits int, index int) []byte {
	head := make([]byte, unix.SizeofIfAddrmsg)
	head[0], head[1] = family, uint8(bits)
	binary.NativeEndian.PutUint32(head[4:], uint32(index))
	return head
}

// addresses lists the addresses of one interface.
func (c *conn) addresses(index int) ([]addr, error) {
	m := nl.Message{Kind: unix.RTM_GETADDR, Head: ifaddrmsg(unix.AF_UNSPEC, 0, index)}
	all, err := nl.List(c.Conn, m, func(body []byte) []addr {
		if a, of, ok := parseAddr(body); ok && of == index {
			return []addr{a}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	return all, nil
}

// addAddress adds an address. IPv6 is used at once (IFA_F_NODAD), unless dad asks the kernel to look for duplicates.
func (c *conn) addAddress(index int, p netip.Prefix, dad bool) error {
	m := addressMessage(unix.RTM_NEWADDR, index, p)
	m.Flags = unix.NLM_F_CREATE | unix.NLM_F_EXCL
	with := m.Attrs
	m.Attrs = func(w *nlsock.Writer) {
		with(w)
		w.Bytes(attrProto, []byte{origin})
		switch {
		case p.Addr().Is6() && !dad:
			nl.Native(w, unix.IFA_FLAGS, unix.IFA_F_NODAD)
		case p.Addr().Is4() && p.Bits() < 31:
			w.Bytes(unix.IFA_BROADCAST, broadcast(p).AsSlice())
		}
	}
	return c.Do(m)
}

func (c *conn) deleteAddress(index int, p netip.Prefix) error {
	return c.Do(addressMessage(unix.RTM_DELADDR, index, p))
}

func addressMessage(kind uint16, index int, p netip.Prefix) nl.Message {
	return nl.Message{Kind: kind, Head: ifaddrmsg(family(p.Addr()), p.Bits(), index), Attrs: func(w *nlsock.Writer) {
		w.Bytes(unix.IFA_LOCAL, p.Addr().AsSlice())
		w.Bytes(unix.IFA_ADDRESS, p.Addr().AsSlice())
	}}
}

// broadcast is the last address of an IPv4 subnet.
func broadcast(p netip.Prefix) netip.Addr {
	ip := p.Addr().As4()
	n := binary.BigEndian.Uint32(ip[:]) | uint32(1<<(32-p.Bits())-1)
	binary.BigEndian.PutUint32(ip[:], n)
	return netip.AddrFrom4(ip)
}

// parseAddr reads a RTM_NEWADDR.
func parseAddr(body []byte) (a addr, index int, ok bool) {
	if len(body) < unix.SizeofIfAddrmsg {
		return addr{}, 0, false
	}
	bits := int(body[1])
	a.flags = uint32(body[2])
	index = int(nl.Number(body[4:]))
	var local, remote netip.Addr
	nlsock.EachAttr(body[unix.SizeofIfAddrmsg:], func(kind uint16, v []byte) {
		switch kind {
		case unix.IFA_LOCAL:
			local, _ = netip.AddrFromSlice(v)
		case unix.IFA_ADDRESS:
			remote, _ = netip.AddrFromSlice(v)
		case unix.IFA_FLAGS:
			a.flags = nl.Number(v)
		case attrProto:
			if len(v) > 0 {
				a.origin = v[0]
			}
		}
	})
	if !local.IsValid() { // IPv6 without a peer has only the other one
		local = remote
	}
	a.prefix = netip.PrefixFrom(local, bits)
	return a, index, a.prefix.IsValid()
}
