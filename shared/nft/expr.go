// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/nlsock"
)

// Expr is one step of a rule. A packet goes on to the next one when it matches, or when the step is no match.
//
// An expression is a name and attributes of its own (enum nft_expr_attributes of linux/netfilter/nf_tables.h), which
// differ from one expression to the next. Those that the suite needs are written here rather than by a library, because
// every process of the plugins would pay for what a library links and initialises.
type Expr struct {
	name       string
	attributes func(w *nlsock.Writer)
}

// write writes the expression as an element of a rule's list.
func (e Expr) write(w *nlsock.Writer) {
	at := w.Nest(unix.NFTA_LIST_ELEM)
	w.Text(unix.NFTA_EXPR_NAME, e.name)
	data := w.Nest(unix.NFTA_EXPR_DATA)
	e.attributes(w)
	w.CloseNest(data)
	w.CloseNest(at)
}

// Jump goes to a chain and comes back behind this rule.
func Jump(chain string) Expr { return immediate(Verdict{Code: unix.NFT_JUMP, Chain: chain}) }

// Drop ends the packet.
func Drop() Expr { return immediate(Verdict{Code: drop}) }

// Accept ends the walk through this base chain.
func Accept() Expr { return immediate(Verdict{Code: accept}) }

func immediate(v Verdict) Expr {
	return Expr{"immediate", func(w *nlsock.Writer) {
		w.Uint32(unix.NFTA_IMMEDIATE_DREG, unix.NFT_REG_VERDICT)
		writeVerdict(w, unix.NFTA_IMMEDIATE_DATA, v)
	}}
}

// Counter counts the packets that come here, and their bytes, for who lists the rule.
func Counter() Expr {
	return Expr{"counter", func(w *nlsock.Writer) {
		w.Uint64(unix.NFTA_COUNTER_BYTES, 0)
		w.Uint64(unix.NFTA_COUNTER_PACKETS, 0)
	}}
}

// DNAT sends the connection to the address and the port in the registers. It is of one family, NFPROTO_IPV4 or
// NFPROTO_IPV6, which the rule has to match before.
func DNAT(family uint8, address, port uint32) Expr {
	return Expr{"nat", func(w *nlsock.Writer) {
		w.Uint32(unix.NFTA_NAT_TYPE, unix.NFT_NAT_DNAT)
		w.Uint32(unix.NFTA_NAT_FAMILY, uint32(family))
		w.Uint32(unix.NFTA_NAT_REG_ADDR_MIN, address)
		w.Uint32(unix.NFTA_NAT_REG_PROTO_MIN, port)
	}}
}

// Masquerade gives the connection the address of the interface that it leaves by as its source.
func Masquerade() Expr { return Expr{"masq", func(*nlsock.Writer) {}} }

// compare goes on when what is in the register is the value, or with NFT_CMP_NEQ is not; as many bytes of the register
// as the value has.
func compare(register, op uint32, value []byte) Expr {
	return Expr{"cmp", func(w *nlsock.Writer) {
		w.Uint32(unix.NFTA_CMP_SREG, register)
		w.Uint32(unix.NFTA_CMP_OP, op)
		writeValue(w, unix.NFTA_CMP_DATA, value)
	}}
}

// mask clears the bits of the register that are not among bits.
func mask(register uint32, bits []byte) Expr {
	return Expr{"bitwise", func(w *nlsock.Writer) {
		w.Uint32(unix.NFTA_BITWISE_SREG, register)
		w.Uint32(unix.NFTA_BITWISE_DREG, register)
		w.Uint32(unix.NFTA_BITWISE_LEN, uint32(len(bits)))
		writeValue(w, unix.NFTA_BITWISE_MASK, bits)
		writeValue(w, unix.NFTA_BITWISE_XOR, make([]byte, len(bits)))
	}}
}

// lookup goes on when the key in the register is in the set; more says what else to do.
func lookup(set string, register uint32, more ...attribute) Expr {
	return Expr{"lookup", func(w *nlsock.Writer) {
		w.Text(unix.NFTA_LOOKUP_SET, set)
		w.Uint32(unix.NFTA_LOOKUP_SREG, register)
		writeNumbers(w, more)
	}}
}

// attribute is an attribute that is a number.
type attribute struct {
	kind  uint16
	value uint32
}

// writeNumbers writes attributes up to the first that is empty.
func writeNumbers(w *nlsock.Writer, list []attribute) {
	for _, a := range list {
		if a == (attribute{}) {
			return
		}
		w.Uint32(a.kind, a.value)
	}
}
