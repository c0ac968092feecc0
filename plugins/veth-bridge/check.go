// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"strings"

	current "github.com/containernetworking/cni/pkg/types/100"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/shared/nl"
)

// check verifies every object of the attachment, by what it is and not only by its name. It reports all that is wrong
// at once. A later link may change the MAC and the MTU of the container's interface, and may bring it up; who an
// interface is, its index and its other end say.
func check(_ context.Context, r *request) error {
	if r.Conf.MTU == mtuAuto {
		r.Conf.MTU = "" // the way out may be another one than at ADD
	}
	a, err := newAttachment(r)
	if err != nil {
		return err
	}
	defer a.conn.Close()
	if err := a.look(); err != nil {
		return err
	}
	if a.bridge == nil {
		return broken("bridge %s is missing", r.Conf.Bridge)
	}
	if a.bridge.Alias == removingMark {
		a.bridge.Alias = bridgeMark // a DEL is at it that will find this attachment's port, and leave the bridge
	}
	var errs []error
	for _, what := range a.misfits(a.bridge) {
		errs = append(errs, broken("bridge %s: %s", a.bridge.Name, what))
	}
	errs = append(errs, a.checkBridgeMAC(), a.checkUplink(), a.checkPort())
	return errors.Join(errs...)
}

func broken(format string, args ...any) error { return chain.Errorf(codeCheck, format, args...) }

// checkBridgeMAC holds a bridge of ours to the MAC of the result; that of another is its maker's business.
func (a *attachment) checkBridgeMAC() error {
	listed := a.listed(a.bridge.Name)
	if listed == nil || listed.Mac == "" || !madeHere(a.bridge) || strings.EqualFold(listed.Mac, a.bridge.MAC.String()) {
		return nil
	}
	return broken("bridge %s has MAC %s, not %s as after ADD: containers have the other in their neighbour tables",
		a.bridge.Name, a.bridge.MAC, listed.Mac)
}

// listed is an interface of the host as the result has it, nil if it has none of the name.
func (a *attachment) listed(name string) *current.Interface {
	if a.Prev == nil {
		return nil
	}
	for _, i := range a.Prev.Interfaces {
		if i.Name == name && i.Sandbox == "" {
			return i
		}
	}
	return nil
}

func (a *attachment) checkUplink() error {
	switch {
	case a.Conf.Uplink == "":
		return nil
	case a.uplink == nil:
		return broken("uplink %s is missing", a.Conf.Uplink)
	case a.uplink.Master != a.bridge.Index:
		return broken("uplink %s is not on bridge %s", a.uplink.Name, a.bridge.Name)
	case !a.uplink.Up():
		return broken("uplink %s is down", a.uplink.Name)
	}
	return nil
}

// checkPort finds the veth, or the interface of an earlier link, and looks at it.
func (a *attachment) checkPort() error {
	links, err := a.conn.Links(nl.Which{Name: a.owner.HostVeth()}, nl.Which{AltName: altNameOf(a.owner)})
	if err != nil {
		return err
	}
	var errs []error
	mac := a.mac
	switch {
	case links[1] != nil:
		a.port = links[1]
	case links[0] == nil:
		return broken("the host's end %s of the veth is missing", a.owner.HostVeth())
	case links[0].Alias != a.owner.Tag():
		return broken("interface %s is not this attachment's veth, whose alias would be %q", links[0].Describe(),
			a.owner.Tag())
	default:
		a.port = links[0]
		errs = append(errs, a.checkContainer())
		if a.container == nil {
			return errors.Join(append(errs, a.checkMembership())...)
		}
		mac = a.container.MAC
	}
	errs = append(errs, a.checkMembership(), a.checkVLANs())
	if a.Conf.MacSpoofChk {
		errs = append(errs, checkGuard(a.owner, a.port.Name, mac))
	}
	return errors.Join(errs...)
}

// checkContainer looks at the veth's other end.
func (a *attachment) checkContainer() error {
	nsID, err := a.conn.NSID(a.Sandbox())
	if err != nil {
		return err
	}
	if a.port.PeerNS != nsID {
		return broken("the other end of veth %s is not in the namespace %s", a.port.Name, a.NetNS)
	}
	c, err := a.conn.Link(a.port.OtherEnd())
	switch {
	case err != nil:
		return err
	case c == nil || c.Peer != a.port.Index:
		return broken("the other end of veth %s is missing in %s", a.port.Name, a.NetNS)
	}
	a.container = c
	switch {
	case c.Name != a.IfName:
		return broken("the other end of veth %s is called %s in %s, not %s", a.port.Name, c.Name, a.NetNS, a.IfName)
	case !c.Up() && !a.Conf.DisableContainerInterface:
		return broken("interface %s in %s is down", c.Name, a.NetNS)
	case c.MTU > a.port.MTU:
		return broken("interface %s in %s has MTU %d, but the host's end %s only %d: larger frames are lost", c.Name, a.NetNS,
			c.MTU, a.port.Name, a.port.MTU)
	}
	return nil
}

// checkMembership looks at the port as a port.
func (a *attachment) checkMembership() error {
	p := a.port
	if p.Master != a.bridge.Index {
		return broken("%s is not on bridge %s", p.Name, a.bridge.Name)
	}
	var errs []error
	if !p.Up() {
		errs = append(errs, broken("port %s is down", p.Name))
	} else if p.Carrier() && p.Port.State != nl.Forwarding {
		errs = append(errs, broken("port %s does not forward (state %d)", p.Name, p.Port.State))
	}
	if a.mtu != 0 && p.MTU != a.mtu {
		errs = append(errs, broken("port %s has MTU %d, not %d", p.Name, p.MTU, a.mtu))
	}
	for _, f := range []struct {
		key      string
		is, want bool
	}{{"hairpinMode", p.Port.Hairpin, a.Conf.HairpinMode}, {"portIsolation", p.Port.Isolated, a.Conf.PortIsolation}} {
		if f.is != f.want {
			errs = append(errs, broken("port %s: %s is %v, not %v", p.Name, f.key, f.is, f.want))
		}
	}
	return errors.Join(errs...)
}

// checkVLANs holds the port to the VLANs of the configuration; it may be in others.
func (a *attachment) checkVLANs() error {
	join, leave := vlanPlan(&a.Conf, a.bridge.Bridge.DefaultPVID)
	if len(join) == 0 {
		return nil
	}
	have, err := a.conn.portVLANs(a.port.Index)
	if err != nil {
		return err
	}
	if lack := lacking(join, have); len(lack) > 0 {
		return broken("port %s is not in VLAN %s as configured", a.port.Name, vlanText(lack))
	}
	if _, in := memberOf(have, leave); in && leave != 0 {
		return broken("port %s is in the default VLAN %d", a.port.Name, leave)
	}
	return nil
}
