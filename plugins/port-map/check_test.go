// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestCheckNamesWhatIsMissing: each thing that ADD made is taken away behind its back.
func TestCheckNamesWhatIsMissing(t *testing.T) {
	const table = "nft delete element inet cni-chain "
	keys := map[string]any{"conditionsV6": []string{"-s", "2001:db8::/32"}}
	mappings := []Mapping{web, {HostPort: 53, ContainerPort: 53, Protocol: "udp", HostIP: "192.0.2.1", Range: 2}}
	tests := []struct{ change, says string }{
		{table + "ports-any4 { tcp . 8080 }", "element tcp . 8080 of set ports-any4 is missing"},
		{table + "ports-host4 { 192.0.2.1 . udp . 54 }", "element 192.0.2.1 . udp . 54 of set ports-host4 is missing"},
		{table + "ports-hairpin6 { fd00:88:1::2 . fd00:88:1::2 }", "of set ports-hairpin6 is missing"},
		{table + `ports-behind4 { 10.88.1.2 . "cni0" }`, "element 10.88.1.2 . cni0 of set ports-behind4 is missing"},
		{table + `ports-guard { "cni0" }`, "set ports-guard lacks cni0"},
		{table + "ports-any4 { tcp . 8080 }; nft add element inet cni-chain ports-any4 " +
			`{ tcp . 8080 comment "somebody" : 10.0.0.1 . 80 }`, `belongs to "somebody"`},
		{"nft flush chain inet cni-chain ports-prerouting", `rule "from outside" of chain ports-prerouting is missing`},
		{"nft flush chain inet cni-chain ports-masquerade", "of chain ports-masquerade is missing"},
		{"nft flush chain inet cni-chain ports-conditions", "of chain ports-conditions is missing"},
		{"nft delete chain inet cni-chain ports-output", "chain ports-output of table inet cni-chain is missing"},
		{"nft flush map inet cni-chain ports", "map ports of table inet cni-chain lacks what the attachment has"},
		{"nft flush map inet cni-chain ports-local4", "of set ports-local4 is missing"},
		{"nft delete table inet cni-chain", "nothing is mapped for eth0 of container"},
		{"sysctl -qw net.ipv4.conf.cni0.route_localnet=0", "net/ipv4/conf/cni0/route_localnet is 0, not 1"},
		{"ip -6 route del local ::1 dev cni0 table local", "the local route to ::1 through cni0 is missing"},
	}
	b := newBridge(t, "cni0", "10.88.1.1/24", "fd00:88:1::1/64")
	for _, tt := range tests {
		t.Run(tt.change, func(t *testing.T) {
			inner := b.in(t)
			c := inner.newContainer()
			before := hostState(t)
			c.add(keys, mappings...).OK(t)
			c.check(keys, mappings...).OK(t)
			command(t, "sh", "-c", tt.change)
			c.check(keys, mappings...).Fails(t, codeMissing, tt.says)
			c.del().OK(t)
			after := hostState(t)
			if strings.Contains(tt.change, "somebody") {
				if !strings.Contains(after, "comment somebody") {
					t.Error("DEL has deleted what somebody else put there")
				}
				command(t, "nft", "delete", "table", "inet", "cni-chain")
				after = hostState(t)
			}
			if diff := cmp.Diff(before, after); diff != "" {
				t.Errorf("DEL leaves (-before +after):\n%s", diff)
			}
		})
	}
}

// TestCheckByIPTables: a flush of iptables is said, which does not hurt the other backend.
func TestCheckByIPTables(t *testing.T) {
	eachBackend(t, "", func(t *testing.T, backend string) {
		b := newBridge(t, "cni0", "10.88.1.1/24", "fd00:88:1::1/64")
		c := b.newContainer()
		keys := map[string]any{"backend": backend}
		for _, flush := range []string{"iptables -t nat -F", "ip6tables -t nat -F", "iptables -t raw -F"} {
			c.add(keys, web).OK(t)
			c.check(keys, web).OK(t)
			command(t, "sh", "-c", flush)
			o := c.check(keys, web)
			if backend == backendNFTables {
				o.OK(t)
			} else {
				o.Fails(t, codeMissing, "table "+strings.Fields(flush)[2], "lacks the rule")
			}
			c.del().OK(t)
		}
	})
}
