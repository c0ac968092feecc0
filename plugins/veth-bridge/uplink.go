// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/chain"
)

// uplinkFits says whether the uplink, if there is to be one, is on the bridge.
func (a *attachment) uplinkFits() bool {
	return a.Conf.Uplink == "" || a.uplink != nil && a.uplink.Master == a.bridge.Index && a.uplink.Up()
}

// ensureUplink puts the uplink on the bridge, under the bridge's lock. It stays there after the attachment: it is the
// bridge's.
func (a *attachment) ensureUplink() error {
	if a.uplinkFits() {
		return nil
	}
	if err := a.usableUplink(); err != nil {
		return err
	}
	was := *a.uplink
	return a.Do(fmt.Sprintf("put uplink %s on bridge %s", was.Name, a.bridge.Name), func() error {
		return a.conn.Do(setMaster(was.Index, a.bridge.Index, unix.IFF_UP))
	}, undoing(func(c *conn) error {
		if was.Master != 0 {
			return nil
		}
		return c.unplug(&was)
	}))
}

// trunkUplink lets the uplink carry the port's VLANs, tagged, so that they reach those of other hosts. It is not
// undone: another attachment may have joined the same VLANs, and being in one takes nothing from anybody.
func (a *attachment) trunkUplink() error {
	join, _ := vlanPlan(&a.Conf, a.bridge.Bridge.DefaultPVID)
	if a.uplink == nil || len(join) == 0 {
		return nil
	}
	for i := range join {
		join[i].flags = 0
	}
	setting := portSetting{vlan: true, message: vlanMessage(unix.RTM_SETLINK, a.uplink.Index, join)}
	return a.Do(fmt.Sprintf("let uplink %s carry VLANs %s", a.uplink.Name, vlanText(join)), func() error {
		return setting.explain(a.conn.Do(setting.message))
	}, nil)
}

// usableUplink refuses an interface that is used for something else: on a bridge it would stop to work as such.
func (a *attachment) usableUplink() error {
	l := a.uplink
	switch {
	case l == nil:
		return chain.Errorf(codeBridge, "the host has no interface %q for the uplink", a.Conf.Uplink)
	case a.bridge != nil && l.Master == a.bridge.Index:
		return nil
	case l.Master != 0:
		return chain.Errorf(codeBridge, "uplink %s is a port of another interface (index %d) already: take it off (ip "+
			"link set %s nomaster), or give another uplink", l.Describe(), l.Master, l.Name)
	case a.mtu > l.MTU:
		return chain.Errorf(codeBridge, "uplink %s has MTU %d, less than the %d that mtu asks for: larger frames would "+
			"be lost",
			l.Describe(), l.MTU, a.mtu)
	}
	inUse, err := a.conn.usedAs(l.Index)
	if err != nil {
		return err
	}
	if inUse != "" {
		return chain.Errorf(codeBridge, "uplink %s has %s: an interface on a bridge cannot use its own, so the host "+
			"would lose it: move it to bridge %s, or give another uplink", l.Describe(), inUse, a.Conf.Bridge)
	}
	return nil
}
