// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package testnet

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Sizes of struct rtmsg, struct rtnexthop and struct fib_rule_hdr: linux/rtnetlink.h, linux/fib_rules.h.
const (
	sizeofRtmsg     = 12
	sizeofRtnexthop = 8
	sizeofRuleHdr   = 12
	rtaNextHopID    = 30 // RTA_NH_ID, which golang.org/x/sys lacks
)

var (
	// routeTypes are the names of RTN_*, from 0 on.
	routeTypes = []string{
		"unspec", "unicast", "local", "broadcast", "anycast", "multicast", "blackhole", "unreachable", "prohibit",
		"throw", "nat", "xresolve",
	}
	// nexthopFlags are the names of RTNH_F_* from bit 0 on; dead and linkdown follow the carrier.
	nexthopFlags = []string{"", "pervasive", "onlink", "offload"}
	// routeMetrics are the names of RTAX_*.
	routeMetrics = map[uint16]string{
		1: "lock", 2: "mtu", 3: "window", 4: "rtt", 5: "rttvar", 6: "ssthresh", 7: "cwnd", 8: "advmss",
		9: "reordering", 10: "hoplimit", 11: "initcwnd", 12: "features", 13: "rto_min", 14: "initrwnd",
		15: "quickack", 16: "congctl", 17: "fastopen_no_cookie",
	}
	// ruleNumbers are the names of FRA_* that are numbers.
	ruleNumbers = map[uint16]string{
		4: "goto", 10: "fwmark", 11: "realm", 12: "tun-id", 13: "suppress-ifgroup", 14: "suppress-prefixlength",
		16: "fwmask", 19: "l3mdev", 20: "uidrange", 22: "ipproto", 23: "sport", 24: "dport",
	}
)

// collectRoutes lists the routes of all tables, without the clones that IPv6 keeps for destinations.
func (c *collector) collectRoutes() error {
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		request := append([]byte{family}, make([]byte, sizeofRtmsg-1)...)
		answers, err := c.route.dump(unix.NETLINK_ROUTE, unix.RTM_GETROUTE, request)
		if err != nil {
			return err
		}
		for _, body := range answers {
			if len(body) < sizeofRtmsg || binary.NativeEndian.Uint32(body[8:])&unix.RTM_F_CLONED != 0 {
				continue
			}
			attrs := parseAttributes(body, sizeofRtmsg)
			if isKernelIPv6(body, attrs) && !c.scope.Volatile {
				continue
			}
			c.add(Object{Section: Routes, Key: c.routeText(body, attrs)})
		}
	}
	return nil
}

// isKernelIPv6 reports whether the route is one that the kernel adds some time after an address or the carrier came and
// takes away with them: to the address itself and the router anycast one, to multicast and to link-local addresses.
func isKernelIPv6(body []byte, attrs attributes) bool {
	if body[0] != unix.AF_INET6 || body[5] != unix.RTPROT_KERNEL {
		return false
	}
	switch body[7] {
	case unix.RTN_LOCAL, unix.RTN_ANYCAST, unix.RTN_MULTICAST:
		return true
	}
	destination, _ := netip.AddrFromSlice(attrs.get(unix.RTA_DST))
	return destination.IsLinkLocalUnicast() || destination.IsMulticast()
}

// routeText is the route much as ip-route(8) shows it. All of it is the route's identity.
func (c *collector) routeText(body []byte, attrs attributes) string {
	kind := fmt.Sprint(body[7])
	if int(body[7]) < len(routeTypes) {
		kind = routeTypes[body[7]]
	}
	table := uint64(body[4])
	if attrs.get(unix.RTA_TABLE) != nil {
		table = attrs.number(unix.RTA_TABLE)
	}
	text := []string{
		family(body[0]), kind, prefix(attrs.get(unix.RTA_DST), body[1]),
		optional("from", sourcePrefix(attrs.get(unix.RTA_SRC), body[2])),
		c.nexthopText(attrs, uint32(attrs.number(unix.RTA_OIF)), binary.NativeEndian.Uint32(body[8:])),
		optional("iif", c.device(uint32(attrs.number(unix.RTA_IIF)))),
		optional("table", tableName(table)),
		optional("proto", protocolName(body[5])),
		optional("scope", notGlobal(body[6])),
		optional("tos", nonZero(uint64(body[3]))),
		optional("src", ip(attrs.get(unix.RTA_PREFSRC))),
		optional("metric", nonZero(attrs.number(unix.RTA_PRIORITY))),
		optional("pref", nonZero(attrs.number(unix.RTA_PREF))),
		optional("nhid", nonZero(attrs.number(rtaNextHopID))),
	}
	for _, metric := range attrs.nested(unix.RTA_METRICS).named(routeMetrics, "") {
		text = append(text, metric.Name+" "+metric.Value)
	}
	for hops := attrs.get(unix.RTA_MULTIPATH); len(hops) >= sizeofRtnexthop; {
		length := int(binary.NativeEndian.Uint16(hops))
		if length < sizeofRtnexthop || length > len(hops) {
			break
		}
		hop := parseAttributes(hops[:length], sizeofRtnexthop)
		device := binary.NativeEndian.Uint32(hops[4:])
		text = append(text, "nexthop", c.nexthopText(hop, device, uint32(hops[2])), fmt.Sprintf("weight %d", hops[3]+1))
		hops = hops[min((length+3)&^3, len(hops)):]
	}
	return joinWords(text)
}

