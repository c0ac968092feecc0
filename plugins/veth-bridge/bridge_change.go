// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/shared/lock"
	"github.com/cni-chain/cni-chain/shared/nl"
)

// undoPatience is how long an undo waits for a lock. Changes under it take milliseconds; what cannot be undone is
// logged, and the next ADD or DEL finds it.
const undoPatience = 10 * time.Second

// changeBridge brings a bridge that exists in line with the configuration. Of one that this link has not made it only
// changes what takes nothing from others: it brings it up and makes it promiscuous.
func (a *attachment) changeBridge() error {
	was := a.bridge
	if was.Kind != "bridge" {
		return chain.Errorf(codeForeign, "%s is no bridge: give another name in \"bridge\"", was.Describe())
	}
	want := a.wanted()
	if !madeHere(was) {
		if err := a.notOurs(was); err != nil {
			return err
		}
		want.mtu, want.alias, want.filters = 0, "", nil
	} else if err := a.refuseAdvertisements(was); err != nil {
		return err
	}
	ports, err := a.conn.ports(was.Index)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("change bridge %s, as %s", was.Name, strings.Join(a.misfits(was), ", "))
	return a.Do(what, func() error { return a.setBridge(want) }, undoing(func(c *conn) error {
		return c.restoreBridge(was, want, ports)
	}))
}

// notOurs refuses changes that would reach the other ports of somebody's bridge.
func (a *attachment) notOurs(l *nl.Link) error {
	if a.mtu != 0 && l.MTU != a.mtu {
		return chain.Errorf(codeBridge, "bridge %s has MTU %d, mtu asks for %d, and it is not this link's to change: "+
			"leave out mtu, or type: ip link set %s mtu %d", l.Describe(), l.MTU, a.mtu, l.Name, a.mtu)
	}
	if a.Conf.filters() && !l.Bridge.Filters {
		if !l.Bridge.CanFilter {
			return errNoFilter()
		}
		return chain.Errorf(codeBridge, "bridge %s does not filter VLANs, which vlan and vlanTrunk need, and it is not this "+
			"link's to change: type: ip link set %s type bridge vlan_filtering 1", l.Describe(), l.Name)
	}
	return nil
}

// restoreBridge takes a change back, unless another attachment has come meanwhile and relies on it.
func (c *conn) restoreBridge(was *nl.Link, set setting, ports []int) error {
	ctx, cancel := context.WithTimeout(context.Background(), undoPatience)
	defer cancel()
	release, err := lock.Acquire(ctx, bridgeLock(was.Name))
	if err != nil {
		return err
	}
	defer release()
	now, err := c.ports(was.Index)
	if err != nil || !slices.Equal(now, ports) {
		return err
	}
	back := setting{flags: was.Flags & set.change, change: set.change}
	if set.mtu != 0 {
		back.mtu = was.MTU
	}
	if set.filters != nil {
		back.filters = &was.Bridge.Filters
	}
	return c.Do(back.message(was.Index))
}

// removeBridge removes a bridge that this link has made, unless it has another port than the uplink.
//
// The kernel cannot be asked to remove a bridge if it has no ports, and an ADD puts its port on a bridge without
// taking the lock. So the bridge is first marked as being removed, and then its ports are looked at; an ADD first
// puts its port on, and then looks at the mark. Whichever comes second sees the other: this function the port, and
// leaves the bridge, or the ADD the mark, and waits for the lock to make the bridge again.
func (c *conn) removeBridge(ctx context.Context, name, uplink string) error {
	if l, used, err := c.bridgeInUse(name, uplink); err != nil || l == nil || used {
		return err
	}
	release, err := lock.Acquire(ctx, bridgeLock(name))
	if err != nil {
		return err
	}
	defer release()
	l, used, err := c.bridgeInUse(name, uplink)
	if err != nil || l == nil || used {
		return err
	}
	if err := c.Do(setAlias(l.Index, removingMark)); err != nil {
		return fmt.Errorf("mark bridge %s as being removed: %w", name, err)
	}
	if l, used, err = c.bridgeInUse(name, uplink); err != nil || l == nil {
		return err
	}
	if used {
		return c.Do(setAlias(l.Index, bridgeMark))
	}
	return c.delete(l)
}

// bridgeInUse finds a bridge that this link has made, nil if there is none, and says whether it has a port besides the
// uplink.
func (c *conn) bridgeInUse(name, uplink string) (*nl.Link, bool, error) {
	questions := []nl.Which{{Name: name}}
	if uplink != "" {
		questions = append(questions, nl.Which{Name: uplink})
	}
	links, err := c.Links(questions...)
	if err != nil || links[0] == nil || !madeHere(links[0]) {
		return nil, false, err
	}
	except := 0
	if uplink != "" && links[1] != nil {
		except = links[1].Index
	}
	used, err := c.anyPort(links[0].Index, except)
	return links[0], used, err
}
