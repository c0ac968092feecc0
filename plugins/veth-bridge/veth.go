// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/shared/nl"
	"github.com/cni-chain/cni-chain/shared/nlsock"
	"github.com/cni-chain/cni-chain/shared/owner"
)

// vethInfoPeer is VETH_INFO_PEER of linux/veth.h: the other end, as a message of its own.
const vethInfoPeer = 1

// pair is a veth pair to be made.
type pair struct {
	host, container       string
	hostMAC, containerMAC net.HardwareAddr
	mtu                   int // 0: the kernel's
	up                    bool
	ns                    *os.File
}

// make is the one message that makes both ends in their namespaces. The link of the message is the container's end, as
// only that may come up at once: veth_newlink (drivers/net/veth.c) brings up the peer before the two are connected, and
// fails with ENOTCONN.
func (p pair) make() nl.Message {
	var flags uint32
	if p.up {
		flags = unix.IFF_UP
	}
	return makeLink(flags, func(w *nlsock.Writer) {
		nl.Native(w, unix.IFLA_NET_NS_FD, uint32(p.ns.Fd()))
		p.writeEnd(w, p.container, p.containerMAC)
		linkInfo := w.Nest(unix.IFLA_LINKINFO)
		w.Text(unix.IFLA_INFO_KIND, "veth")
		data := w.Nest(unix.IFLA_INFO_DATA)
		peer := w.Nest(vethInfoPeer)
		w.Buf = append(w.Buf, nl.IfInfo(0, 0, 0)...)
		p.writeEnd(w, p.host, p.hostMAC)
		w.CloseNest(peer)
		w.CloseNest(data)
		w.CloseNest(linkInfo)
	})
}

func (p pair) writeEnd(w *nlsock.Writer, name string, mac net.HardwareAddr) {
	w.Text(unix.IFLA_IFNAME, name)
	w.Bytes(unix.IFLA_ADDRESS, mac)
	if p.mtu != 0 {
		nl.Native(w, unix.IFLA_MTU, uint32(p.mtu))
	}
}

// makeVeth makes the pair and reads what came of it. What a killed ADD of this attachment has left is removed first.
func (a *attachment) makeVeth() error {
	if a.mac == nil { // not one that follows from the owner: hosts with an uplink may have containers of one ID
		a.mac = nl.RandomMAC()
	}
	p := pair{host: a.owner.HostVeth(), container: a.IfName, hostMAC: a.owner.HostMAC(), containerMAC: a.mac,
		mtu: a.mtu, up: !a.Conf.DisableContainerInterface, ns: a.Sandbox()}
	what := fmt.Sprintf("make veth %s with its end %s in %s", p.host, p.container, a.NetNS)
	do := func() error { return a.conn.Do(p.make()) }
	undo := undoing(func(c *conn) error { return c.deleteVeth(a.owner) })
	err := a.Do(what, do, undo)
	if errors.Is(err, unix.EEXIST) {
		if err := a.clearWay(); err != nil {
			return err
		}
		if err = a.Do(what, do, undo); errors.Is(err, unix.EEXIST) {
			err = a.errTaken()
		}
	}
	if err != nil {
		return err
	}
	if a.port, err = a.conn.byName(p.host); err != nil {
		return err
	}
	if a.port == nil {
		return a.errVanished(p.host)
	}
	return errors.Join(a.refuseAdvertisements(a.port), a.withoutIPv6(a.port))
}

// errTaken is the error for a container that has an interface of that name from elsewhere.
func (a *attachment) errTaken() error {
	return chain.Errorf(codeExists, "interface %s exists in %s already, and not by this link: nothing was changed; "+
		"find out what made it, or give CNI_IFNAME another name", a.IfName, a.NetNS)
}

// errVanished is the error for a link of ours that has gone while it was worked on.
func (a *attachment) errVanished(name string) error {
	return chain.Errorf(chain.CodeTryAgain, "interface %s has gone again: was the namespace %s removed?", name, a.NetNS)
}

// state is what a link of the derived name is to an attachment.
type state int

const (
	foreign  state = iota // somebody else's
	leftover              // of an ADD that was killed, or of a namespace that this container no longer has
	live                  // the attachment, whole
)

// stateOf tells a live attachment from a leftover. The alias is set last, so one without is not whole; one whose other
// end is not in the asked namespace under the asked name is no use to the container.
func stateOf(host, container *nl.Link, nsID int, o owner.Owner) state {
	switch {
	case !isOurs(host, o):
		return foreign
	case host.Alias == "" || container == nil || container.Name != o.IfName || host.PeerNS != nsID:
		return leftover
	}
	return live
}

// isOurs says whether a link with the attachment's derived name carries its tag, or, before there is one, its MAC.
func isOurs(l *nl.Link, o owner.Owner) bool {
	return l.Kind == "veth" && (l.Alias == o.Tag() || l.Alias == "" && bytes.Equal(l.MAC, o.HostMAC()))
}

// clearWay finds out why the pair exists already, and removes it when it is a leftover.
func (a *attachment) clearWay() error {
	host, err := a.conn.Link(nl.Which{Name: a.owner.HostVeth()})
	if err != nil {
		return err
	}
	if host == nil {
		return a.errTaken()
	}
	nsID, err := a.conn.NSID(a.Sandbox())
	if err != nil {
		return err
	}
	var container *nl.Link
	if host.Peer != 0 {
		if container, err = a.conn.Link(host.OtherEnd()); err != nil {
			return err
		}
	}
	switch stateOf(host, container, nsID, a.owner) {
	case live:
		return a.errExists("the attachment exists: %s is connected by %s", a.owner, host.Name)
	case leftover:
		return a.Do("remove "+host.Name+", left by an earlier ADD", func() error { return a.conn.delete(host) }, nil)
	}
	return chain.Errorf(codeForeign, "the host has an interface %s that is not ours, where the container's veth is to "+
		"be: remove or rename it", host.Describe())
}

// deleteVeth deletes the attachment's veth, if the link of that name is the attachment's.
func (c *conn) deleteVeth(o owner.Owner) error {
	l, err := c.Link(nl.Which{Name: o.HostVeth()})
	if err != nil || l == nil || !isOurs(l, o) {
		return err
	}
	return c.delete(l)
}

// markVeth gives the veth its owner's tag. An interface of an earlier link has had its mark from the start.
func (a *attachment) markVeth() error {
	if a.taken {
		return nil
	}
	tag := a.owner.Tag()
	return a.Do(fmt.Sprintf("mark %s as %s", a.port.Name, tag), func() error {
		return a.conn.Do(setAlias(a.port.Index, tag))
	}, nil)
}
