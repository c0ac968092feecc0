// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"
	"github.com/containernetworking/cni/pkg/types/create"
	"github.com/google/go-cmp/cmp"

	"github.com/cni-chain/cni-chain/chain"
)

// planText is a plan as an administrator would write it.
func planText(p *plan) string {
	var b strings.Builder
	fmt.Fprintf(&b, "addresses %s\n", addressText(p.addresses))
	for _, r := range p.routes {
		fmt.Fprintf(&b, "route %s", r)
		for _, f := range []struct {
			name  string
			value int
		}{{"mtu", r.mtu}, {"advmss", r.advmss}, {"priority", r.priority}} {
			if f.value != 0 {
				fmt.Fprintf(&b, " %s %d", f.name, f.value)
			}
		}
		if r.scope != nil {
			fmt.Fprintf(&b, " scope %d", *r.scope)
		}
		if r.onlink {
			fmt.Fprint(&b, " onlink")
		}
		fmt.Fprintln(&b)
	}
	if len(p.gateways) > 0 {
		fmt.Fprintf(&b, "bridge %v\n", p.gateways)
	}
	if len(p.masq) > 0 {
		fmt.Fprintf(&b, "masquerade %v\n", p.masq)
	}
	for _, name := range p.forwarding() {
		fmt.Fprintf(&b, "%s\n", name)
	}
	return strings.TrimSpace(b.String())
}

