// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/shared/nl"
	"github.com/cni-chain/cni-chain/shared/nlsock"
	"github.com/cni-chain/cni-chain/shared/owner"
)

// altNameOf is the alternative name by which an interface of an earlier link carries its owner's tag. Its alias may
// be somebody's; an alternative name is one more, and the kernel finds an interface by it. A "/" may not be in one
// (iproute2).
func altNameOf(o owner.Owner) string { return strings.ReplaceAll(o.Tag(), "/", ",") }

// ownerOfAltName is the tag that an alternative name carries.
func tagOfAltName(name string) string { return strings.Replace(name, ",", "/", 2) }

// takeInterface finds the interface that an earlier link has made, and marks it as the container's port. What it is
// (MAC, MTU) is that link's business.
func (a *attachment) takeInterface(name string) error {
	l, err := a.conn.Link(nl.Which{Name: name})
	if err != nil {
		return err
	}
	altName := altNameOf(a.owner)
	switch {
	case l == nil:
		return chain.Errorf(chain.CodeConfig, "prevResult names the interface %q on the host, which is not there", name)
	case slices.Contains(l.AltNames, altName) && l.Master != 0:
		return a.errExists("the attachment exists: %s is connected by %s", a.owner, l.Name)
	case l.Master != 0:
		return chain.Errorf(codeForeign, "interface %s is a port already, of the interface with index %d: the link that "+
			"made it is not to connect it", l.Describe(), l.Master)
	case a.mtu != 0 && l.MTU != a.mtu:
		return chain.Errorf(codeForeign, "interface %s has MTU %d, mtu asks for %d: give it in the link that makes the "+
			"interface", l.Describe(), l.MTU, a.mtu)
	}
	a.port, a.taken = l, true
	if slices.Contains(l.AltNames, altName) {
		return nil // left by an ADD that was killed
	}
	index := l.Index
	err = a.Do(fmt.Sprintf("mark %s as %s", name, altName), func() error {
		return a.conn.Do(property(unix.RTM_NEWLINKPROP, index, altName))
	}, undoing(func(c *conn) error { return c.unmark(index, altName) }))
	if errors.Is(err, unix.EEXIST) {
		err = a.errExists("another interface has the alternative name %q", altName)
	}
	return err
}

// property adds an alternative name, or takes it away.
func property(kind uint16, index int, altName string) nl.Message {
	flags := uint16(0)
	if kind == unix.RTM_NEWLINKPROP {
		flags = unix.NLM_F_CREATE | unix.NLM_F_EXCL | unix.NLM_F_APPEND
	}
	return nl.Message{Kind: kind, Flags: flags, Head: nl.IfInfo(index, 0, 0), Attrs: func(w *nlsock.Writer) {
		list := w.Nest(unix.IFLA_PROP_LIST)
		w.Text(unix.IFLA_ALT_IFNAME, altName)
		w.CloseNest(list)
	}}
}

func (c *conn) unmark(index int, altName string) error {
	err := c.Do(property(unix.RTM_DELLINKPROP, index, altName))
	if err != nil && !nl.IsGone(err) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("take the alternative name %q from the interface with index %d: %w", altName, index, err)
	}
	return nil
}

// release takes an interface of an earlier link off its bridge and removes the mark. The link that has made it deletes
// it, or keeps it.
func (c *conn) release(l *nl.Link, altName string) error {
	if l.Master != 0 {
		if err := c.unplug(l); err != nil {
			return err
		}
	}
	return c.unmark(l.Index, altName)
}
