// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/nlsock"
)

// Registers of nf_tables: 1 to 4 have 16 bytes, 8 to 23 are the same memory in pieces of 4 bytes
// (enum nft_registers of linux/netfilter/nf_tables.h).
const firstReg32 = unix.NFT_REG32_00

// Field loads a piece of a packet or of what is known about it into a register.
type Field struct {
	load func(register uint32) expr.Any
	size int
}

// The fields that rules of this suite look at. Source and Destination are addresses of the packet's own family, so a
// rule of an inet table asks Family first.
var (
	Family         = meta(expr.MetaKeyNFPROTO, 1)
	L4Proto        = meta(expr.MetaKeyL4PROTO, 1)
	InputName      = meta(expr.MetaKeyIIFNAME, unix.IFNAMSIZ)
	OutputName     = meta(expr.MetaKeyOIFNAME, unix.IFNAMSIZ)
	PacketMark     = meta(expr.MetaKeyMARK, 4)
	Source4        = payload(expr.PayloadBaseNetworkHeader, 12, 4)
	Destination4   = payload(expr.PayloadBaseNetworkHeader, 16, 4)
	Source6        = payload(expr.PayloadBaseNetworkHeader, 8, 16)
	Destination6   = payload(expr.PayloadBaseNetworkHeader, 24, 16)
	SourcePort     = payload(expr.PayloadBaseTransportHeader, 0, 2)
	DestPort       = payload(expr.PayloadBaseTransportHeader, 2, 2)
	EtherSource    = payload(expr.PayloadBaseLLHeader, 6, 6)
	ConntrackState = Field{func(r uint32) expr.Any { return &expr.Ct{Key: expr.CtKeySTATE, Register: r} }, 4}
	// ConntrackStatus has the bits IPS_ of linux/netfilter/nf_conntrack_common.h, in the host's byte order.
	ConntrackStatus = Field{func(r uint32) expr.Any { return &expr.Ct{Key: expr.CtKeySTATUS, Register: r} }, 4}
	// DestinationType is RTN_LOCAL for an address of the host, in the host's byte order (linux/rtnetlink.h).
	DestinationType = Field{func(r uint32) expr.Any {
		return &expr.Fib{FlagDADDR: true, ResultADDRTYPE: true, Register: r}
	}, 4}
)

func meta(key expr.MetaKey, size int) Field {
	return Field{func(r uint32) expr.Any { return &expr.Meta{Key: key, Register: r} }, size}
}

func payload(base expr.PayloadBase, offset uint32, size int) Field {
	return Field{func(r uint32) expr.Any {
		return &expr.Payload{DestRegister: r, Base: base, Offset: offset, Len: uint32(size)}
	}, size}
}

// Load puts the fields one behind the other, as the keys of a concatenation lie, and says in which register they start.
func Load(fields ...Field) (exprs []expr.Any, register uint32) {
	at := uint32(firstReg32)
	for _, f := range fields {
		exprs = append(exprs, f.load(at))
		at += uint32(nlsock.Align(f.size) / 4)
	}
	return exprs, firstReg32
}

// Is matches packets whose field has that value.
func Is(f Field, value []byte) []expr.Any { return compare(f, expr.CmpOpEq, value) }

// IsNot matches packets whose field has another value.
func IsNot(f Field, value []byte) []expr.Any { return compare(f, expr.CmpOpNeq, value) }

func compare(f Field, op expr.CmpOp, value []byte) []expr.Any {
	load, register := Load(f)
	return append(load, &expr.Cmp{Op: op, Register: register, Data: value})
}

// Masked matches packets whose field has that value under a mask of the same size; not inverts it.
func Masked(f Field, mask, value []byte, not bool) []expr.Any {
	load, register := Load(f)
	op := expr.CmpOpEq
	if not {
		op = expr.CmpOpNeq
	}
	return append(load,
		&expr.Bitwise{SourceRegister: register, DestRegister: register, Len: uint32(f.size), Mask: mask,
			Xor: make([]byte, f.size)},
		&expr.Cmp{Op: op, Register: register, Data: value})
}

// Native is a number in the host's byte order, as meta, ct and fib give it.
func Native(v uint32) []byte { return binaryutil.NativeEndian.PutUint32(v) }

// In matches packets whose fields are an element of the set, or a key of the object map.
func In(s *Set, fields ...Field) []expr.Any { return lookup(s, false, fields) }

// NotIn matches packets whose fields are not.
func NotIn(s *Set, fields ...Field) []expr.Any { return lookup(s, true, fields) }

func lookup(s *Set, not bool, fields []Field) []expr.Any {
	load, register := Load(fields...)
	return append(load, &expr.Lookup{SourceRegister: register, SetName: s.Name, Invert: not})
}

// Map matches packets whose fields are a key of the map, and puts its value where the returned register says.
func Map(s *Set, fields ...Field) (exprs []expr.Any, register uint32) {
	load, register := Load(fields...)
	return append(load, &expr.Lookup{SourceRegister: register, SetName: s.Name, DestRegister: register,
		IsDestRegSet: true}), register
}

// Jump goes to a chain and comes back behind this rule.
func Jump(chain string) expr.Any { return &expr.Verdict{Kind: expr.VerdictJump, Chain: chain} }

// Drop ends the packet.
func Drop() expr.Any { return &expr.Verdict{Kind: expr.VerdictDrop} }

// Accept ends the walk through this base chain.
func Accept() expr.Any { return &expr.Verdict{Kind: expr.VerdictAccept} }

// All puts the pieces of a rule together.
func All(parts ...[]expr.Any) []expr.Any {
	var all []expr.Any
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}
