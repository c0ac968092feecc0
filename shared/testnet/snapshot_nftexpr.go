// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package testnet

import (
	"encoding/hex"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// Names of the attributes of nftables expressions, from 1 on, as linux/netfilter/nf_tables.h counts them. A name that
// ends in "$" is of a text, one in "=" of data; the others are numbers. Attributes left out ("") change by themselves,
// and repeat what others say.
var expressions = map[string][]string{
	"immediate": {"dreg", "data="},
	"bitwise":   {"sreg", "dreg", "len", "mask=", "xor=", "op", "data="},
	"byteorder": {"sreg", "dreg", "op", "len", "size"},
	"cmp":       {"sreg", "op", "data="},
	"range":     {"sreg", "op", "from=", "to="},
	"lookup":    {"set$", "sreg", "dreg", "", "flags"},
	"dynset":    {"set$", "", "op", "key", "data", "timeout", "", "", "flags"},
	"payload":   {"dreg", "base", "offset", "len", "sreg", "csum", "csum-offset", "csum-flags"},
	"exthdr":    {"dreg", "type", "offset", "len", "flags", "op", "sreg"},
	"meta":      {"dreg", "key", "sreg"},
	"rt":        {"dreg", "key"},
	"socket":    {"key", "dreg", "level"},
	"ct":        {"dreg", "key", "direction", "sreg"},
	"limit":     {"rate", "unit", "burst", "type", "flags"},
	"connlimit": {"count", "flags"},
	"counter":   {"", ""},
	"last":      {"", ""},
	"quota":     {"bytes", "flags", "", ""},
	"log":       {"group", "prefix$", "snaplen", "threshold", "level", "flags"},
	"queue":     {"num", "total", "flags", "sreg"},
	"reject":    {"type", "code"},
	"nat":       {"type", "family", "addr-min", "addr-max", "port-min", "port-max", "flags"},
	"masq":      {"flags", "port-min", "port-max"},
	"redir":     {"port-min", "port-max", "flags"},
	"tproxy":    {"family", "addr", "port"},
	"fib":       {"dreg", "result", "flags"},
	"objref":    {"type", "name$", "sreg", "set$"},
	"fwd":       {"device", "addr", "family"},
	"dup":       {"addr", "device"},
	"hash":      {"sreg", "dreg", "len", "modulus", "seed", "offset", "type"},
	"numgen":    {"dreg", "modulus", "type", "offset"},
	"match":     {"name$", "revision", "info#"},
	"target":    {"name$", "revision", "info#"},
	"notrack":   {},
}

// Keys of meta and ct expressions, from 0 on: enum nft_meta_keys, enum nft_ct_keys.
var expressionKeys = map[string][]string{
	"meta": {
		"len", "protocol", "priority", "mark", "iif", "oif", "iifname", "oifname", "iiftype", "oiftype", "skuid",
		"skgid", "nftrace", "rtclassid", "secmark", "nfproto", "l4proto", "ibrname", "obrname", "pkttype", "cpu",
		"iifgroup", "oifgroup", "cgroup", "random", "ipsec", "iifkind", "oifkind", "ibrpvid", "ibrvproto",
	},
	"ct": {
		"state", "direction", "status", "mark", "secmark", "expiration", "helper", "l3proto", "src", "dst", "protocol",
		"proto-src", "proto-dst", "label", "packets", "bytes", "avgpkt", "zone", "event", "ip-src", "ip6-src", "ip-dst",
		"ip6-dst", "id",
	},
}

// expression is one expression of a rule of the table, such as "cmp(sreg=1 op=0 data=0x0a0a0001)".
func (r *ruleset) expression(table string, data []byte) string {
	attrs := parseAttributes(data, 0)
	name := attrs.str(unix.NFTA_EXPR_NAME)
	names, known := expressions[name]
	var text []string
	for _, attr := range attrs.nested(unix.NFTA_EXPR_DATA) {
		label := fmt.Sprintf("%d#", attr.kind)
		if known && int(attr.kind) <= len(names) && attr.kind > 0 {
			label = names[attr.kind-1]
		}
		if value := r.value(table, name, label, attr.data); value != "" {
			text = append(text, strings.TrimRight(label, "$=#")+"="+value)
		}
	}
	if len(text) == 0 {
		return name
	}
	return name + "(" + strings.Join(text, " ") + ")"
}

// value is the value of one attribute of an expression, shown as its label wants it; "" to leave it out.
func (r *ruleset) value(table, expression, label string, data []byte) string {
	switch {
	case label == "":
		return ""
	case strings.HasSuffix(label, "="):
		return r.data(parseAttributes(data, 0), 0)
	case strings.HasSuffix(label, "$"):
		text := strings.TrimRight(string(data), "\x00")
		if elements, ok := r.anonymous[table+" "+text]; ok && label == "set$" {
			return "{" + strings.Join(elements, "; ") + "}"
		}
		return text
	case strings.HasSuffix(label, "#"):
		return printable(data)
	case label == "key":
		number := bigNumber(data)
		if keys := expressionKeys[expression]; number < uint64(len(keys)) {
			return keys[number]
		}
	}
	return fmt.Sprint(bigNumber(data))
}

// printable is text if the data is text filled up with zeroes, as the comment of an iptables rule is, and else hex.
func printable(data []byte) string {
	text := strings.TrimRight(string(data), "\x00")
	isPrint := func(c rune) bool { return c >= ' ' && c <= '~' }
	if len(text) > 3 && strings.TrimFunc(text, isPrint) == "" {
		return fmt.Sprintf("%q", text)
	}
	return hex.EncodeToString(data)
}

// verdicts are the names of NF_* and NFT_* verdicts: linux/netfilter.h, linux/netfilter/nf_tables.h.
var verdicts = map[int32]string{
	0: "drop", 1: "accept", 2: "stolen", 3: "queue", 4: "repeat", 5: "stop",
	-1: "continue", -2: "break", -3: "jump", -4: "goto", -5: "return",
}

// data is NFTA_DATA_*: a verdict, or a value of the given type.
func (r *ruleset) data(attrs attributes, dataType uint32) string {
	if verdict := attrs.nested(unix.NFTA_DATA_VERDICT); verdict != nil {
		code := int32(bigNumber(verdict.get(unix.NFTA_VERDICT_CODE)))
		return joinWords([]string{verdicts[code], verdict.str(unix.NFTA_VERDICT_CHAIN)})
	}
	value := attrs.get(unix.NFTA_DATA_VALUE)
	if value == nil {
		return ""
	}
	return r.typed(value, dataType)
}

// dataTypes are the widths in bytes of the data types of nft(8) that are shown as more than hex: enum datatypes in
// nftables' include/datatype.h. The kernel only keeps the number for the tool.
var dataTypes = map[uint32]int{
	typeIPv4: 4, typeIPv6: 16, typeEther: 6, typeProto: 1, typePort: 2, typeMark: 4, typeIfindex: 4, typeIfname: 16,
}

// Numbers of data types; a concatenation has one in each 6 bits.
const (
	typeIPv4     = 7
	typeIPv6     = 8
	typeEther    = 9
	typeProto    = 12
	typePort     = 13
	typeMark     = 19
	typeIfindex  = 20
	typeIfname   = 41
	typeBits     = 6
	typeVerdict  = 0xffffff00 // NFT_DATA_VERDICT
	registerSize = 4
)

// typed shows a value of a type, or of a concatenation of types, each of which fills whole registers.
func (r *ruleset) typed(value []byte, dataType uint32) string {
	var types []uint32
	if dataType != typeVerdict {
		for ; dataType != 0; dataType >>= typeBits {
			types = append([]uint32{dataType & (1<<typeBits - 1)}, types...)
		}
	}
	var parts []string
	for _, one := range types {
		width := dataTypes[one]
		if width == 0 || width > len(value) {
			break
		}
		parts = append(parts, r.one(value[:width], one))
		value = value[min((width+registerSize-1)&^(registerSize-1), len(value)):]
	}
	if len(value) > 0 {
		parts = append(parts, "0x"+hex.EncodeToString(value))
	}
	return strings.Join(parts, " . ")
}

func (r *ruleset) one(value []byte, dataType uint32) string {
	number, _ := nativeNumber(value)
	switch dataType {
	case typeIPv4, typeIPv6:
		return ip(value)
	case typeEther:
		return mac(value)
	case typeIfname:
		return strings.TrimRight(string(value), "\x00")
	case typeIfindex:
		return r.c.device(uint32(number))
	case typeMark:
		return fmt.Sprintf("%#x", number)
	}
	return fmt.Sprint(bigNumber(value))
}

// comment takes the comment out of an object's user data: entries of a type, a length and a text (libnftnl/udata.h).
// What else is there is for nft(8) to print by.
func comment(userdata []byte, kind byte) string {
	for len(userdata) >= 2 {
		length := int(userdata[1])
		if len(userdata) < 2+length {
			break
		}
		if userdata[0] == kind {
			return strings.TrimRight(string(userdata[2:2+length]), "\x00")
		}
		userdata = userdata[2+length:]
	}
	return ""
}
