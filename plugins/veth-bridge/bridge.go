// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/shared/digest"
	"github.com/cni-chain/cni-chain/shared/lock"
	"github.com/cni-chain/cni-chain/shared/nl"
	"github.com/cni-chain/cni-chain/shared/nlsock"
	"github.com/cni-chain/cni-chain/shared/owner"
	"github.com/cni-chain/cni-chain/shared/sysctl"
)

// Aliases of a bridge of ours. They are no tags: a bridge belongs to no attachment.
const (
	bridgeMark   = owner.Prefix + "bridge"
	removingMark = owner.Prefix + "bridge, being removed"
)

// madeHere says whether the bridge was made by this link: by its alias, or, before it has one, by its MAC.
func madeHere(l *nl.Link) bool {
	return l.Kind == "bridge" &&
		(l.Alias == bridgeMark || l.Alias == removingMark || l.Alias == "" && isBridgeMAC(l.Name, l.MAC))
}

// newBridgeMAC makes the MAC of a bridge to be made. It is given in the message that makes the bridge, so that neither
// its ports nor udev change it later (containernetworking/plugins#60, #620). Four bytes are random, as hosts with an
// uplink are one network; the other two follow from them and the name, and mark the bridge until it has its alias.
func newBridgeMAC(name string) net.HardwareAddr {
	mac := nl.RandomMAC()
	copy(mac[4:], bridgeSum(name, mac))
	return mac
}

func isBridgeMAC(name string, mac net.HardwareAddr) bool {
	return len(mac) == 6 && mac[0]&3 == 2 && string(mac[4:]) == string(bridgeSum(name, mac))
}

func bridgeSum(name string, mac net.HardwareAddr) []byte {
	h := digest.Sum(owner.Prefix + name + "\x00" + string(mac[:4]))
	return h[:2]
}

// fits says whether an attachment can use the bridge as it is.
func (a *attachment) fits(l *nl.Link) bool { return l != nil && len(a.misfits(l)) == 0 }

// misfits are what about a bridge has to change for the configuration, in words; CHECK reports them.
func (a *attachment) misfits(l *nl.Link) (what []string) {
	switch {
	case l.Kind != "bridge":
		return []string{"it is no bridge"}
	case madeHere(l) && l.Alias != bridgeMark:
		what = append(what, "it is not quite made, or being removed")
	}
	if !l.Up() {
		what = append(what, "it is down")
	}
	if a.mtu != 0 && l.MTU != a.mtu {
		what = append(what, fmt.Sprintf("its MTU is %d, not %d", l.MTU, a.mtu))
	}
	if a.Conf.filters() && !l.Bridge.Filters {
		what = append(what, "it does not filter VLANs")
	}
	if a.Conf.PromiscMode && !l.Promisc() {
		what = append(what, "it is not promiscuous")
	}
	return what
}

// ensureBridge finds the bridge, or makes it or brings it in line, with its uplink. The lock is only for changes: a
// bridge that is right costs one message. What may happen between that look and the moment that the port is on the
// bridge is found out by join.
func (a *attachment) ensureBridge(ctx context.Context) error {
	if err := a.look(); err != nil {
		return err
	}
	if a.fits(a.bridge) && a.uplinkFits() {
		return nil
	}
	release, err := lock.Acquire(ctx, bridgeLock(a.Conf.Bridge))
	if err != nil {
		return err
	}
	defer release()
	if err := a.look(); err != nil {
		return err
	}
	if a.bridge == nil {
		err = a.makeBridge()
	} else if !a.fits(a.bridge) {
		err = a.changeBridge()
	}
	if err != nil {
		return err
	}
	return a.ensureUplink()
}

func bridgeLock(name string) string { return "bridge-" + name }

// look reads the bridge and, when there is to be one, the uplink.
func (a *attachment) look() error {
	questions := []nl.Which{{Name: a.Conf.Bridge}}
	if a.Conf.Uplink != "" {
		questions = append(questions, nl.Which{Name: a.Conf.Uplink})
	}
	links, err := a.conn.Links(questions...)
	if err != nil {
		return err
	}
	a.bridge = links[0]
	if a.Conf.Uplink != "" {
		a.uplink = links[1]
	}
	return nil
}

// makeBridge makes the bridge and reads it.
func (a *attachment) makeBridge() error {
	name := a.Conf.Bridge
	do := func() error {
		if err := a.conn.Do(bridgeMessage(name, newBridgeMAC(name))); err != nil {
			return err
		}
		err := a.dressBridge(name)
		if err != nil {
			_ = a.conn.deleteByName(name) // the error to report is the one before
		}
		return err
	}
	undo := undoing(func(c *conn) error {
		ctx, cancel := context.WithTimeout(context.Background(), undoPatience)
		defer cancel()
		return c.removeBridge(ctx, name, a.Conf.Uplink)
	})
	return a.Do("make bridge "+name, do, undo)
}

// bridgeMessage makes a bridge, down.
func bridgeMessage(name string, mac net.HardwareAddr) nl.Message {
	return makeLink(0, func(w *nlsock.Writer) {
		w.Text(unix.IFLA_IFNAME, name)
		w.Bytes(unix.IFLA_ADDRESS, mac)
		info := w.Nest(unix.IFLA_LINKINFO)
		w.Text(unix.IFLA_INFO_KIND, "bridge")
		w.CloseNest(info)
	})
}

