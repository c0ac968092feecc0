// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Command ip-config is the link that gives a container's interface its layer 3: addresses from an IPAM plugin or the
// configuration, routes, a gateway on the bridge, and masquerade. It makes no interface in the container; an earlier
// link does (veth-bridge, or upstream's bridge, macvlan, host-device and others without "ipam").
package main

import (
	"encoding/json"

	"github.com/containernetworking/cni/pkg/types"

	"github.com/cni-chain/cni-chain/chain"
)

// Config is the link's part of a conflist. Every boolean is false by default.
type Config struct {
	// IPAM names an IPAM plugin on CNI_PATH in "type"; the rest is that plugin's. "ip-pool" is served in process.
	IPAM json.RawMessage `json:"ipam"`
	// IPAMTimeout is the longest that one call of the IPAM plugin may take, in seconds. Default 120.
	IPAMTimeout int `json:"ipamTimeout"`
	// Addresses are static ones, besides those of IPAM.
	Addresses []Address `json:"addresses"`
	// Routes are added after those of IPAM.
	Routes []Route `json:"routes"`
	// IsGateway puts the gateway of each address on the bridge; one that IPAM does not name is the first of its subnet.
	IsGateway bool `json:"isGateway"`
	// IsDefaultGateway is IsGateway and a default route, per family, where there is none.
	IsDefaultGateway bool `json:"isDefaultGateway"`
	// ForceAddress replaces addresses of the bridge that conflict with the gateway.
	ForceAddress bool `json:"forceAddress"`
	// Bridge is where the gateway goes. Default: the first interface of prevResult.
	Bridge string `json:"bridge"`
	// VLAN is the bridge's VLAN (1 to 4094) that the container is in: the gateway goes on an interface BRIDGE.VLAN.
	VLAN int `json:"vlan"`
	// IPMasq hides what leaves the network behind the host's address; true, or {"ipv4": true, "ipv6": false}.
	IPMasq Masq `json:"ipMasq"`
	// IPMasqBackend is "nftables" (default) or "iptables".
	IPMasqBackend string `json:"ipMasqBackend"`
	// EnableDAD waits until the kernel has looked for duplicates of the IPv6 addresses, which takes a second or two.
	EnableDAD bool `json:"enabledad"`
	// DNS, when any of its fields is set, is the result's in place of IPAM's.
	DNS types.DNS `json:"dns"`
	// RuntimeConfig has the capabilities "ips" and "ipRanges"; Args and IP in CNI_ARGS name addresses too.
	RuntimeConfig Wishes `json:"runtimeConfig"`
	Args          struct {
		CNI Wishes `json:"cni"`
	} `json:"args"`
}

// Codes of this link's errors, beside those of the specification.
const (
	codeExists  uint = 101 // the interface has its addresses already
	codeIPAM    uint = 102 // the IPAM plugin answers nonsense
	codeGateway uint = 103 // the bridge's addresses conflict with the gateway
	codeLacks   uint = 104 // IPv6 is off, or a sysctl cannot be written
	codeCheck   uint = 105 // CHECK: something is missing or changed
)

var plugin = &chain.Plugin[Config]{
	Name:     "ip-config",
	About:    "gives a container's interface addresses, routes, a gateway and masquerade.",
	Place:    chain.Later,
	Defaults: func() Config { return Config{IPAMTimeout: 120, IPMasqBackend: backendNFTables} },
	Add:      add,
	Del:      del,
	Check:    check,
	GC:       gc,
	Status:   status,
}

func main() { plugin.Main() }
