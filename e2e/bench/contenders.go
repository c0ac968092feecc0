// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strings"
)

// perBridge is how many attachments share a bridge and a network, about as many as a Kubernetes node has pods (110). A
// bridge sends each broadcast to all of its ports, which is the kernel's work and the same for everybody: with 500
// ports on one bridge it adds 8 ms to an ADD of ours, and 15 to one of upstream's. A bridge takes 1,023 ports.
var perBridge = 100

// networkOf is the network of the n-th attachment, both counted from 0.
func networkOf(n int) int { return n / perBridge }

// contender is what is measured: a way to attach a container.
type contender struct {
	Name string
	// List is the conflist of the n-th network; a network has a bridge and a subnet of its own.
	List func(n int) string
}

// The contenders, by name.
const (
	ours       = "cni-chain"
	bare       = "bridge + host-local"
	byIPTables = "bridge + portmap, iptables"
	byNFTables = "bridge + portmap, nftables"
	idle       = "four processes that do nothing"
	floor      = "floor"
)

var contenders = map[string]contender{
	ours: {ours, func(n int) string {
		return list(n, fmt.Sprintf(`{"type":"veth-bridge","bridge":"br%d","hairpinMode":true},
			{"type":"ip-config","isDefaultGateway":true,"ipMasq":true,"ipam":{"type":"ip-pool","subnet":"10.%d.0.0/16"}},
			{"type":"resolv-conf","dns":{"nameservers":["192.0.2.53"]}},
			{"type":"port-map","capabilities":{"portMappings":true}}`, n, 100+n))
	}},
	bare:       {bare, func(n int) string { return list(n, bridge(n, ``)) }},
	byIPTables: {byIPTables, func(n int) string { return list(n, withPortmap(n, "iptables")) }},
	byNFTables: {byNFTables, func(n int) string { return list(n, withPortmap(n, "nftables")) }},
	idle: {idle, func(n int) string {
		return list(n, strings.Join(slices.Repeat([]string{`{"type":"` + nothingName + `"}`}, 4), ","))
	}},
}

func list(n int, plugins string) string {
	return fmt.Sprintf(`{"cniVersion":"1.0.0","name":"net%d","plugins":[%s]}`, n, plugins)
}

func bridge(n int, more string) string {
	return fmt.Sprintf(`{"type":"bridge","bridge":"br%d","hairpinMode":true,"isDefaultGateway":true,%s
		"ipam":{"type":"host-local","subnet":"10.%d.0.0/16"}}`, n, more, 100+n)
}

func withPortmap(n int, backend string) string {
	return bridge(n, fmt.Sprintf(`"ipMasq":true,"ipMasqBackend":%q,`, backend)) +
		fmt.Sprintf(`,{"type":"portmap","backend":%q,"capabilities":{"portMappings":true}}`, backend)
}
