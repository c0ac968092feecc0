// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package testnet

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Names for the settings of bridges and bridge ports, from linux/if_link.h (IFLA_BR_*, IFLA_BRPORT_*). Left out are
// timers, counters, and what only repeats a MAC.
var (
	bridgeSettings = map[uint16]string{
		1: "forward-delay", 2: "hello-time", 3: "max-age", 4: "ageing-time", 5: "stp", 6: "priority",
		7: "vlan-filtering", 8: "vlan-protocol", 9: "group-fwd-mask", 20: "group-addr", 22: "mcast-router",
		23: "mcast-snooping", 24: "mcast-query-use-ifaddr", 25: "mcast-querier", 27: "mcast-hash-max",
		36: "nf-call-iptables", 37: "nf-call-ip6tables", 38: "nf-call-arptables", 39: "vlan-default-pvid",
		41: "vlan-stats", 42: "mcast-stats", 43: "igmp-version", 44: "mld-version", 46: "options", 49: "fdb-max",
	}
	portSettings = map[uint16]string{
		2: "priority", 4: "hairpin", 5: "guard", 6: "root-block", 7: "fast-leave", 8: "learning", 9: "flood",
		10: "proxy-arp", 11: "learning-sync", 12: "proxy-arp-wifi", 25: "mcast-router", 27: "mcast-flood",
		28: "mcast-to-unicast", 29: "vlan-tunnel", 30: "bcast-flood", 31: "group-fwd-mask", 32: "neigh-suppress",
		33: "isolated", 39: "locked", 40: "mab", 42: "mcast-max-groups", 43: "neigh-vlan-suppress",
	}
	// The kernel sets these when the carrier of a port comes or goes.
	volatilePortSettings = map[uint16]string{1: "state", 3: "cost"}
	macvlanSettings      = map[uint16]string{1: "mode", 2: "macvlan-flags"}
	vlanSettings         = map[uint16]string{1: "id", 5: "protocol"}
)

// linkFlags are the names of IFF_* from bit 0 on; those that follow the carrier are left out.
var linkFlags = []string{
	"up", "broadcast", "debug", "loopback", "pointopoint", "", "", "noarp", "promisc", "allmulti", "", "",
	"multicast", "", "", "dynamic",
}

// volatileLinkFlags are the names of those left out.
var volatileLinkFlags = []string{
	"", "", "", "", "", "", "running", "", "", "", "", "", "", "", "", "", "lower-up", "dormant",
}

// Sizes of the structures in linux/rtnetlink.h and linux/if_bridge.h that start messages.
const (
	sizeofIfinfomsg = 16
	sizeofVlanInfo  = 4
)

// Attributes of a link that golang.org/x/sys does not name, or names by other words: linux/if_link.h.
const (
	iflaAllmulti   = 61
	iflaXDPState   = 2      // in IFLA_XDP: IFLA_XDP_ATTACHED
	filterNoStats  = 1 << 3 // RTEXT_FILTER_*
	filterVlans    = 1 << 1
	bridgeVlanInfo = 2 // in IFLA_AF_SPEC: IFLA_BRIDGE_VLAN_INFO
)

// collectLinks lists the interfaces.
func (c *collector) collectLinks() error {
	answers, err := c.route.dump(unix.NETLINK_ROUTE, unix.RTM_GETLINK, ifinfo(unix.AF_UNSPEC), extMask(filterNoStats))
	if err != nil {
		return err
	}
	c.links = map[uint32]string{}
	for _, body := range answers {
		if len(body) >= sizeofIfinfomsg {
			c.links[linkIndex(body)] = parseAttributes(body, sizeofIfinfomsg).str(unix.IFLA_IFNAME)
		}
	}
	for _, body := range answers {
		if len(body) >= sizeofIfinfomsg {
			c.addLink(body)
		}
	}
	return nil
}

func linkIndex(body []byte) uint32 { return binary.NativeEndian.Uint32(body[4:]) }

// ifinfo is a struct ifinfomsg that asks for a family.
func ifinfo(family byte) []byte {
	return append([]byte{family}, make([]byte, sizeofIfinfomsg-1)...)
}

// extMask is the attribute IFLA_EXT_MASK.
func extMask(mask uint32) []byte {
	attr := binary.NativeEndian.AppendUint16(nil, unix.SizeofNlAttr+4)
	attr = binary.NativeEndian.AppendUint16(attr, unix.IFLA_EXT_MASK)
	return binary.NativeEndian.AppendUint32(attr, mask)
}

