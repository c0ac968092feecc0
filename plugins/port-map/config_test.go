// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cni-chain/cni-chain/chain"
)

func mapped(mappings ...Mapping) Config { return Config{PortMappings: mappings} }

func TestValidate(t *testing.T) {
	bit := func(n int) *int { return &n }
	name := func(s string) *string { return &s }
	tests := []struct {
		name   string
		config Config
		want   string // "" is valid; else words of the error
	}{
		{"nothing", Config{}, ""},
		{"upper case", mapped(Mapping{HostPort: 80, ContainerPort: 80, Protocol: "TCP"}), ""},
		{"sctp", mapped(Mapping{HostPort: 80, ContainerPort: 80, Protocol: "sctp"}), ""},
		{"no host port", mapped(Mapping{ContainerPort: 80}), "portMappings[0].hostPort: 0: a port is 1 to 65535"},
		{"no container port", mapped(Mapping{HostPort: 80}), "containerPort: 0"},
		{"large port", mapped(Mapping{HostPort: 65536, ContainerPort: 80}), "hostPort: 65536"},
		{"negative port", mapped(Mapping{HostPort: 80, ContainerPort: -1}), "containerPort: -1"},
		{"protocol", mapped(Mapping{HostPort: 80, ContainerPort: 80, Protocol: "icmp"}), `protocol: "icmp": it is "tcp"`},
		{"garbage address", mapped(Mapping{HostPort: 80, ContainerPort: 80, HostIP: "garbage"}),
			`portMappings[0].hostIP: "garbage": it is no IP address`},
		{"address with a zone", mapped(Mapping{HostPort: 80, ContainerPort: 80, HostIP: "fe80::1%eth0"}), "zone"},
		{"multicast", mapped(Mapping{HostPort: 80, ContainerPort: 80, HostIP: "224.0.0.1"}), "multicast"},
		{"range", mapped(Mapping{HostPort: 65535, ContainerPort: 80, Range: 2}),
			"from hostPort 65535 on there are not so many"},
		{"negative range", mapped(Mapping{HostPort: 80, ContainerPort: 80, Range: -1}), "range: -1"},
		{"whole range", mapped(Mapping{HostPort: 1, ContainerPort: 1, Range: 65535}), ""},
		{"twice", mapped(Mapping{HostPort: 80, ContainerPort: 80}, Mapping{HostPort: 80, ContainerPort: 81}),
			"portMappings[1].hostPort: 80: tcp port 80 of all addresses is mapped by portMappings[0] already"},
		{"twice in ranges", mapped(Mapping{HostPort: 80, ContainerPort: 80, Range: 10},
			Mapping{HostPort: 85, ContainerPort: 81}), "tcp port 85"},
		{"all and one", mapped(Mapping{HostPort: 80, ContainerPort: 80},
			Mapping{HostPort: 80, ContainerPort: 80, HostIP: "192.0.2.1"}), "already"},
		{"two addresses", mapped(Mapping{HostPort: 80, ContainerPort: 80, HostIP: "192.0.2.2"},
			Mapping{HostPort: 80, ContainerPort: 80, HostIP: "192.0.2.1"}), ""},
		{"two families", mapped(Mapping{HostPort: 80, ContainerPort: 80, HostIP: "0.0.0.0"},
			Mapping{HostPort: 80, ContainerPort: 80, HostIP: "::"}), ""},
		{"two protocols", mapped(Mapping{HostPort: 80, ContainerPort: 80},
			Mapping{HostPort: 80, ContainerPort: 80, Protocol: "udp"}), ""},
		{"mapped IPv4", mapped(Mapping{HostPort: 80, ContainerPort: 80, HostIP: "::ffff:192.0.2.1"},
			Mapping{HostPort: 80, ContainerPort: 80, HostIP: "192.0.2.1"}), "already"},
		{"backend", Config{Backend: "nft"}, `backend: "nft": it is one of ["nftables" "iptables"]`},
		{"listeners", Config{Listeners: "no"}, `listeners: "no"`},
		{"bit", Config{MarkMasqBit: bit(32)}, "markMasqBit: 32"},
		{"bit and chain", Config{MarkMasqBit: bit(1), ExternalSetMarkChain: name("X")}, "markMasqBit excludes it"},
		{"chain", Config{ExternalSetMarkChain: name("-j DROP")}, "externalSetMarkChain"},
		{"conditions", Config{ConditionsV4: []string{"-p", "tcp"}},
			`conditionsV4: "-p tcp": "-p" is not supported; supported are`},
		{"lines in conditions", Config{Backend: "iptables", ConditionsV4: []string{"-p", "tcp\nCOMMIT"}}, "conditionsV4"},
		{"conditions of iptables", Config{Backend: "iptables", ConditionsV4: []string{"-p", "tcp"}}, ""},
		{"conditions of the other family", Config{ConditionsV6: []string{"ip", "saddr", "192.0.2.1"}}, "is no IPv6 address"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.config.Validate()
			if tt.want == "" && err == nil {
				return
			}
			if err == nil || tt.want == "" || !strings.Contains(err.Error(), tt.want) || chain.CodeOf(err) != chain.CodeConfig {
				t.Errorf("error is %v (code %d), want %q", err, chain.CodeOf(err), tt.want)
			}
		})
	}
}

