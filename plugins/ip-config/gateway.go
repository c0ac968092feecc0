// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	current "github.com/containernetworking/cni/pkg/types/100"
	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/shared/lock"
	"github.com/cni-chain/cni-chain/shared/nl"
)

// gateway is the host's side of the network: the bridge that the gateway addresses are on. They belong to the network
// and not to an attachment: a DEL leaves them, as other containers go by them, and they go with the bridge.
type gateway struct {
	*conn
	bridge *nl.Link
	on     *nl.Link // what the addresses are on: the bridge, or the VLAN's interface
	ours   string
}

// findGateway finds the bridge, before anything is changed. It is nil when the configuration asks for no gateway.
func findGateway(r *request) (*gateway, error) {
	if !r.Conf.hasGateway() {
		return nil, nil
	}
	name, err := bridgeName(r)
	if err != nil {
		return nil, err
	}
	c, err := dial()
	if err != nil {
		return nil, err
	}
	bridge, err := c.linkByName(name)
	if err == nil && bridge.Kind != "bridge" {
		err = chain.Errorf(chain.CodeConfig, "%q, where the gateway is to be, is not a bridge: isGateway goes with a "+
			"plugin that connects to one, and \"bridge\" names it", name)
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return &gateway{conn: c, bridge: bridge, on: bridge, ours: hostInterface(r)}, nil
}

// bridgeName is the bridge's name: from the configuration, or else the result's first interface.
func bridgeName(r *request) (string, error) {
	if r.Conf.Bridge != "" {
		return r.Conf.Bridge, nil
	}
	if len(r.Result.Interfaces) > 0 && r.Result.Interfaces[0].Sandbox == "" {
		return r.Result.Interfaces[0].Name, nil
	}
	return "", chain.Invalid("isGateway", true, "prevResult does not begin with a bridge: name the bridge in \"bridge\", "+
		"or leave isGateway and isDefaultGateway out where there is none, as with macvlan")
}

// hostInterface is the container's own port of the bridge, as far as the result tells.
func hostInterface(r *request) string {
	if len(r.Result.Interfaces) > 1 && r.Result.Interfaces[1].Sandbox == "" {
		return r.Result.Interfaces[1].Name
	}
	return ""
}

func (g *gateway) close() {
	if g != nil {
		g.conn.close()
	}
}

// configure puts the planned gateways on the bridge.
func (g *gateway) configure(ctx context.Context, r *request, p *plan) error {
	if g == nil {
		return nil
	}
	if r.Conf.VLAN != 0 {
		if err := g.ensureVLAN(ctx, r); err != nil {
			return err
		}
	}
	for _, gw := range p.gateways {
		if gw.Addr().Is6() {
			if err := g.enableIPv6(r); err != nil {
				return err
			}
		}
		if err := g.ensure(ctx, r, gw); err != nil {
			return err
		}
	}
	return nil
}

func (g *gateway) enableIPv6(r *request) error {
	if g.on.IPv6 == nil {
		return noIPv6(g.on)
	}
	if off, _ := g.on.Setting6(disableIPv6); off == 0 {
		return nil
	}
	return setSysctl(r, "net/ipv6/conf/"+g.on.Name+"/disable_ipv6", "0", func(f func() error) error { return f() })
}

// ensure puts one gateway address on the interface, unless it is there.
func (g *gateway) ensure(ctx context.Context, r *request, gw netip.Prefix) error {
	has, err := g.addresses(g.on.Index)
	if err != nil {
		return fmt.Errorf("%s: %w", g.on.Name, err)
	}
	if slices.ContainsFunc(has, func(a addr) bool { return a.prefix == gw }) {
		return nil
	}
	var change gatewayChange
	return r.Do(fmt.Sprintf("add gateway address %s to %s", gw, g.on.Name), func() error {
		release, err := lock.Acquire(ctx, "bridge-"+g.bridge.Name)
		if err != nil {
			return err
		}
		defer release()
		change, err = g.add(r, gw)
		return err
	}, g.undo(func(g *gateway) error { return g.takeBack(ctx, change) }))
}

// undo runs f with a socket of its own.
func (g *gateway) undo(f func(*gateway) error) func() error {
	return func() error {
		return dialed(func(c *conn) error {
			again := *g
			again.conn = c
			return f(&again)
		})
	}
}

// gatewayChange is what was done to the bridge's addresses.
type gatewayChange struct {
	added    netip.Prefix
	replaced []addr
}

// add looks again, under the lock, and adds the address. What conflicts is replaced if that is allowed.
func (g *gateway) add(r *request, gw netip.Prefix) (gatewayChange, error) {
	has, err := g.addresses(g.on.Index)
	if err != nil {
		return gatewayChange{}, err
	}
	if slices.ContainsFunc(has, func(a addr) bool { return a.prefix == gw }) {
		return gatewayChange{}, nil
	}
	in := conflicts(has, gw)
	if len(in) > 0 && !r.Conf.ForceAddress {
		return gatewayChange{}, chain.Errorf(codeGateway, "it has %s, which conflicts: set forceAddress to replace that, "+
			"choose another subnet, or use another bridge", in[0].prefix)
	}
	change := gatewayChange{added: gw}
	for _, a := range in {
		if err := g.deleteAddress(g.on.Index, a.prefix); err != nil {
			return gatewayChange{}, errors.Join(fmt.Errorf("delete %s: %w", a.prefix, err), g.restore(change))
		}
		change.replaced = append(change.replaced, a)
	}
	if err := ignore(g.addAddress(g.on.Index, gw, false), unix.EEXIST); err != nil {
		change.added = netip.Prefix{}
		return gatewayChange{}, errors.Join(err, g.restore(change))
	}
	if g.on != g.bridge {
		return change, nil
	}
	// A bridge whose MAC nobody has set takes that of one of its ports, and changes it when ports come and go, under the
	// hands of containers that know their gateway by it (containernetworking/plugins#60). Set it is when it is given.
	if err := g.setMAC(g.on.Index, g.on.MAC); err != nil {
		return gatewayChange{}, errors.Join(fmt.Errorf("fix its MAC: %w", err), g.restore(change))
	}
	return change, nil
}

// conflicts are the addresses that do not go with a gateway: of IPv6 those of an overlapping subnet; of IPv4, of which
// containers see but one, all others, except what this plugin has put there for another subnet.
func conflicts(has []addr, gw netip.Prefix) []addr {
	var in []addr
	for _, a := range has {
		other := a.prefix.Addr()
		overlap := a.prefix.Overlaps(gw)
		if other.Is4() == gw.Addr().Is4() && !other.IsLinkLocalUnicast() && (overlap || other.Is4() && !a.ours()) {
			in = append(in, a)
		}
	}
	return in
}

// restore puts back what was replaced.
func (g *gateway) restore(c gatewayChange) error {
	var errs []error
	if c.added.IsValid() {
		errs = append(errs, ignore(g.deleteAddress(g.on.Index, c.added), unix.EADDRNOTAVAIL))
	}
	for _, a := range slices.Backward(c.replaced) {
		errs = append(errs, ignore(g.addAddress(g.on.Index, a.prefix, false), unix.EEXIST))
	}
	return errors.Join(errs...)
}

// takeBack undoes a change, unless the bridge has other containers meanwhile, which may have found the address there.
// One that comes while this looks is noticed by looking again: its port is there before it asks for the gateway.
func (g *gateway) takeBack(ctx context.Context, c gatewayChange) error {
	if !c.added.IsValid() {
		return nil
	}
	ctx, cancel := undoContext(ctx)
	defer cancel()
	release, err := lock.Acquire(ctx, "bridge-"+g.bridge.Name)
	if err != nil {
		return err
	}
	defer release()
	if shared, err := g.shared(); shared || err != nil {
		return err
	}
	if err := g.restore(c); err != nil {
		return err
	}
	if shared, err := g.shared(); !shared || err != nil {
		return err
	}
	return ignore(g.addAddress(g.on.Index, c.added, false), unix.EEXIST)
}

// shared says whether the bridge has ports of others.
func (g *gateway) shared() (bool, error) {
	ports, err := g.ports(g.bridge.Index)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(ports, func(name string) bool { return name != g.ours && name != vlanPort(g.on.Name) }), nil
}

// describe adds the VLAN's interface to the result.
func (g *gateway) describe(result *current.Result) {
	if g == nil || g.on == g.bridge {
		return
	}
	vlan := &current.Interface{Name: g.on.Name, Mac: g.on.MAC.String(), Mtu: g.on.MTU}
	result.Interfaces = append(result.Interfaces, vlan)
}