func result(t *testing.T, text string) answer {
	t.Helper()
	r, err := create.Create(current.ImplementedSpecVersion, []byte(strings.Replace(text, "{", `{"cniVersion": "1.1.0", `, 1)))
	must(t, err)
	got, err := answerOf(r)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestPlan(t *testing.T) {
	const v4 = `{"ips": [{"address": "10.1.0.5/16"}]}`
	const dual = `{"ips": [{"address": "10.1.0.5/16", "gateway": "10.1.0.254"}, {"address": "fd00:1::5/64"}]}`
	for _, c := range []struct {
		name, conf, ipam string
		has              found
		want             string
	}{
		{"addresses alone", ``, v4, found{}, "addresses 10.1.0.5/16"},
		{"gateway is the first of the subnet", `"isGateway": true`, dual, found{}, `
addresses 10.1.0.5/16 10.1.0.254, fd00:1::5/64 fd00:1::1
bridge [10.1.0.254/16 fd00:1::1/64]
net/ipv4/ip_forward
net/ipv6/conf/all/forwarding`},
		{"default gateway per family", `"isDefaultGateway": true`, dual, found{}, `
addresses 10.1.0.5/16 10.1.0.254, fd00:1::5/64 fd00:1::1
route default of IPv4 via 10.1.0.254
route default of IPv6 via fd00:1::1
bridge [10.1.0.254/16 fd00:1::1/64]
net/ipv4/ip_forward
net/ipv6/conf/all/forwarding`},
		// Upstream makes two results of one kernel route here.
		{"IPAM's default route without gw", `"isDefaultGateway": true`,
			`{"ips": [{"address": "10.1.0.5/16"}], "routes": [{"dst": "0.0.0.0/0"}]}`, found{}, `
addresses 10.1.0.5/16 10.1.0.1
route default of IPv4 via 10.1.0.1
bridge [10.1.0.1/16]
net/ipv4/ip_forward`},
		{"a default route elsewhere in the container", `"isDefaultGateway": true`, dual, found{default4: true}, `
addresses 10.1.0.5/16 10.1.0.254, fd00:1::5/64 fd00:1::1
route default of IPv6 via fd00:1::1
bridge [10.1.0.254/16 fd00:1::1/64]
net/ipv4/ip_forward
net/ipv6/conf/all/forwarding`},
		{"a default route in another table is none", `"isDefaultGateway": true, "routes": [{"dst": "0.0.0.0/0", "table": 100}]`, v4, found{}, `
addresses 10.1.0.5/16 10.1.0.1
route default of IPv4 via 10.1.0.1 in table 100
route default of IPv4 via 10.1.0.1
bridge [10.1.0.1/16]
net/ipv4/ip_forward`},
		{"all fields of a route", `"routes": [{"dst": "10.9.0.0/16", "gw": "10.1.0.9", "mtu": 1400, "advmss": 1360, "priority": 7, "table": 100, "scope": 0}]`,
			v4, found{}, `
addresses 10.1.0.5/16
route 10.9.0.0/16 via 10.1.0.9 in table 100 mtu 1400 advmss 1360 priority 7 scope 0`},
		{"gateway fallback, not where the scope is the link", `"routes": [{"dst": "10.9.0.0/16"}, {"dst": "10.8.0.0/16", "scope": 253}, {"dst": "fd00:9::/64"}]`,
			dual, found{}, `
addresses 10.1.0.5/16 10.1.0.254, fd00:1::5/64
route 10.9.0.0/16 via 10.1.0.254
route 10.8.0.0/16 scope 253
route fd00:9::/64`},
		{"gateway outside of all subnets", `"routes": [{"dst": "0.0.0.0/0"}, {"dst": "10.9.0.0/16", "gw": "192.0.2.1"}, {"dst": "10.8.0.0/16", "gw": "198.51.100.1"}, {"dst": "::/0", "gw": "fe80::1"}]`,
			`{"ips": [{"address": "10.1.0.5/32", "gateway": "169.254.1.1"}]}`, found{subnets: prefixes("198.51.100.0/24")}, `
addresses 10.1.0.5/32 169.254.1.1
route default of IPv4 via 169.254.1.1 onlink
route 10.9.0.0/16 via 192.0.2.1 onlink
route 10.8.0.0/16 via 198.51.100.1
route default of IPv6 via fe80::1`},
		{"equal-cost paths, and the same route twice", `"routes": [{"dst": "10.9.0.0/16", "gw": "10.1.0.2"}, {"dst": "10.9.0.0/16", "gw": "10.1.0.3"}]`,
			`{"ips": [{"address": "10.1.0.5/16"}], "routes": [{"dst": "10.9.0.0/16", "gw": "10.1.0.2"}]}`, found{}, `
addresses 10.1.0.5/16
route 10.9.0.0/16 via 10.1.0.2
route 10.9.0.0/16 via 10.1.0.3`},
		{"masquerade of one family", `"ipMasq": {"ipv4": true}`, dual, found{}, `
addresses 10.1.0.5/16 10.1.0.254, fd00:1::5/64
masquerade [10.1.0.5/16]
net/ipv4/ip_forward`},
		{"link-local addresses are not masqueraded", `"ipMasq": true`, `{"ips": [{"address": "fe80::5/64"}, {"address": "fd00:1::5/64"}]}`, found{}, `
addresses fe80::5/64, fd00:1::5/64
masquerade [fd00:1::5/64]
net/ipv6/conf/all/forwarding`},
		{"two ranges", `"isDefaultGateway": true`, `{"ips": [{"address": "10.1.0.5/24"}, {"address": "10.2.0.5/24"}]}`, found{}, `
addresses 10.1.0.5/24 10.1.0.1, 10.2.0.5/24 10.2.0.1
route default of IPv4 via 10.1.0.1
bridge [10.1.0.1/24 10.2.0.1/24]
net/ipv4/ip_forward`},
	} {
		t.Run(c.name, func(t *testing.T) {
			conf := decode[Config](t, "{"+c.conf+"}")
			p, err := makePlan(&conf, nil, result(t, c.ipam), c.has)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.TrimSpace(c.want), planText(p)); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

func prefixes(list ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, text := range list {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

func TestPlanRefuses(t *testing.T) {
	for _, c := range []struct{ name, conf, ipam, want string }{
		{"the gateway's address", `"isGateway": true`, `{"ips": [{"address": "10.1.0.1/16"}]}`, "but the gateway's too"},
		{"no room for a gateway", `"isGateway": true`, `{"ips": [{"address": "10.1.0.1/32"}]}`, "no room"},
		{"the same address twice", `"addresses": [{"address": "10.1.0.5/16"}]`, `{"ips": [{"address": "10.1.0.5/24"}]}`, "twice"},
	} {
		t.Run(c.name, func(t *testing.T) {
			conf := decode[Config](t, "{"+c.conf+"}")
			static, err := conf.static(nil)
			if err != nil {
				t.Fatal(err)
			}
			_, err = makePlan(&conf, static, result(t, c.ipam), found{})
			if chain.CodeOf(err) != chain.CodeConfig || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
	if _, err := makePlan(&Config{}, nil, answer{}, found{}); chain.CodeOf(err) != chain.CodeConfig {
		t.Errorf("no addresses at all: %v", err)
	}
}

// TestDNS: any configured field replaces all of IPAM's, explicit empty lists replace it with nothing.
func TestDNS(t *testing.T) {
	ipam := types.DNS{Nameservers: []string{"10.0.0.53"}, Domain: "a.example"}
	prev := types.DNS{Nameservers: []string{"10.0.0.54"}}
	for _, c := range []struct {
		name, conf string
		ipam, want types.DNS
	}{
		{"nothing configured", `{}`, ipam, ipam},
		{"a field", `{"search": ["b.example"]}`, ipam, types.DNS{Search: []string{"b.example"}}},
		{"an empty list", `{"nameservers": []}`, ipam, types.DNS{Nameservers: []string{}}},
		{"neither", `{}`, types.DNS{}, prev},
	} {
		if diff := cmp.Diff(c.want, chooseDNS(decode[types.DNS](t, c.conf), c.ipam, prev)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

// TestConflicts: what may be beside a gateway on the bridge.
func TestConflicts(t *testing.T) {
	ours := func(p string) addr { return addr{prefix: netip.MustParsePrefix(p), origin: origin} }
	others := func(p string) addr { return addr{prefix: netip.MustParsePrefix(p)} }
	for _, c := range []struct {
		name string
		has  addr
		gw   string
		want bool
	}{
		{"another IPv4", others("10.2.0.1/24"), "10.1.0.1/24", true},
		{"the same address, another length", others("10.1.0.1/16"), "10.1.0.1/24", true},
		{"our gateway of another subnet", ours("10.2.0.1/24"), "10.1.0.1/24", false},
		{"our gateway, overlapping", ours("10.1.0.254/16"), "10.1.0.1/24", true},
		{"IPv6, overlapping", others("fd00:1::2/64"), "fd00:1::1/64", true},
		{"IPv6, another subnet", others("fd00:2::1/64"), "fd00:1::1/64", false},
		{"link-local", others("fe80::1/64"), "fd00:1::1/64", false},
		{"the other family", others("10.1.0.1/24"), "fd00:1::1/64", false},
	} {
		if got := len(conflicts([]addr{c.has}, netip.MustParsePrefix(c.gw))) > 0; got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
