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

// filter is what the kernel leaves out of a list of connections. A kernel older than 5.8 leaves out nothing, so all is
// compared again.
type filter struct {
	family  uint8 // AF_; 0 is all
	proto   uint8
	port    uint16     // of the host; 0 is any
	answers netip.Addr // invalid is anybody
	dnat    bool       // with a translated destination only
}

// write asks for the list.
func (f filter) write(w *nlsock.Writer, seq uint32) {
	w.BeginGen(msgGetConntrack, unix.NLM_F_DUMP, seq, f.family, 0)
	var original, reply uint32
	if f.dnat {
		w.Uint32(ctaStatus, ipsDstNAT)
		w.Uint32(ctaStatusMask, ipsDstNAT)
	}
	if f.proto != 0 {
		original |= filterProtoNum
		at := w.Nest(ctaOriginal)
		proto := w.Nest(ctaTupleProto)
		w.Bytes(ctaProtoNum, []byte{f.proto})
		if f.port != 0 {
			original |= filterDestPort
			w.Bytes(ctaDestPort, nft.Port(f.port))
		}
		w.CloseNest(proto)
		w.CloseNest(at)
	}
	if f.answers.IsValid() {
		reply |= filterIPSource
		at := w.Nest(ctaReply)
		ip := w.Nest(ctaTupleIP)
		if f.answers.Is4() {
			w.Bytes(ctaIP4Source, nft.Addr(f.answers))
		} else {
			w.Bytes(ctaIP6Source, nft.Addr(f.answers))
		}
		w.CloseNest(ip)
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
