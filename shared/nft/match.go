// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"encoding/binary"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/nlsock"
)

// Registers of nf_tables: 1 to 4 have 16 bytes, 8 to 23 are the same memory in pieces of 4 bytes
// (enum nft_registers of linux/netfilter/nf_tables.h).
const firstReg32 = unix.NFT_REG32_00

// Field is a piece of a packet, or of what is known about it, that an expression loads into a register.
type Field struct {
	expr       string // the expression's name
	size       int
	attributes [3]attribute // beside the register; the rest is empty
}

// attrRegister is the attribute that says where the expressions of a Field load to: NFTA_PAYLOAD_DREG, NFTA_CT_DREG and
// NFTA_FIB_DREG are the same number.
const attrRegister = unix.NFTA_META_DREG

// The fields that rules of this suite look at. Source and Destination are addresses of the packet's own family, so a
// rule of an inet table asks Family first.
var (
	Family         = meta(unix.NFT_META_NFPROTO, 1)
	L4Proto        = meta(unix.NFT_META_L4PROTO, 1)
	InputName      = meta(unix.NFT_META_IIFNAME, unix.IFNAMSIZ)
	OutputName     = meta(unix.NFT_META_OIFNAME, unix.IFNAMSIZ)
	PacketMark     = meta(unix.NFT_META_MARK, 4)
	Source4        = payload(unix.NFT_PAYLOAD_NETWORK_HEADER, 12, 4)
	Destination4   = payload(unix.NFT_PAYLOAD_NETWORK_HEADER, 16, 4)
	Source6        = payload(unix.NFT_PAYLOAD_NETWORK_HEADER, 8, 16)
	Destination6   = payload(unix.NFT_PAYLOAD_NETWORK_HEADER, 24, 16)
	SourcePort     = payload(unix.NFT_PAYLOAD_TRANSPORT_HEADER, 0, 2)
	DestPort       = payload(unix.NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2)
	EtherSource    = payload(unix.NFT_PAYLOAD_LL_HEADER, 6, 6)
	ConntrackState = conntrack(unix.NFT_CT_STATE)
	// ConntrackStatus has the bits IPS_ of linux/netfilter/nf_conntrack_common.h, in the host's byte order.
	ConntrackStatus = conntrack(unix.NFT_CT_STATUS)
	// DestinationType is RTN_LOCAL for an address of the host, in the host's byte order (linux/rtnetlink.h).
	DestinationType = Field{"fib", 4, [3]attribute{
		{unix.NFTA_FIB_FLAGS, unix.NFTA_FIB_F_DADDR}, {unix.NFTA_FIB_RESULT, unix.NFT_FIB_RESULT_ADDRTYPE},
	}}
)

func meta(key uint32, size int) Field {
	return Field{"meta", size, [3]attribute{{unix.NFTA_META_KEY, key}}}
}

func conntrack(key uint32) Field {
	return Field{"ct", 4, [3]attribute{{unix.NFTA_CT_KEY, key}}}
}

func payload(header, offset uint32, size int) Field {
	return Field{"payload", size, [3]attribute{
		{unix.NFTA_PAYLOAD_BASE, header}, {unix.NFTA_PAYLOAD_OFFSET, offset}, {unix.NFTA_PAYLOAD_LEN, uint32(size)},
	}}
}

// load puts the field into the register.
func (f Field) load(register uint32) Expr {
	return Expr{f.expr, func(w *nlsock.Writer) {
		w.Uint32(attrRegister, register)
		writeNumbers(w, f.attributes[:])
	}}
}

// Load puts the fields one behind the other, as the keys of a concatenation lie, and says in which register they start.
func Load(fields ...Field) (exprs []Expr, register uint32) {
	at := uint32(firstReg32)
	for _, f := range fields {
		exprs = append(exprs, f.load(at))
		at += uint32(nlsock.Align(f.size) / 4)
	}
	return exprs, firstReg32
}

// Is matches packets whose field has that value.
func Is(f Field, value []byte) []Expr {
	load, register := Load(f)
	return append(load, compare(register, unix.NFT_CMP_EQ, value))
}

// IsNot matches packets whose field has another value.
func IsNot(f Field, value []byte) []Expr {
	load, register := Load(f)
	return append(load, compare(register, unix.NFT_CMP_NEQ, value))
}

// Masked matches packets whose field has that value under a mask of the field's size; not inverts it.
func Masked(f Field, bits, value []byte, not bool) []Expr {
	load, register := Load(f)
	op := uint32(unix.NFT_CMP_EQ)
	if not {
		op = unix.NFT_CMP_NEQ
	}
	return append(load, mask(register, bits), compare(register, op, value))
}

// Native is a number in the host's byte order, as meta, ct and fib give it.
func Native(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }

// In matches packets whose fields are an element of the set, or a key of the object map.
func In(s *Set, fields ...Field) []Expr {
	load, register := Load(fields...)
	return append(load, lookup(s.Name, register))
}

// NotIn matches packets whose fields are not.
func NotIn(s *Set, fields ...Field) []Expr {
	load, register := Load(fields...)
	return append(load, lookup(s.Name, register, attribute{unix.NFTA_LOOKUP_FLAGS, unix.NFT_LOOKUP_F_INV}))
}

// Map matches packets whose fields are a key of the map, and puts its value where the returned register says.
func Map(s *Set, fields ...Field) (exprs []Expr, register uint32) {
	load, register := Load(fields...)
	return append(load, lookup(s.Name, register, attribute{unix.NFTA_LOOKUP_DREG, register})), register
}

// All puts the pieces of a rule together.
func All(parts ...[]Expr) []Expr { return slices.Concat(parts...) }