// nexthopText says where a route, or one of its hops, leads.
func (c *collector) nexthopText(attrs attributes, device, flags uint32) string {
	via := ip(attrs.get(unix.RTA_GATEWAY))
	if other := attrs.get(unix.RTA_VIA); len(other) > 2 { // struct rtvia: a gateway of the other family
		via = ip(other[2:])
	}
	return joinWords([]string{
		optional("via", via), optional("dev", c.device(device)), words(flags, nexthopFlags),
		optional("encap", hex.EncodeToString(attrs.get(unix.RTA_ENCAP))),
	})
}

// notGlobal is the name of a scope; "" for the usual one.
func notGlobal(scope byte) string {
	if scope == unix.RT_SCOPE_UNIVERSE {
		return ""
	}
	return scopeName(scope)
}

// protocolName says who has made a route or a rule, as far as linux/rtnetlink.h has names for it.
func protocolName(protocol byte) string {
	names := []string{"unspec", "redirect", "kernel", "boot", "static"}
	if int(protocol) < len(names) {
		return names[protocol]
	}
	return strconv.Itoa(int(protocol))
}

// noLimit is what a rule has that suppresses no routes and looks at all of a mark: -1 of 32 bits.
const noLimit = "4294967295"

// collectRules lists the routing rules.
func (c *collector) collectRules() error {
	for _, which := range []byte{unix.AF_INET, unix.AF_INET6} {
		request := append([]byte{which}, make([]byte, sizeofRuleHdr-1)...)
		answers, err := c.route.dump(unix.NETLINK_ROUTE, unix.RTM_GETRULE, request)
		if err != nil {
			return err
		}
		for _, body := range answers {
			if len(body) < sizeofRuleHdr {
				continue
			}
			c.add(Object{Section: Rules, Key: ruleText(body, parseAttributes(body, sizeofRuleHdr))})
		}
	}
	return nil
}

// ruleText is the rule much as ip-rule(8) shows it.
func ruleText(body []byte, attrs attributes) string {
	table := uint64(body[4])
	if attrs.get(unix.FRA_TABLE) != nil {
		table = attrs.number(unix.FRA_TABLE)
	}
	flags := binary.NativeEndian.Uint32(body[8:])
	text := []string{
		family(body[0]), strconv.FormatUint(attrs.number(unix.FRA_PRIORITY), 10) + ":",
		optional("from", prefix(attrs.get(unix.FRA_SRC), body[2])),
		optional("to", sourcePrefix(attrs.get(unix.FRA_DST), body[1])),
		optional("tos", nonZero(uint64(body[3]))),
		optional("iif", attrs.str(unix.FRA_IIFNAME)),
		optional("oif", attrs.str(unix.FRA_OIFNAME)),
		optional("action", fmt.Sprint(body[7])),
		optional("table", tableName(table)),
		optional("proto", protocolName(byte(attrs.number(unix.FRA_PROTOCOL)))),
	}
	if flags&unix.FIB_RULE_INVERT != 0 {
		text = append(text, "not")
	}
	for _, number := range attrs.named(ruleNumbers, "") {
		if number.Value == noLimit {
			continue
		}
		text = append(text, number.Name+" "+number.Value)
	}
	return joinWords(text)
}

// tableName is the name of a routing table, from linux/rtnetlink.h, or its number.
func tableName(table uint64) string {
	switch table {
	case unix.RT_TABLE_MAIN:
		return "main"
	case unix.RT_TABLE_LOCAL:
		return "local"
	case unix.RT_TABLE_DEFAULT:
		return "default"
	}
	return strconv.FormatUint(table, 10)
}

func family(af byte) string {
	if af == unix.AF_INET6 {
		return "ipv6"
	}
	return "ipv4"
}

// prefix is a destination as text, "default" when it is everything.
func prefix(address []byte, bits byte) string {
	if text := sourcePrefix(address, bits); text != "" {
		return text
	}
	return "default"
}

// sourcePrefix is a prefix as text, "" when it is everything.
func sourcePrefix(address []byte, bits byte) string {
	if len(address) == 0 {
		return ""
	}
	return fmt.Sprintf("%s/%d", ip(address), bits)
}

// optional is a word and its value; "" without a value.
func optional(word, value string) string {
	if value == "" {
		return ""
	}
	return word + " " + value
}

// joinWords joins what is not empty.
func joinWords(text []string) string {
	return strings.Join(strings.Fields(strings.Join(text, " ")), " ")
}
