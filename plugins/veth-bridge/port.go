// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"

	wire "github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/shared/nl"
	"github.com/cni-chain/cni-chain/shared/nlsock"
)

// joinTries is how often a port is put on a bridge that is taken away from under it. Each try takes the bridge's lock.
const joinTries = 10

// join puts the port on the bridge and waits until it forwards. It reads all links afterwards: what they are then is
// what the result says.
func (a *attachment) join(ctx context.Context) error {
	for range joinTries {
		if err := a.plug(); err != nil {
			gone, lookErr := a.bridgeGone()
			if lookErr != nil || !gone {
				return errors.Join(err, lookErr)
			}
		} else if err := a.readAll(); err != nil {
			return err
		} else if a.bridge != nil && a.port.Master == a.bridge.Index && a.fits(a.bridge) {
			return a.waitForwarding(ctx)
		}
		if err := a.ensureBridge(ctx); err != nil {
			return err
		}
	}
	return chain.Errorf(chain.CodeTryAgain, "bridge %s was removed or changed %d times meanwhile: is another program "+
		"at it?",
		a.Conf.Bridge, joinTries)
}

// bridgeGone says whether the bridge that was found is not there any more.
func (a *attachment) bridgeGone() (bool, error) {
	l, err := a.conn.Link(nl.Which{Index: a.bridge.Index})
	return l == nil, err
}

// readAll reads the port, its other end and the bridge, which is nil when it has gone.
func (a *attachment) readAll() error {
	questions := []nl.Which{{Index: a.port.Index}, {Index: a.bridge.Index}}
	if !a.taken {
		questions = append(questions, a.port.OtherEnd())
	}
	links, err := a.conn.Links(questions...)
	if err != nil {
		return err
	}
	if links[0] == nil || !a.taken && links[2] == nil {
		return a.errVanished(a.port.Name)
	}
	a.port, a.bridge = links[0], links[1]
	if !a.taken {
		a.container = links[2]
	}
	return nil
}

// explainFull says what the kernel means by "exchange full". A port that leaves makes room, so trying again may help.
func explainFull(err error) error {
	if errors.Is(err, unix.EXFULL) {
		return chain.Errorf(chain.CodeTryAgain, "%w: a bridge has at most 1,024 ports (BR_MAX_PORTS in the kernel's "+
			"br_private.h); give some networks a bridge of their own", err)
	}
	return err
}

// plug puts the port on the bridge. It comes up last, when all that limits it is set.
func (a *attachment) plug() error {
	was := *a.port
	do := func() error {
		settings := a.settings()
		if len(settings) == 0 {
			return a.conn.Do(setMaster(a.port.Index, a.bridge.Index, unix.IFF_UP))
		}
		if err := a.conn.Do(setMaster(a.port.Index, a.bridge.Index, 0)); err != nil {
			return err
		}
		for _, s := range settings {
			if err := a.conn.Do(s.message); err != nil {
				return fmt.Errorf("%s: %w", s.what, s.explain(err))
			}
		}
		return a.conn.Do(setLink(a.port.Index, unix.IFF_UP, unix.IFF_UP, func(*nlsock.Writer) {}))
	}
	what := fmt.Sprintf("put %s on bridge %s", a.port.Name, a.bridge.Name)
	if !a.taken {
		return a.Do(what, func() error { return explainFull(do()) }, nil) // the veth goes as a whole
	}
	return a.Do(what, func() error {
		err := explainFull(do())
		if err != nil {
			_ = a.conn.unplug(&was) // the error to report is the one before
		}
		return err
	}, undoing(func(c *conn) error { return c.unplug(&was) }))
}

// unplug takes an interface that an earlier link has made off the bridge; one that is gone is fine.
func (c *conn) unplug(was *nl.Link) error {
	err := c.Do(setLink(was.Index, was.Flags&unix.IFF_UP, unix.IFF_UP, func(w *nlsock.Writer) {
		nl.Native(w, unix.IFLA_MASTER, 0)
	}))
	if err != nil && !nl.IsGone(err) {
		return fmt.Errorf("take %s off its bridge: %w", was.Name, err)
	}
	return nil
}

// portSetting is one message about a port, and what it does.
type portSetting struct {
	what    string
	message nl.Message
	vlan    bool
}

// explain says what EOPNOTSUPP means for a VLAN (the stubs in net/bridge/br_private.h).
func (s portSetting) explain(err error) error {
	if s.vlan && errors.Is(err, unix.EOPNOTSUPP) {
		return errNoFilter()
	}
	return err
}

// settings are what the port needs besides being one; a new port has neither hairpin mode nor isolation.
func (a *attachment) settings() []portSetting {
	var settings []portSetting
	if a.Conf.HairpinMode || a.Conf.PortIsolation {
		settings = append(settings, portSetting{what: "set hairpin mode and isolation",
			message: portFlags(a.port.Index, a.Conf.HairpinMode, a.Conf.PortIsolation)})
	}
	return append(settings, vlanSettings(a.port.Index, &a.Conf, a.bridge.Bridge.DefaultPVID)...)
}

// portFlags sets what a port of a bridge can have.
func portFlags(index int, hairpin, isolated bool) nl.Message {
	return setPort(unix.RTM_SETLINK, index, func(w *nlsock.Writer) {
		info := w.Nest(unix.IFLA_PROTINFO)
		w.Bytes(unix.IFLA_BRPORT_MODE, []byte{boolByte(hairpin)})
		w.Bytes(unix.IFLA_BRPORT_ISOLATED, []byte{boolByte(isolated)})
		w.CloseNest(info)
	})
}

// waitForwarding waits until the port forwards, which it does at once unless the bridge runs the spanning tree
// protocol. A port without carrier never will, and is not waited for.
func (a *attachment) waitForwarding(ctx context.Context) error {
	if a.port.Port.State == nl.Forwarding || !a.port.Carrier() {
		return nil
	}
	// Twice the forward delay, and one for notices that are late (802.1D: listening, then learning).
	limit := 3 * a.bridge.Bridge.ForwardDelay
	notices, err := wire.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_LINK)
	if err != nil {
		return fmt.Errorf("watch port %s: %w", a.port.Name, err)
	}
	defer notices.Close()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	defer context.AfterFunc(ctx, notices.Close)()
	for {
		if err := a.readAll(); err != nil {
			return err
		}
		if a.bridge == nil {
			return chain.Errorf(chain.CodeTryAgain, "bridge %s was removed while %s waited to forward", a.Conf.Bridge,
				a.port.Name)
		}
		if a.port.Port.State == nl.Forwarding || !a.port.Carrier() {
			return nil
		}
		// ENOBUFS: notices were lost, which is why the port is read anew every time.
		if _, _, err := notices.Receive(); err != nil && !errors.Is(err, unix.ENOBUFS) {
			return chain.Errorf(chain.CodeTryAgain, "port %s of bridge %s does not forward (state %d) after %v: "+
				"is spanning tree on (ip -d link show %s)?", a.port.Name, a.bridge.Name, a.port.Port.State, limit, a.bridge.Name)
		}
	}
}
