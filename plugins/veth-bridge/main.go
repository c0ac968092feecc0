// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Command veth-bridge is the link that connects a container to a bridge of the host: a veth pair, one end in the
// container, the other a port of the bridge; or, when an earlier link has made an interface on the host (a tap), that
// interface as a port. It is layer 2 only: addresses, routes and masquerade are the business of the link ip-config.
package main

import "github.com/cni-chain/cni-chain/chain"

// Config is the link's part of a conflist. Every boolean is false by default.
type Config struct {
	// Bridge is the bridge to connect to, made when it is missing. Default cni0.
	Bridge string `json:"bridge"`
	// MTU is a number of bytes, or "auto": that of the uplink, or of the interface of the host's default route. Default:
	// the kernel's for a veth, 1500.
	MTU MTU `json:"mtu"`
	// HairpinMode lets the container reach itself through the bridge.
	HairpinMode bool `json:"hairpinMode"`
	// PromiscMode makes the bridge take all frames as if for the host. Not together with HairpinMode.
	PromiscMode bool `json:"promiscMode"`
	// PortIsolation keeps isolated ports of the bridge from reaching each other.
	PortIsolation bool `json:"portIsolation"`
	// MacSpoofChk drops what the container sends from another MAC than its own.
	MacSpoofChk bool `json:"macspoofchk"`
	// Vlan is the VLAN (1 to 4094) that the port is an untagged member of, 0 = no VLAN filtering.
	Vlan int `json:"vlan"`
	// VlanTrunk are the VLANs that the port is a tagged member of.
	VlanTrunk []Trunk `json:"vlanTrunk"`
	// PreserveDefaultVlan leaves the port in the bridge's default VLAN besides.
	PreserveDefaultVlan bool `json:"preserveDefaultVlan"`
	// DisableContainerInterface leaves the container's end down.
	DisableContainerInterface bool `json:"disableContainerInterface"`
	// Uplink is an interface of the host to put on the bridge; it has no address and no other master.
	Uplink string `json:"uplink"`
	// RemoveBridge removes a bridge that this link has made with its last port.
	RemoveBridge bool `json:"removeBridge"`

	// RuntimeConfig is the capability "mac"; it wins over Args, which wins over MAC in CNI_ARGS.
	RuntimeConfig MACSource `json:"runtimeConfig"`
	Args          struct {
		CNI MACSource `json:"cni"`
	} `json:"args"`
}

// MACSource asks for a MAC of the container's interface.
type MACSource struct {
	MAC string `json:"mac"`
}

// Codes of this link's errors, beside those of the specification.
const (
	codeExists  uint = 101 // the attachment, or the container's interface, exists already
	codeForeign uint = 102 // something that is not ours is in the way
	codeBridge  uint = 103 // the bridge or the uplink is not as configured, and not ours to change
	codeLacks   uint = 104 // the kernel lacks a feature
	codeCheck   uint = 105 // CHECK: something is missing or changed
)

var plugin = &chain.Plugin[Config]{
	Name:     "veth-bridge",
	About:    "connects a container to a bridge by a veth pair, or an earlier link's interface.",
	Place:    chain.Anywhere,
	Defaults: func() Config { return Config{Bridge: "cni0"} },
	Add:      add,
	Del:      del,
	Check:    check,
	GC:       gc,
	Status:   status,
}

func main() { plugin.Main() }
