// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Command port-map is the link that makes ports of the host lead to ports of the container. It changes netfilter, by
// netlink or through iptables, and what else the host needs so that its own programs get there. It opens no firewall
// and listens on no port: whether packets may pass is for other links and the host's administrator.
package main

import "github.com/cni-chain/cni-chain/chain"

// Config is the link's part of a conflist.
type Config struct {
	// PortMappings are mappings of every attachment of the network, beside those of the runtime.
	PortMappings []Mapping `json:"portMappings"`
	// Backend is "nftables" or "iptables". Default: nftables, or iptables on a host whose kernel has no nftables.
	Backend string `json:"backend"`
	// SNAT masquerades where the reply would else be lost: connections from the container itself, from its neighbours on
	// the same bridge, and from the host's 127.0.0.1 and ::1. Default: true.
	SNAT *bool `json:"snat"`
	// MasqAll masquerades all mapped connections. The container then sees the host as their source.
	MasqAll bool `json:"masqAll"`
	// MarkMasqBit is the bit of the packet mark by which the iptables backend masquerades, 0 to 31. Default: 13.
	MarkMasqBit *int `json:"markMasqBit"`
	// ExternalSetMarkChain is a chain of the iptables backend that marks what somebody else masquerades, instead.
	ExternalSetMarkChain *string `json:"externalSetMarkChain"`
	// ConditionsV4 are matches that a packet must pass to be mapped, in the words of nft or iptables.
	ConditionsV4 []string `json:"conditionsV4"`
	// ConditionsV6 are the same for IPv6.
	ConditionsV6 []string `json:"conditionsV6"`
	// Listeners says what to do about a program of the host that listens on a mapped port, which gets no connections
	// any more: "warn" (default), "refuse" or "ignore".
	Listeners string `json:"listeners"`
	// RuntimeConfig is the capability "portMappings".
	RuntimeConfig struct {
		PortMappings []Mapping `json:"portMappings"`
	} `json:"runtimeConfig"`
}

// Mapping is a port of the host, or several in a row, and where they lead.
type Mapping struct {
	// HostPort is 1 to 65535.
	HostPort int `json:"hostPort"`
	// ContainerPort is 1 to 65535.
	ContainerPort int `json:"containerPort"`
	// Protocol is "tcp" (default), "udp" or "sctp", in lower or upper case.
	Protocol string `json:"protocol"`
	// HostIP is the address of the host that is mapped. Default: all; "0.0.0.0" is all of IPv4, "::" all of IPv6.
	HostIP string `json:"hostIP"`
	// Range is how many ports are mapped, upwards from HostPort and ContainerPort. Default: 1.
	Range int `json:"range"`
}

// Codes of this link's errors.
const (
	codeTaken     uint = 110 // another attachment has the host port
	codeListening uint = 111 // a program of the host listens on the port, and "listeners" is "refuse"
	codeAddress   uint = 112 // another attachment has the container's address
	codeMissing   uint = 113 // CHECK: something of what ADD made is missing or was changed
)

var plugin = &chain.Plugin[Config]{
	Name:   "port-map",
	About:  "makes ports of the host lead to ports of the container.",
	Place:  chain.Later,
	Add:    add,
	Del:    del,
	Check:  check,
	GC:     gc,
	Status: status,
}

func main() { plugin.Main() }
