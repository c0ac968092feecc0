// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/nl"
	"github.com/cni-chain/cni-chain/shared/nlsock"
)

const (
	// minIPv6MTU is IPV6_MIN_MTU of linux/ipv6.h: the kernel takes IPv6 off a link with a smaller one.
	minIPv6MTU = 1280
	// arpNotify is IPV4_DEVCONF_ARP_NOTIFY of linux/ip.h.
	arpNotify = 22
)

// Settings of a link under net/ipv6/conf, DEVCONF_ of linux/ipv6.h.
const (
	disableIPv6    = 26
	acceptDAD      = 27
	ndiscNotify    = 29
	keepAddrOnDown = 42
	enhancedDAD    = 46
)

// speaksARP says whether neighbours are asked for on the link, so that they can be told.
func speaksARP(l *nl.Link) bool {
	return l.Flags&(unix.IFF_NOARP|unix.IFF_LOOPBACK) == 0 && len(l.MAC) == 6
}

// linkByName finds an interface; nl.IsGone tells that there is none.
func (c *conn) linkByName(name string) (*nl.Link, error) {
	l, err := c.Link(nl.Which{Name: name})
	if err == nil && l == nil {
		err = fmt.Errorf("find interface %q: %w", name, unix.ENODEV)
	}
	return l, err
}

// ports lists the names of a bridge's ports, or with 0 of all bridges'. It costs what the host has of interfaces, and
// only an undo asks.
func (c *conn) ports(bridge int) ([]string, error) {
	matching := func(w *nlsock.Writer) { nl.Native(w, unix.IFLA_MASTER, uint32(bridge)) }
	if bridge == 0 {
		matching = nil
	}
	names, err := nl.List(c.Conn, nl.ListLinks(matching), func(body []byte) []string {
		l := nl.ParseLink(body)
		if l.Master == 0 || bridge != 0 && l.Master != bridge {
			return nil
		}
		return []string{l.Name}
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
