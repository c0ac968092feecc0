// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/shared/sysctl"
)

// The host forwards packets between interfaces when these are 1 (ip-sysctl).
const (
	forwarding4 = "net/ipv4/ip_forward"
	forwarding6 = "net/ipv6/conf/all/forwarding"
)

// forwarding are the sysctls that the plan needs.
func (p *plan) forwarding() []string {
	var names []string
	if p.forward4 {
		names = append(names, forwarding4)
	}
	if p.forward6 {
		names = append(names, forwarding6)
	}
	return names
}

// forward switches the host's forwarding on where it is off. It is the host's and stays on after the attachment, as
// others may need it by then; and it is the last step, so that hardly anything can fail after it. The undo switches it
// off only while nobody else's interface is on a bridge.
func forward(r *request, p *plan) error {
	for _, name := range p.forwarding() {
		var changed bool
		err := r.Do("switch on "+name, func() (err error) {
			changed, _, err = sysctl.Set(name, "1")
			return err
		}, func() error {
			if !changed {
				return nil
			}
			return dialed(func(c *conn) error { return stopForwarding(c, name, hostInterface(r)) })
		})
		if err != nil {
			return chain.Errorf(codeLacks, "%w", err)
		}
		if changed && name == forwarding6 {
			r.Log.Warn("the host forwards IPv6 from now on; its interfaces take router advertisements only with accept_ra=2")
		}
	}
	return nil
}

// stopForwarding undoes it. Another ADD has its port on a bridge before it looks whether the host forwards: should one
// come while this looks, looking again finds it.
func stopForwarding(c *conn, name, ours string) error {
	others := func() (bool, error) {
		ports, err := c.ports(0)
		return slices.ContainsFunc(ports, func(port string) bool { return port != ours }), err
	}
	if needed, err := others(); needed || err != nil {
		return err
	}
	if _, _, err := sysctl.Set(name, "0"); err != nil {
		return err
	}
	if needed, err := others(); !needed || err != nil {
		return err
	}
	_, _, err := sysctl.Set(name, "1")
	return err
}

// checkForwarding is for CHECK.
func checkForwarding(p *plan) error {
	for _, name := range p.forwarding() {
		value, err := sysctl.Get(name)
		if err != nil {
			return err
		}
		if value == "0" {
			return chain.Errorf(codeCheck, "%s is 0: packets from and to the container are dropped; "+
				"switch it on (sysctl -w %s=1), and see what switched it off", name, name)
		}
	}
	return nil
}
