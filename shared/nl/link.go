// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package nl

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"net"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/nlsock"
)

// Link is what the kernel says of an interface, as far as this suite looks at it.
type Link struct {
	Index    int
	Name     string
	AltNames []string
	MAC      net.HardwareAddr
	MTU      int
	Flags    uint32
	Alias    string
	Kind     string // "bridge", "veth", ...; "" for hardware
	Master   int    // index of the bridge that it is a port of, 0 = none
	Peer     int    // index of a veth's other end
	PeerNS   int    // ID of the other end's namespace (NSID); -1 = the same as this one's
	// IPv4 and IPv6 are the link's settings under net/ipv4/conf and net/ipv6/conf, nil when it does not speak the
	// protocol; Setting4 and Setting6 read one.
	IPv4, IPv6 []byte

	Bridge BridgeData // of a bridge
	Port   PortData   // of a bridge's port

	elsewhere bool // not in the namespace that was asked
}

// BridgeData are attributes of a bridge.
type BridgeData struct {
	Filters      bool // VLAN filtering is on
	CanFilter    bool // the kernel has VLAN filtering
	DefaultPVID  uint16
	ForwardDelay time.Duration
}

// PortData are attributes of a port of a bridge.
type PortData struct {
	State             uint8 // Forwarding, or less
	Hairpin, Isolated bool
}

// Forwarding is the state of a port that takes part, BR_STATE_FORWARDING of linux/if_bridge.h.
const Forwarding = 3

// userHZ is the unit of times in a bridge's attributes, USER_HZ on all architectures that Go has but alpha.
const userHZ = time.Second / 100

// Up says whether the link is up.
func (l *Link) Up() bool { return l.Flags&unix.IFF_UP != 0 }

// Carrier says whether the link's other end, or its cable, is there and up.
func (l *Link) Carrier() bool { return l.Flags&unix.IFF_LOWER_UP != 0 }

// Promisc says whether the link was made promiscuous.
func (l *Link) Promisc() bool { return l.Flags&unix.IFF_PROMISC != 0 }

// OtherEnd says where the other end of a veth is.
func (l *Link) OtherEnd() Which {
	return Which{Index: l.Peer, NSID: l.PeerNS, Elsewhere: l.PeerNS >= 0}
}

// Setting4 is one of the link's IPv4 settings by its IPV4_DEVCONF_ number (linux/ip.h), which starts at 1; ok is false
// when the link has no IPv4, or the kernel no such setting.
func (l *Link) Setting4(devconf int) (value int32, ok bool) { return setting(l.IPv4, devconf-1) }

// Setting6 is one of the link's IPv6 settings by its DEVCONF_ number (linux/ipv6.h); ok is false when the link has no
// IPv6, or the kernel no such setting.
func (l *Link) Setting6(devconf int) (value int32, ok bool) { return setting(l.IPv6, devconf) }

// setting is the i-th number of a list.
func setting(list []byte, i int) (value int32, ok bool) {
	if at := 4 * i; at >= 0 && at+4 <= len(list) {
		return int32(binary.NativeEndian.Uint32(list[at:])), true
	}
	return 0, false
}

// Describe is the link for people who have to find out whose it is.
func (l *Link) Describe() string {
	text := fmt.Sprintf("%q (%s, MAC %s", l.Name, cmp.Or(l.Kind, "hardware"), l.MAC)
	if l.Alias != "" {
		text += fmt.Sprintf(", alias %q", l.Alias)
	}
	return text + ")"
}

// ParseLink reads a RTM_NEWLINK.
func ParseLink(m []byte) *Link {
	l := &Link{PeerNS: -1}
	if len(m) < unix.SizeofIfInfomsg {
		return l
	}
	l.Index = int(int32(binary.NativeEndian.Uint32(m[4:])))
	l.Flags = binary.NativeEndian.Uint32(m[8:])
	nlsock.EachAttr(m[unix.SizeofIfInfomsg:], l.parse)
	return l
}

func (l *Link) parse(kind uint16, v []byte) {
	switch kind {
	case unix.IFLA_IFNAME:
		l.Name = nlsock.CString(v)
	case unix.IFLA_IFALIAS:
		l.Alias = nlsock.CString(v)
	case unix.IFLA_ADDRESS:
		l.MAC = slices.Clone(v)
	case unix.IFLA_MTU:
		l.MTU = int(Number(v))
	case unix.IFLA_MASTER:
		l.Master = int(Number(v))
	case unix.IFLA_LINK:
		l.Peer = int(Number(v))
	case unix.IFLA_LINK_NETNSID:
		l.PeerNS = int(int32(Number(v)))
	case unix.IFLA_TARGET_NETNSID:
		l.elsewhere = true
	case unix.IFLA_PROP_LIST:
		nlsock.EachAttr(v, l.parseProperty)
	case unix.IFLA_LINKINFO:
		l.parseInfo(v)
	case unix.IFLA_AF_SPEC:
		nlsock.EachAttr(v, l.parseFamily)
	}
}

func (l *Link) parseProperty(kind uint16, v []byte) {
	if kind == unix.IFLA_ALT_IFNAME {
		l.AltNames = append(l.AltNames, nlsock.CString(v))
	}
}

func (l *Link) parseFamily(family uint16, v []byte) {
	nlsock.EachAttr(v, func(kind uint16, v []byte) {
		switch {
		case family == unix.AF_INET && kind == unix.IFLA_INET_CONF:
			l.IPv4 = slices.Clone(v)
		case family == unix.AF_INET6 && kind == unix.IFLA_INET6_CONF:
			l.IPv6 = slices.Clone(v)
		}
	})
}

// parseInfo reads what belongs to the kind of the link and to the kind of its master. The kernel writes the kind before
// the data (rtnl_link_fill in net/core/rtnetlink.c).
func (l *Link) parseInfo(v []byte) {
	slaveKind := ""
	nlsock.EachAttr(v, func(kind uint16, v []byte) {
		switch {
		case kind == unix.IFLA_INFO_KIND:
			l.Kind = nlsock.CString(v)
		case kind == unix.IFLA_INFO_SLAVE_KIND:
			slaveKind = nlsock.CString(v)
		case kind == unix.IFLA_INFO_DATA && l.Kind == "bridge":
			nlsock.EachAttr(v, l.Bridge.parse)
		case kind == unix.IFLA_INFO_SLAVE_DATA && slaveKind == "bridge":
			nlsock.EachAttr(v, l.Port.parse)
		}
	})
}

func (b *BridgeData) parse(kind uint16, v []byte) {
	switch kind {
	case unix.IFLA_BR_VLAN_FILTERING:
		b.Filters = Number(v) != 0
	case unix.IFLA_BR_VLAN_DEFAULT_PVID:
		// Not there when the kernel is built without VLAN filtering (br_fill_info in net/bridge/br_netlink.c).
		b.CanFilter = true
		b.DefaultPVID = uint16(Number(v))
	case unix.IFLA_BR_FORWARD_DELAY:
		b.ForwardDelay = time.Duration(Number(v)) * userHZ
	}
}

func (p *PortData) parse(kind uint16, v []byte) {
	switch kind {
	case unix.IFLA_BRPORT_STATE:
		p.State = uint8(Number(v))
	case unix.IFLA_BRPORT_MODE:
		p.Hairpin = Number(v) != 0
	case unix.IFLA_BRPORT_ISOLATED:
		p.Isolated = Number(v) != 0
	}
}
