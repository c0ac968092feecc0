// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/nft"
	"github.com/cni-chain/cni-chain/shared/nlsock"
)

// Attributes of a connection, enum ctattr_type and what it nests, of linux/netfilter/nfnetlink_conntrack.h.
const (
	ctaOriginal   = 1
	ctaReply      = 2
	ctaStatus     = 3
	ctaID         = 12
	ctaZone       = 18
	ctaStatusMask = 26
	ctaFilter     = 25

	ctaTupleIP    = 1
	ctaTupleProto = 2
	ctaIP4Source  = 1
	ctaIP4Dest    = 2
	ctaIP6Source  = 3
	ctaIP6Dest    = 4
	ctaProtoNum   = 1
	ctaSourcePort = 2
	ctaDestPort   = 3

	ctaFilterOriginal = 1
	ctaFilterReply    = 2
	// Bits of a filter, CTA_FILTER_F_CTA_ of net/netfilter/nf_conntrack_netlink.c.
	filterIPSource  = 1 << 0
	filterIPDest    = 1 << 1
	filterProtoNum  = 1 << 3
	filterDestPort  = 1 << 5
	msgGetConntrack = unix.NFNL_SUBSYS_CTNETLINK<<8 | 1 // IPCTNL_MSG_CT_GET
	msgDelConntrack = unix.NFNL_SUBSYS_CTNETLINK<<8 | 2 // IPCTNL_MSG_CT_DELETE
)

// flow is what is known of a connection.
type flow struct {
	proto    uint8
	to       netip.Addr // where the first packet was sent, before any translation
	port     uint16
	answers  netip.Addr // who answers
	family   uint8      // AF_
	original []byte     // these three are the attributes to delete it by
	id, zone []byte
}

// write asks for the list of the connections that a filter lets through, or for their deletion. An address of IPv6 is
// left out, see inexact; and without a family the kernel refuses whatever is about addresses and ports.
func (f filter) write(w *nlsock.Writer, kind, flags uint16, seq uint32) {
	w.BeginGen(kind, flags, seq, f.family, 0)
	if f.dnat {
		w.Uint32(ctaStatus, ipsDstNAT)
		w.Uint32(ctaStatusMask, ipsDstNAT)
	}
	original, reply := uint32(0), uint32(0)
	if f.proto != 0 && f.family != 0 {
		original = f.writeOriginal(w)
	}
	if f.answers.Is4() {
		reply = filterIPSource
		at := w.Nest(ctaReply)
		writeTupleAddr(w, ctaIP4Source, f.answers)
		w.CloseNest(at)
	}
	if original|reply != 0 {
		at := w.Nest(ctaFilter)
		w.Bytes(ctaFilterOriginal, native(int(original)))
		w.Bytes(ctaFilterReply, native(int(reply)))
		w.CloseNest(at)
	}
	w.End()
}

// writeOriginal writes what the first packet has to be, and returns the bits for what it wrote.
func (f filter) writeOriginal(w *nlsock.Writer) (bits uint32) {
	at := w.Nest(ctaOriginal)
	if f.to.Is4() {
		bits |= filterIPDest
		writeTupleAddr(w, ctaIP4Dest, f.to)
	}
	bits |= filterProtoNum
	proto := w.Nest(ctaTupleProto)
	w.Bytes(ctaProtoNum, []byte{f.proto})
	if f.port != 0 {
		bits |= filterDestPort
		w.Bytes(ctaDestPort, nft.Port(f.port))
	}
	w.CloseNest(proto)
	w.CloseNest(at)
	return bits
}

func writeTupleAddr(w *nlsock.Writer, kind uint16, addr netip.Addr) {
	at := w.Nest(ctaTupleIP)
	w.Bytes(kind, nft.Addr(addr))
	w.CloseNest(at)
}

// parseFlow reads one connection of the list.
func parseFlow(m nlsock.Message) (c flow, ok bool) {
	if len(m.Body) < nlsock.GenSize {
		return c, false
	}
	c.family = m.Body[0]
	nlsock.EachAttr(nlsock.GenAttrs(m.Body), func(kind uint16, value []byte) {
		switch kind {
		case ctaOriginal:
			c.original = append([]byte(nil), value...)
			parseTuple(value, func(field uint16, v []byte) { c.setOriginal(field, v) })
		case ctaReply:
			parseTuple(value, func(field uint16, v []byte) {
				if field == ctaIP4Source || field == ctaIP6Source {
					c.answers, _ = netip.AddrFromSlice(v)
				}
			})
		case ctaID:
			c.id = append([]byte(nil), value...)
		case ctaZone:
			c.zone = append([]byte(nil), value...)
		}
	})
	return c, c.original != nil
}

const protoField = 0x100 // tells fields of the protocol from those of the address

func (c *flow) setOriginal(field uint16, v []byte) {
	switch {
	case field == ctaIP4Dest || field == ctaIP6Dest:
		c.to, _ = netip.AddrFromSlice(v)
	case field == protoField|ctaProtoNum && len(v) == 1:
		c.proto = v[0]
	case field == protoField|ctaDestPort && len(v) == 2:
		c.port = binary.BigEndian.Uint16(v)
	}
}

// parseTuple gives f the fields of the address and of the protocol.
func parseTuple(tuple []byte, f func(field uint16, value []byte)) {
	nlsock.EachAttr(tuple, func(part uint16, nested []byte) {
		nlsock.EachAttr(nested, func(field uint16, value []byte) {
			if part == ctaTupleProto {
				field |= protoField
			}
			f(field, value)
		})
	})
}
