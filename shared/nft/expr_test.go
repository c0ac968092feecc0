// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/nlsock"
)

// at0 is where Load starts, at1 is behind a field of 4 bytes, at4 behind one of 16.
const at0, at1, at4 = 8, 9, 12

// TestExpressions compares all that plugins write with what github.com/google/nftables writes.
func TestExpressions(t *testing.T) {
	set := &Set{Name: "ports-any4"}
	name, start := Name("cni0"), []byte("cni")
	ip4, mask4 := []byte{10, 88, 0, 0}, []byte{255, 255, 0, 0}
	ip6, mask6 := make([]byte, 16), slices.Repeat([]byte{255}, 16)
	mark := Native(0x2000)
	find, register := Map(set, L4Proto, DestPort)
	findOne, registerOne := Map(set, Destination6, L4Proto, DestPort)
	tests := []struct {
		name string
		got  []Expr
		want []expr.Any
	}{
		{"family", Is(Family, []byte{unix.NFPROTO_IPV6}), []expr.Any{known(expr.MetaKeyNFPROTO, at0),
			is(unix.NFPROTO_IPV6)}},
		{"input", IsNot(InputName, name), []expr.Any{known(expr.MetaKeyIIFNAME, at0), isNot(name...)}},
		{"start of output", Is(OutputName, start), []expr.Any{known(expr.MetaKeyOIFNAME, at0), is(start...)}},
		{"source, IPv4", Is(Source4, ip4), []expr.Any{network(at0, 12, 4), is(ip4...)}},
		{"source, IPv6", IsNot(Source6, ip6), []expr.Any{network(at0, 8, 16), isNot(ip6...)}},
		{"destination type", Is(DestinationType, Native(unix.RTN_LOCAL)), []expr.Any{
			&expr.Fib{Register: at0, FlagDADDR: true, ResultADDRTYPE: true}, is(Native(unix.RTN_LOCAL)...)}},
		{"conntrack state", Is(ConntrackState, mark), []expr.Any{
			&expr.Ct{Key: expr.CtKeySTATE, Register: at0}, is(mark...)}},
		{"conntrack status", Masked(ConntrackStatus, mark, mark, false), []expr.Any{
			&expr.Ct{Key: expr.CtKeySTATUS, Register: at0}, bits(mark), is(mark...)}},
		{"mark", Masked(PacketMark, mark, mark, true), []expr.Any{known(expr.MetaKeyMARK, at0), bits(mark), isNot(mark...)}},
		{"prefix, IPv4", Masked(Destination4, mask4, ip4, true), []expr.Any{network(at0, 16, 4), bits(mask4), isNot(ip4...)}},
		{"prefix, IPv6", Masked(Destination6, mask6, ip6, false), []expr.Any{network(at0, 24, 16), bits(mask6), is(ip6...)}},
		{"set", In(set, Source4, Destination4), []expr.Any{network(at0, 12, 4), network(at1, 16, 4),
			&expr.Lookup{SourceRegister: at0, SetName: set.Name}}},
		{"not in set", NotIn(set, InputName, EtherSource), []expr.Any{known(expr.MetaKeyIIFNAME, at0),
			&expr.Payload{DestRegister: at4, Base: expr.PayloadBaseLLHeader, Offset: 6, Len: 6},
			&expr.Lookup{SourceRegister: at0, SetName: set.Name, Invert: true}}},
		{"source port", In(set, SourcePort), []expr.Any{transport(at0, 0),
			&expr.Lookup{SourceRegister: at0, SetName: set.Name}}},
		{"to the map's value", append(find, DNAT(unix.NFPROTO_IPV4, register, register+1)), []expr.Any{
			known(expr.MetaKeyL4PROTO, at0), transport(at1, 2),
			&expr.Lookup{SourceRegister: at0, SetName: set.Name, DestRegister: at0, IsDestRegSet: true},
			&expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: at0, RegProtoMin: at1}}},
		{"to the map's value, IPv6", append(findOne, DNAT(unix.NFPROTO_IPV6, registerOne, registerOne+4)), []expr.Any{
			network(at0, 24, 16), known(expr.MetaKeyL4PROTO, at4), transport(at4+1, 2),
			&expr.Lookup{SourceRegister: at0, SetName: set.Name, DestRegister: at0, IsDestRegSet: true},
			&expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV6, RegAddrMin: at0, RegProtoMin: at4}}},
		{"masquerade", []Expr{Masquerade()}, []expr.Any{&expr.Masq{}}},
		{"counter", []Expr{Counter()}, []expr.Any{&expr.Counter{}}},
		{"jump", []Expr{Jump("ports-dnat")}, []expr.Any{&expr.Verdict{Kind: expr.VerdictJump, Chain: "ports-dnat"}}},
		{"drop", []Expr{Drop()}, []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}}},
		{"accept", []Expr{Accept()}, []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(theirs(t, tt.want), ours(tt.got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func known(key expr.MetaKey, register uint32) expr.Any {
	return &expr.Meta{Key: key, Register: register}
}

func network(register, offset, size uint32) expr.Any {
	return &expr.Payload{DestRegister: register, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: size}
}

func transport(register, offset uint32) expr.Any {
	return &expr.Payload{DestRegister: register, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: 2}
}

func is(value ...byte) expr.Any { return &expr.Cmp{Op: expr.CmpOpEq, Register: at0, Data: value} }

func isNot(value ...byte) expr.Any { return &expr.Cmp{Op: expr.CmpOpNeq, Register: at0, Data: value} }

func bits(mask []byte) expr.Any {
	return &expr.Bitwise{SourceRegister: at0, DestRegister: at0, Len: uint32(len(mask)), Mask: mask,
		Xor: make([]byte, len(mask))}
}

func ours(exprs []Expr) [][]string {
	var all [][]string
	for _, e := range exprs {
		var w nlsock.Writer
		e.write(&w)
		all = append(all, flatten("", w.Buf))
	}
	return all
}

// theirs is what the library writes. It numbers the set in each lookup, always with 0, which the kernel looks at when
// there is no set of that name.
func theirs(t *testing.T, exprs []expr.Any) [][]string {
	t.Helper()
	var all [][]string
	for _, e := range exprs {
		data, err := expr.Marshal(unix.NFPROTO_INET, e)
		if err != nil {
			t.Fatal(err)
		}
		var w nlsock.Writer
		w.Bytes(unix.NFTA_LIST_ELEM|unix.NLA_F_NESTED, data)
		list := flatten("", w.Buf)
		if _, ok := e.(*expr.Lookup); ok {
			id := fmt.Sprintf("/%d/%d/%d 00000000", unix.NFTA_LIST_ELEM, unix.NFTA_EXPR_DATA, unix.NFTA_LOOKUP_SET_ID)
			list = slices.DeleteFunc(list, func(s string) bool { return s == id })
		}
		all = append(all, list)
	}
	return all
}

// flatten lists the attributes with the types that they are nested in, sorted: the kernel does not mind their order.
func flatten(path string, data []byte) []string {
	if len(data) == 0 {
		return []string{path + " empty"}
	}
	var all []string
	for len(data) > 0 {
		size, kind := int(binary.NativeEndian.Uint16(data)), binary.NativeEndian.Uint16(data[2:])
		at, value := fmt.Sprintf("%s/%d", path, kind&^unix.NLA_F_NESTED), data[unix.NLA_HDRLEN:size]
		if kind&unix.NLA_F_NESTED != 0 {
			all = append(all, flatten(at, value)...)
		} else {
			all = append(all, fmt.Sprintf("%s %x", at, value))
		}
		data = data[min(nlsock.Align(size), len(data)):]
	}
	slices.Sort(all)
	return all
}
