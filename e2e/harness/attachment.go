// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/containernetworking/cni/libcni"
	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"

	"github.com/cni-chain/cni-chain/shared/testnet"
)

// patience is how long one call of a chain may take; the slowest, upstream's with iptables, needs a quarter second.
const patience = 30 * time.Second

// Port is a mapping of a host port, as a runtime passes it.
type Port struct {
	HostPort      int    `json:"hostPort"`
	ContainerPort int    `json:"containerPort"`
	Protocol      string `json:"protocol"`
	HostIP        string `json:"hostIP,omitempty"`
}

// Attachment is a container's attachment to a network.
type Attachment struct {
	Net *Network
	// NS is where the container is, Root the folder that it has for "/"; "" for a named namespace.
	NS   *testnet.NS
	Root string
	// Runtime is what the runtime says of the container.
	Runtime *libcni.RuntimeConf
	// Result is that of the last Add that succeeded.
	Result *current.Result
}

// Attach prepares an attachment of a namespace; nothing happens before Add.
func (n *Network) Attach(ns *testnet.NS, id string) *Attachment {
	return &Attachment{Net: n, NS: ns, Runtime: &libcni.RuntimeConf{
		ContainerID:    id,
		NetNS:          ns.Path,
		IfName:         "eth0",
		CapabilityArgs: map[string]any{},
	}}
}

// With sets a capability argument; libcni hands it to the plugins that declare the capability.
func (a *Attachment) With(capability string, value any) *Attachment {
	a.Runtime.CapabilityArgs[capability] = value
	return a
}

// Add runs the chain's ADD.
func (a *Attachment) Add() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	result, err := a.Net.CNI.AddNetworkList(ctx, a.Net.List, a.Runtime)
	if err != nil {
		return err
	}
	a.Result, err = current.NewResultFromResult(result)
	return err
}

// Check runs the chain's CHECK; before 0.4.0 there is none.
func (a *Attachment) Check() error {
	if !a.Net.AtLeast("0.4.0") {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return a.Net.CNI.CheckNetworkList(ctx, a.Net.List, a.Runtime)
}

// Del runs the chain's DEL.
func (a *Attachment) Del() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return a.Net.CNI.DelNetworkList(ctx, a.Net.List, a.Runtime)
}

// GC has everything of the network removed but the attachments given.
func (n *Network) GC(valid ...*Attachment) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	keep := []types.GCAttachment{}
	for _, a := range valid {
		keep = append(keep, types.GCAttachment{ContainerID: a.Runtime.ContainerID, IfName: a.Runtime.IfName})
	}
	return n.CNI.GCNetworkList(ctx, n.List, &libcni.GCArgs{ValidAttachments: keep})
}

// Status asks the chain whether an ADD could work; before 1.1.0 nobody can ask.
func (n *Network) Status() error {
	if !n.AtLeast("1.1.0") {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return n.CNI.GetStatusNetworkList(ctx, n.List)
}

// Validate asks every plugin for its versions and the capabilities that the runtime knows.
func (n *Network) Validate() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := n.CNI.ValidateNetworkList(ctx, n.List)
	return err
}

// MustAdd is Add that ends the test when it fails, and a Del when the test ends.
func (a *Attachment) MustAdd(t testing.TB) *Attachment {
	t.Helper()
	t.Cleanup(func() {
		if err := a.Del(); err != nil {
			t.Errorf("DEL %s: %v", a.Runtime.ContainerID, err)
		}
	})
	if err := a.Add(); err != nil {
		t.Fatalf("ADD %s: %v", a.Runtime.ContainerID, err)
	}
	return a
}

// Addresses are the container's, with their gateways.
func (a *Attachment) Addresses() (list []Address) {
	for _, ip := range a.Result.IPs {
		addr, _ := netip.AddrFromSlice(ip.Address.IP)
		bits, _ := ip.Address.Mask.Size()
		gateway, _ := netip.AddrFromSlice(ip.Gateway)
		list = append(list, Address{netip.PrefixFrom(addr.Unmap(), bits), gateway.Unmap()})
	}
	return list
}

// Address is one of a container's addresses; Gateway is the zero Addr where there is none.
type Address struct {
	netip.Prefix
	Gateway netip.Addr
}

func (a Address) family() string {
	if a.Addr().Is4() {
		return "v4"
	}
	return "v6"
}