// dressBridge gives a bridge that has just been made all that it is to have, up last.
func (a *attachment) dressBridge(name string) (err error) {
	if a.bridge, err = a.conn.Link(nl.Which{Name: name}); err != nil || a.bridge == nil {
		return err
	}
	if err := errors.Join(a.refuseAdvertisements(a.bridge), a.skipDetection(a.bridge)); err != nil {
		return err
	}
	return a.setBridge(a.wanted())
}

// setting is what of a bridge is to be set; what is zero stays.
type setting struct {
	mtu     int
	alias   string
	filters *bool
	flags   uint32
	change  uint32 // which of the flags
}

// wanted is what the configuration wants of a bridge of ours.
func (a *attachment) wanted() setting {
	s := setting{mtu: a.mtu, alias: bridgeMark, flags: unix.IFF_UP, change: unix.IFF_UP}
	if a.Conf.filters() {
		on := true
		s.filters = &on
	}
	if a.Conf.PromiscMode {
		s.flags |= unix.IFF_PROMISC
		s.change |= unix.IFF_PROMISC
	}
	return s
}

// message sets it. It is a RTM_NEWLINK, as RTM_SETLINK does not look at what is particular to a bridge.
func (s setting) message(index int) nl.Message {
	return nl.Message{Kind: unix.RTM_NEWLINK, Head: nl.IfInfo(index, s.flags, s.change), Attrs: func(w *nlsock.Writer) {
		if s.mtu != 0 {
			nl.Native(w, unix.IFLA_MTU, uint32(s.mtu))
		}
		if s.alias != "" {
			w.Bytes(unix.IFLA_IFALIAS, []byte(s.alias))
		}
		if s.filters == nil {
			return
		}
		info := w.Nest(unix.IFLA_LINKINFO)
		w.Text(unix.IFLA_INFO_KIND, "bridge")
		data := w.Nest(unix.IFLA_INFO_DATA)
		w.Bytes(unix.IFLA_BR_VLAN_FILTERING, []byte{boolByte(*s.filters)})
		w.CloseNest(data)
		w.CloseNest(info)
	}}
}

func boolByte(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// setBridge sets what a.bridge is to have and reads what it then has: a kernel without VLAN filtering says nothing
// about being asked for it.
func (a *attachment) setBridge(s setting) error {
	if s.filters != nil && *s.filters && !a.bridge.Bridge.CanFilter {
		return errNoFilter()
	}
	if err := a.conn.Do(s.message(a.bridge.Index)); err != nil {
		return err
	}
	l, err := a.conn.Link(nl.Which{Index: a.bridge.Index})
	if err == nil && l == nil {
		err = chain.Errorf(chain.CodeTryAgain, "bridge %s has gone again", a.bridge.Name)
	}
	if err != nil {
		return err
	}
	a.bridge = l
	return nil
}

func errNoFilter() error {
	return chain.Errorf(codeLacks, "this kernel has no VLAN filtering of bridges (CONFIG_BRIDGE_VLAN_FILTERING): "+
		"leave out vlan and vlanTrunk")
}

// Of linux/ipv6.h: DEVCONF_ACCEPT_RA, DEVCONF_DISABLE_IPV6 and DEVCONF_ACCEPT_DAD.
const (
	acceptRA    = 3
	disableIPv6 = 26
	acceptDAD   = 27
)

// refuseAdvertisements keeps the host from taking routes and addresses from what arrives on an interface of ours
// (containernetworking/plugins#484).
func (a *attachment) refuseAdvertisements(l *nl.Link) error {
	return a.set6(l, acceptRA, "accept_ra", 0, "router advertisements are not refused")
}

// skipDetection spares a bridge that is being made the detection of duplicate addresses, as its MAC is random. While
// its link-local address is in doubt, for one to two seconds, the kernel asks for no neighbour on it (ndisc_send_ns in
// net/ipv6/ndisc.c), and nothing from outside reaches the first container by IPv6.
func (a *attachment) skipDetection(l *nl.Link) error {
	return a.set6(l, acceptDAD, "accept_dad", 0, "duplicate addresses are looked for")
}

// withoutIPv6 keeps IPv6 off a host veth. The bridge takes all that arrives there, so that an address on it is of no
// use; but each has two routes, in lists that the kernel goes through whenever an interface comes or goes: among 2,000
// attachments that was half of an ADD.
func (a *attachment) withoutIPv6(l *nl.Link) error {
	return a.set6(l, disableIPv6, "disable_ipv6", 1, "it has IPv6 that it does not need")
}

// set6 sets one of IPv6's settings of an interface. Without IPv6 there is none; where /proc/sys cannot be written, the
// interface works all the same.
func (a *attachment) set6(l *nl.Link, index int, key string, value int, otherwise string) error {
	if now, ok := l.Setting6(index); !ok || int(now) == value {
		return nil
	}
	err := sysctl.Write("net/ipv6/conf/"+l.Name+"/"+key, strconv.Itoa(value))
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, unix.EROFS), errors.Is(err, fs.ErrPermission):
		a.Log.Warn(otherwise, "interface", l.Name, "err", err)
		return nil
	}
	return err
}