// addLink adds the interface of one message.
func (c *collector) addLink(body []byte) {
	attrs := parseAttributes(body, sizeofIfinfomsg)
	info := attrs.nested(unix.IFLA_LINKINFO)
	kind := info.str(unix.IFLA_INFO_KIND)
	flags := binary.NativeEndian.Uint32(body[8:])
	list := fields(
		"kind", kind,
		"flags", words(flags, linkFlags),
		"mtu", attrs.decimal(unix.IFLA_MTU),
		"mac", mac(attrs.get(unix.IFLA_ADDRESS)),
		"master", c.device(uint32(attrs.number(unix.IFLA_MASTER))),
		"alias", attrs.str(unix.IFLA_IFALIAS),
		"beneath", c.beneath(attrs),
		"names", altNames(attrs),
		"txqlen", attrs.decimal(unix.IFLA_TXQLEN),
		"group", nonZero(attrs.number(unix.IFLA_GROUP)),
		"promiscuity", nonZero(attrs.number(unix.IFLA_PROMISCUITY)),
		"allmulti", nonZero(attrs.number(iflaAllmulti)),
		"protodown", nonZero(attrs.number(unix.IFLA_PROTO_DOWN)),
		"xdp", nonZero(attrs.nested(unix.IFLA_XDP).number(iflaXDPState)),
	)
	data, port := info.nested(unix.IFLA_INFO_DATA), info.nested(unix.IFLA_INFO_SLAVE_DATA)
	switch kind {
	case "bridge":
		list = append(list, data.named(bridgeSettings, "")...)
	case "macvlan", "macvtap":
		list = append(list, data.named(macvlanSettings, "")...)
	case "vlan":
		list = append(list, data.named(vlanSettings, "")...)
	}
	if info.str(unix.IFLA_INFO_SLAVE_KIND) == "bridge" {
		list = append(list, port.named(portSettings, "port-")...)
	}
	if c.scope.Volatile {
		list = append(list, fields("carrier-flags", words(flags, volatileLinkFlags),
			"operstate", attrs.decimal(unix.IFLA_OPERSTATE))...)
		list = append(list, port.named(volatilePortSettings, "port-")...)
	}
	name := attrs.str(unix.IFLA_IFNAME)
	c.add(Object{Section: Links, Key: name, Fields: list})
	if c.wants(Sysctls) {
		c.addLinkSysctls(name, attrs)
	}
}

// beneath names the interface that this one is on (a vlan, a macvlan) or joined to (a veth), when it is in the same
// namespace: the number of another namespace says nothing that lasts.
func (c *collector) beneath(attrs attributes) string {
	if attrs.get(unix.IFLA_LINK_NETNSID) != nil {
		return "in another namespace"
	}
	return c.device(uint32(attrs.number(unix.IFLA_LINK)))
}

// altNames are the interface's other names.
func altNames(attrs attributes) string {
	var names []string
	for _, attr := range attrs.nested(unix.IFLA_PROP_LIST) {
		if attr.kind == unix.IFLA_ALT_IFNAME {
			names = append(names, string(bytes.TrimRight(attr.data, "\x00")))
		}
	}
	return strings.Join(names, "|")
}

// nonZero is a number as text; "" for 0, the usual value.
func nonZero(value uint64) string {
	if value == 0 {
		return ""
	}
	return strconv.FormatUint(value, 10)
}

// collectVlans lists the VLANs of bridges and their ports.
func (c *collector) collectVlans() error {
	answers, err := c.route.dump(unix.NETLINK_ROUTE, unix.RTM_GETLINK, ifinfo(unix.AF_BRIDGE), extMask(filterVlans))
	if err != nil {
		return err
	}
	for _, body := range answers {
		if len(body) < sizeofIfinfomsg {
			continue
		}
		for _, attr := range parseAttributes(body, sizeofIfinfomsg).nested(unix.IFLA_AF_SPEC) {
			if attr.kind != bridgeVlanInfo || len(attr.data) < sizeofVlanInfo {
				continue
			}
			key := fmt.Sprintf("vlan %d of %s", binary.NativeEndian.Uint16(attr.data[2:]), c.device(linkIndex(body)))
			// BRIDGE_VLAN_INFO_*, from bit 0 on.
			flags := words(uint32(binary.NativeEndian.Uint16(attr.data)), []string{"master", "pvid", "untagged"})
			c.add(Object{Section: FDB, Key: key, Fields: fields("flags", flags)})
		}
	}
	return nil
}
