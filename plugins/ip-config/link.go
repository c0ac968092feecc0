// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/nl"
	"github.com/cni-chain/cni-chain/shared/nlsock"
)

const (
	// skipStats is RTEXT_FILTER_SKIP_STATS of linux/rtnetlink.h: counters are most of what the kernel tells of a link.
	skipStats = 1 << 3
	// arpNotify is the number of arp_notify among the link's settings under net/ipv4/conf (IPV4_DEVCONF_ARP_NOTIFY of
	// linux/ip.h).
	arpNotify = 22
	// minIPv6MTU is IPV6_MIN_MTU of linux/ipv6.h: the kernel takes IPv6 off a link with a smaller one.
	minIPv6MTU = 1280
)

// setting is the number of one of the link's settings under net/ipv6/conf, DEVCONF_ of linux/ipv6.h.
type setting int

const (
	disableIPv6    setting = 26
	acceptDAD      setting = 27
	ndiscNotify    setting = 29
	keepAddrOnDown setting = 42
	enhancedDAD    setting = 46
)

// link is what the kernel says of an interface, as far as this plugin looks at it.
type link struct {
	index, mtu int
	name, kind string
	mac        net.HardwareAddr
	flags      uint32
	master     int
	ipv4, ipv6 []byte // the settings as a list of numbers, those of IPv4 from 1; nil when the link does not speak it
}

func (l *link) up() bool { return l.flags&unix.IFF_UP != 0 }

// carrier says whether the link's other end is there and up.
func (l *link) carrier() bool { return l.flags&unix.IFF_LOWER_UP != 0 }

// speaksARP says whether neighbours are asked for on the link, so that they can be told.
func (l *link) speaksARP() bool {
	return l.flags&(unix.IFF_NOARP|unix.IFF_LOOPBACK) == 0 && len(l.mac) == 6
}

// notifiesARP says whether the kernel announces the link's IPv4 addresses when its MAC is set.
func (l *link) notifiesARP() bool {
	at := (arpNotify - 1) * 4
	return len(l.ipv4) >= at+4 && nl.Number(l.ipv4[at:]) != 0
}

// get6 is one of the link's IPv6 settings; ok is false when the kernel does not have it.
func (l *link) get6(s setting) (value int32, ok bool) {
	if at := int(s) * 4; at+4 <= len(l.ipv6) {
		return int32(binary.NativeEndian.Uint32(l.ipv6[at:])), true
	}
	return 0, false
}

// linkByName finds an interface; missing tells that there is none.
func (c *conn) linkByName(name string) (*link, error) {
	var found *link
	err := c.Get(nl.Message{Kind: unix.RTM_GETLINK, Head: nl.IfInfo(0, 0, 0), Attrs: func(w *nlsock.Writer) {
		w.Text(unix.IFLA_IFNAME, name)
		nl.Native(w, unix.IFLA_EXT_MASK, skipStats)
	}}, func(body []byte) { found, _ = parseLink(body) })
	if err == nil && found == nil {
		err = errors.New("the kernel gave no answer")
	}
	if err != nil {
		return nil, fmt.Errorf("find interface %q: %w", name, err)
	}
	return found, nil
}

func missing(err error) bool { return errors.Is(err, unix.ENODEV) }

// ports lists the names of a bridge's ports, or with 0 of all bridges'. It costs what the host has of interfaces, and
// only an undo asks.
func (c *conn) ports(bridge int) ([]string, error) {
	all := nl.Message{Kind: unix.RTM_GETLINK, Head: nl.IfInfo(0, 0, 0), Attrs: func(w *nlsock.Writer) {
		if bridge != 0 {
			nl.Native(w, unix.IFLA_MASTER, uint32(bridge))
		}
		nl.Native(w, unix.IFLA_EXT_MASK, skipStats)
	}}
	names, err := nl.List(c.Conn, all, func(body []byte) []string {
		if l, ok := parseLink(body); ok && l.master != 0 && (bridge == 0 || l.master == bridge) {
			return []string{l.name}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the ports of bridges: %w", err)
	}
	return names, nil
}

// setUp brings a link up or down.
func (c *conn) setUp(index int, up bool) error {
	var flags uint32
	if up {
		flags = unix.IFF_UP
	}
	return c.Do(nl.Message{Kind: unix.RTM_NEWLINK, Head: nl.IfInfo(index, flags, unix.IFF_UP)})
}

// setARPNotify writes arp_notify, which rtnetlink can as it can all settings of IPv4 and none of IPv6.
func (c *conn) setARPNotify(index int, value uint32) error {
	return c.Do(nl.Message{Kind: unix.RTM_NEWLINK, Head: nl.IfInfo(index, 0, 0), Attrs: func(w *nlsock.Writer) {
		spec := w.Nest(unix.IFLA_AF_SPEC)
		family := w.Nest(unix.AF_INET)
		conf := w.Nest(unix.IFLA_INET_CONF)
		nl.Native(w, arpNotify, value)
		w.CloseNest(conf)
		w.CloseNest(family)
		w.CloseNest(spec)
	}})
}

// setMAC gives a link its MAC, which may be the one that it has.
func (c *conn) setMAC(index int, mac net.HardwareAddr) error {
	return c.Do(nl.Message{Kind: unix.RTM_NEWLINK, Head: nl.IfInfo(index, 0, 0), Attrs: func(w *nlsock.Writer) {
		w.Bytes(unix.IFLA_ADDRESS, mac)
	}})
}

func parseLink(body []byte) (*link, bool) {
	if len(body) < unix.SizeofIfInfomsg {
		return &link{}, false
	}
	l := &link{index: int(nl.Number(body[4:])), flags: nl.Number(body[8:])}
	nlsock.EachAttr(body[unix.SizeofIfInfomsg:], func(kind uint16, v []byte) {
		switch kind {
		case unix.IFLA_IFNAME:
			l.name = nlsock.CString(v)
		case unix.IFLA_ADDRESS:
			l.mac = slices.Clone(v)
		case unix.IFLA_MTU:
			l.mtu = int(nl.Number(v))
		case unix.IFLA_MASTER:
			l.master = int(nl.Number(v))
		case unix.IFLA_LINKINFO:
			nlsock.EachAttr(v, func(kind uint16, v []byte) {
				if kind == unix.IFLA_INFO_KIND {
					l.kind = nlsock.CString(v)
				}
			})
		case unix.IFLA_AF_SPEC:
			nlsock.EachAttr(v, l.parseFamily)
		}
	})
	return l, true
}

func (l *link) parseFamily(family uint16, v []byte) {
	nlsock.EachAttr(v, func(kind uint16, v []byte) {
		switch {
		case family == unix.AF_INET && kind == unix.IFLA_INET_CONF:
			l.ipv4 = slices.Clone(v)
		case family == unix.AF_INET6 && kind == unix.IFLA_INET6_CONF:
			l.ipv6 = slices.Clone(v)
		}
	})
}