// TestRuntimeAndStatic: mappings of the configuration come first, and the runtime's are named by their path.
func TestRuntimeAndStatic(t *testing.T) {
	c := mapped(Mapping{HostPort: 80, ContainerPort: 80})
	c.RuntimeConfig.PortMappings = []Mapping{{HostPort: 81, ContainerPort: 80}, {HostPort: 80, ContainerPort: 80}}
	_, err := c.ports()
	if err == nil || !strings.HasPrefix(err.Error(), "runtimeConfig.portMappings[1].hostPort: 80: ") {
		t.Errorf("error is %v", err)
	}
}

func TestConditions(t *testing.T) {
	tests := []struct {
		words string
		want  string // in the words of iptables, or a part of the error
		fails bool
	}{
		{"ip saddr 192.168.0.0/16", "-s 192.168.0.0/16", false},
		{"ip saddr != 192.168.1.1/16", "! -s 192.168.0.0/16", false},
		{"ip daddr 192.0.2.1 iifname eth0", "-d 192.0.2.1/32 -i eth0", false},
		{`iif != "eth0"`, "! -i eth0", false},
		{"iifname eth* meta mark 0x10", "-i eth+ -m mark --mark 0x10/0xffffffff", false},
		{"-s 192.0.2.1", "-s 192.0.2.1/32", false},
		{"! -d 192.0.2.0/24 -i eth+", "! -d 192.0.2.0/24 -i eth+", false},
		{"-m mark ! --mark 0x1/0x3", "-m mark ! --mark 0x1/0x3", false},
		{"--source 10.0.0.0/8 ! --in-interface wg0", "-s 10.0.0.0/8 ! -i wg0", false},
		{"", "", false},
		{"ip", "ends in the middle", true},
		{"ip saddr", "ends in the middle", true},
		{"ip saddr !=", "ends in the middle", true},
		{"-s", "ends in the middle", true},
		{"!", "ends in the middle", true},
		{"ip saddr { 10.0.0.1, 10.0.0.2 }", "no address or prefix", true},
		{"ip saddr 2001:db8::1", "is no IPv4 address", true},
		{"tcp sport 1024", `"tcp" is not supported`, true},
		{"-m set --match-set x src", `"-m set" is not supported`, true},
		{"-j DROP", `"-j" is not supported`, true},
		{"iifname averylonginterfacename", "no interface name", true},
		{"meta mark 0x1ffffffff", "no packet mark", true},
	}
	for _, tt := range tests {
		t.Run(tt.words, func(t *testing.T) {
			list, err := parseConditions(v4, []string{tt.words})
			split, err2 := parseConditions(v4, strings.Fields(tt.words))
			if diff := cmp.Diff(fmt.Sprint(list, err), fmt.Sprint(split, err2)); diff != "" {
				t.Errorf("one string and many differ:\n%s", diff)
			}
			switch {
			case tt.fails && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("error is %v, want %q", err, tt.want)
			case !tt.fails && (err != nil || conditionText(list) != tt.want):
				t.Errorf("got %q, %v, want %q", conditionText(list), err, tt.want)
			}
		})
	}
}

// TestPortLists: a rule matches as many ports as the kernel takes, a range counts two.
func TestPortLists(t *testing.T) {
	var ports []port
	for i := range 14 {
		ports = append(ports, port{host: uint16(100 + 2*i), count: 1})
	}
	ports = append(ports, port{host: 8000, count: 100}, port{host: 9000, count: 1})
	want := []string{"100,102,104,106,108,110,112,114,116,118,120,122,124,126", "8000:8099,9000"}
	if diff := cmp.Diff(want, portLists(ports)); diff != "" {
		t.Error(diff)
	}
}

// FuzzConditions: no words make the parser panic, and what it accepts it accepts again as it writes it.
func FuzzConditions(f *testing.F) {
	for _, words := range []string{"ip saddr != 10.0.0.0/8", "! -s 10.0.0.0/8 -i eth+", "-m mark ! --mark 1/3", "iif x"} {
		f.Add(words)
	}
	f.Fuzz(func(t *testing.T, words string) {
		list, err := parseConditions(v4, []string{words})
		if err != nil || len(list) == 0 {
			return
		}
		text := conditionText(list)
		again, err := parseConditions(v4, []string{text})
		if err != nil || conditionText(again) != text {
			t.Errorf("%q is written %q, which reads as %q, %v", words, text, conditionText(again), err)
		}
	})
}

// FuzzMappings: whatever a runtime sends is refused with code 7 or is in bounds.
func FuzzMappings(f *testing.F) {
	f.Add(80, 80, "tcp", "192.0.2.1", 1)
	f.Add(65535, 1, "UDP", "::", 70000)
	f.Fuzz(func(t *testing.T, host, target int, proto, addr string, count int) {
		c := mapped(Mapping{HostPort: host, ContainerPort: target, Protocol: proto, HostIP: addr, Range: count})
		ports, err := c.ports()
		if err != nil {
			if chain.CodeOf(err) != chain.CodeConfig {
				t.Errorf("code %d: %v", chain.CodeOf(err), err)
			}
			return
		}
		p := ports[0]
		if p.host == 0 || p.target == 0 || int(p.host)+p.count > 65536 || int(p.target)+p.count > 65536 || p.count < 1 {
			t.Errorf("out of bounds: %+v", p)
		}
	})
}
