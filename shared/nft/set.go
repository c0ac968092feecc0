// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/nlsock"
)

// Type is what one field of a set's key or a map's value holds. Its number is how nft names it when it lists the set
// (enum datatypes in include/datatype.h of nftables).
type Type struct {
	name   string
	number uint32
	size   int
	format func([]byte) string
	parse  func(string) ([]byte, error)
}

// The field types.
var (
	IPv4Addr  = Type{"ipv4_addr", 7, 4, formatAddr, parseAddr}
	IPv6Addr  = Type{"ipv6_addr", 8, 16, formatAddr, parseAddr}
	EtherAddr = Type{"ether_addr", 9, 6, formatEther, parseEther}
	InetProto = Type{"inet_proto", 12, 1, formatProto, parseProto}
	// InetService is a port.
	InetService = Type{"inet_service", 13, 2, formatPort, parsePort}
	Mark        = Type{"mark", 19, 4, formatMark, parseMark}
	// IfName is the name of an interface.
	IfName = Type{"ifname", 41, unix.IFNAMSIZ, formatName, parseName}
)

// Registers is how many registers of 4 bytes a field takes.
func (t Type) Registers() int { return nlsock.Align(t.size) / 4 }

// native says whether nft takes the field for a number, or text, in the host's byte order.
func (t Type) native() bool { return t.number == IfName.number || t.number == Mark.number }

// verdictType is NFT_DATA_VERDICT of linux/netfilter/nf_tables.h: the value of a verdict map.
const verdictType = 0xffffff00

// Set is a set, or a map when it has Data, an object map when Objects, a verdict map when Verdicts. All are hash
// tables: adding, deleting and finding an element costs the same however many there are. Interval sets are left out on
// purpose, because the kernel copies an interval set of concatenated keys for every transaction that changes it
// (nft_pipapo_clone in net/netfilter/nft_set_pipapo.c).
type Set struct {
	Name string
	// Key is the list of concatenated fields; one field stands alone.
	Key []Type
	// Data is the list of the value's fields.
	Data []Type
	// Objects makes each element refer to a counter by name, which counts the references (Object.Use).
	Objects bool
	// Verdicts makes each element's value a verdict.
	Verdicts bool
}

// Element is one element of a set. The key and the value are made by Join.
type Element struct {
	Key, Data []byte
	// Object is the counter that an element of an object map refers to.
	Object string
	// Verdict is the chain that an element of a verdict map jumps to; a negative number such as NF_DROP has no chain.
	Verdict *Verdict
	// Comment carries the owner's tag.
	Comment string
}

// Verdict is the value of an element of a verdict map: Code is unix.NFT_JUMP or unix.NFT_GOTO, with Chain, or an NF_
// code.
type Verdict struct {
	Code  int32
	Chain string
}

// Join concatenates fields as the kernel's registers hold them: each padded to four bytes unless it stands alone.
func Join(fields ...[]byte) []byte {
	if len(fields) == 1 {
		return fields[0]
	}
	var key []byte
	for _, f := range fields {
		key = append(key, f...)
		for len(key)%4 != 0 {
			key = append(key, 0)
		}
	}
	return key
}

// Addr is a field of type IPv4Addr or IPv6Addr.
func Addr(a netip.Addr) []byte { return a.AsSlice() }

// Proto is a field of type InetProto, a number such as unix.IPPROTO_TCP.
func Proto(p uint8) []byte { return []byte{p} }

// Port is a field of type InetService.
func Port(p uint16) []byte { return binary.BigEndian.AppendUint16(nil, p) }

// Name is a field of type IfName; an interface name has at most 15 bytes.
func Name(name string) []byte {
	field := make([]byte, unix.IFNAMSIZ)
	copy(field[:unix.IFNAMSIZ-1], name)
	return field
}

// length is the size of the concatenated types in bytes.
func length(types []Type) int {
	if len(types) == 1 {
		return types[0].size
	}
	n := 0
	for _, t := range types {
		n += nlsock.Align(t.size)
	}
	return n
}

// number is how nft codes the concatenation: six bits a type (TYPE_BITS in include/datatype.h of nftables).
func number(types []Type) uint32 {
	var n uint32
	for _, t := range types {
		n = n<<6 | t.number
	}
	return n
}

// Text writes a key as nft lists it: "192.0.2.1 . tcp . 80".
func (s *Set) Text(key []byte) string { return text(s.Key, key) }

func text(types []Type, data []byte) string {
	var fields []string
	for _, t := range types {
		if len(data) < t.size {
			return fmt.Sprintf("%x", data)
		}
		fields = append(fields, t.format(data[:t.size]))
		data = data[min(nlsock.Align(t.size), len(data)):]
	}
	return strings.Join(fields, " . ")
}

// ParseKey reads what Text writes.
func (s *Set) ParseKey(text string) ([]byte, error) {
	parts := strings.Split(text, " . ")
	if len(parts) != len(s.Key) {
		return nil, fmt.Errorf("read key %q of set %s: want %d fields", text, s.Name, len(s.Key))
	}
	fields := make([][]byte, len(parts))
	for i, part := range parts {
		field, err := s.Key[i].parse(part)
		if err == nil && len(field) != s.Key[i].size {
			err = errors.New("wrong size")
		}
		if err != nil {
			return nil, fmt.Errorf("read key %q of set %s: %s: %w", text, s.Name, s.Key[i].name, err)
		}
		fields[i] = field
	}
	return Join(fields...), nil
}

func formatAddr(b []byte) string {
	a, _ := netip.AddrFromSlice(b)
	return a.String()
}

func parseAddr(s string) ([]byte, error) {
	a, err := netip.ParseAddr(s)
	return a.AsSlice(), err
}

func formatEther(b []byte) string { return net.HardwareAddr(b).String() }

func parseEther(s string) ([]byte, error) { return net.ParseMAC(s) }

// protoNames are the protocols that nft and people call by name.
var protoNames = []struct {
	number uint8
	name   string
}{{unix.IPPROTO_TCP, "tcp"}, {unix.IPPROTO_UDP, "udp"}, {unix.IPPROTO_SCTP, "sctp"}}

func formatProto(b []byte) string {
	for _, p := range protoNames {
		if p.number == b[0] {
			return p.name
		}
	}
	return strconv.Itoa(int(b[0]))
}

func parseProto(s string) ([]byte, error) {
	for _, p := range protoNames {
		if p.name == s {
			return []byte{p.number}, nil
		}
	}
	n, err := strconv.ParseUint(s, 10, 8)
	return []byte{uint8(n)}, err
}

func formatPort(b []byte) string { return strconv.Itoa(int(binary.BigEndian.Uint16(b))) }

func parsePort(s string) ([]byte, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	return Port(uint16(n)), err
}

func formatMark(b []byte) string { return fmt.Sprintf("%#08x", binary.NativeEndian.Uint32(b)) }

func parseMark(s string) ([]byte, error) {
	n, err := strconv.ParseUint(s, 0, 32)
	return binary.NativeEndian.AppendUint32(nil, uint32(n)), err
}

func formatName(b []byte) string { return nlsock.CString(b) }

func parseName(s string) ([]byte, error) {
	if len(s) >= unix.IFNAMSIZ {
		return nil, errors.New("too long")
	}
	return Name(s), nil
}
