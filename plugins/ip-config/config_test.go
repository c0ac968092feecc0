// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/chain/chaintest"
)

// TestConfigurationIsHeldTo: what is wrong is said before anything is done, with the code of the specification and the
// place. The namespace does not exist: whatever is accepted ends with code 8.
func TestConfigurationIsHeldTo(t *testing.T) {
	for _, c := range []struct {
		name, conf string
		code       uint
		words      []string
	}{
		{"all keys", `"ipam": {"type": "host-local", "anything": {"goes": 1}}, "ipamTimeout": 5, "addresses": [{"address": "10.0.0.5/24",
			"gateway": "10.0.0.1"}], "routes": [{"dst": "10.0.0.0/8", "gw": "10.0.0.9", "mtu": 1400, "advmss": 1360, "priority": 5,
			"table": 100, "scope": 0}], "isGateway": true, "isDefaultGateway": true, "forceAddress": true, "bridge": "cni0", "vlan": 7,
			"ipMasq": {"ipv4": true}, "ipMasqBackend": "iptables", "enabledad": true, "dns": {"nameservers": []}`, chain.CodeNetNS, nil},
		{"letter case of a runtime", `"runtimeConfig": {"IPs": ["10.0.0.5/24"], "IPRanges": [[{"Subnet": "10.0.0.0/24"}]]}`, chain.CodeNetNS, nil},
		{"empty ipam", `"ipam": {}`, chain.CodeNetNS, nil},
		{"misspelt key", `"isGatway": true`, chain.CodeUnsupported, []string{`"isGatway"`, "true", `"isGateway"`}},
		{"misspelt key in a route", `"routes": [{"dst": "0.0.0.0/0", "metric": 5}]`, chain.CodeUnsupported, []string{"routes[0].metric"}},
		{"misspelt key of ip-pool", `"ipam": {"type": "ip-pool", "subnett": "10.0.0.0/24"}`, chain.CodeUnsupported, []string{"ipam", `"subnet"`}},
		{"misspelt family", `"ipMasq": {"ipv5": true}`, chain.CodeUnsupported, []string{"ipMasq", "ipv5"}},
		{"ipMasq a number", `"ipMasq": 4`, chain.CodeDecoding, []string{"ipMasq", "4"}},
		{"wrong type", `"isGateway": "yes"`, chain.CodeDecoding, []string{"isGateway"}},
		{"ipam a string", `"ipam": "host-local"`, chain.CodeDecoding, []string{"ipam"}},
		{"ipam without a type", `"ipam": {"subnet": "10.0.0.0/24"}`, chain.CodeConfig, []string{"type", "ip-pool"}},
		{"ipam a path", `"ipam": {"type": "../bin/sh"}`, chain.CodeConfig, []string{"ipam.type", "CNI_PATH"}},
		{"bad pool", `"ipam": {"type": "ip-pool", "subnet": "10.0.0.1/24"}`, chain.CodeConfig, []string{"ipam.subnet", "10.0.0.1/24"}},
		{"address without a length", `"addresses": [{"address": "10.0.0.5"}]`, chain.CodeConfig, []string{"addresses[0].address", "10.0.0.5/24"}},
		{"multicast address", `"addresses": [{"address": "224.0.0.5/24"}]`, chain.CodeConfig, []string{"addresses[0]", "no address"}},
		{"gateway of the other family", `"addresses": [{"address": "10.0.0.5/24", "gateway": "fd00::1"}]`, chain.CodeConfig, []string{"family"}},
		{"own gateway", `"addresses": [{"address": "10.0.0.5/24", "gateway": "10.0.0.5"}]`, chain.CodeConfig, []string{"own gateway"}},
		{"route with host bits", `"routes": [{"dst": "10.0.0.1/8"}]`, chain.CodeConfig, []string{"routes[0]", "10.0.0.0/8"}},
		{"route of two families", `"routes": [{"dst": "10.0.0.0/8", "gw": "fd00::1"}]`, chain.CodeConfig, []string{"routes[0]", "family"}},
		{"scope", `"routes": [{"dst": "10.0.0.0/8", "scope": 300}]`, chain.CodeConfig, []string{"scope is 300"}},
		{"mtu", `"routes": [{"dst": "10.0.0.0/8", "mtu": -1}]`, chain.CodeConfig, []string{"mtu is -1"}},
		{"vlan", `"vlan": 4095`, chain.CodeConfig, []string{"vlan", "4095"}},
		{"bridge", `"bridge": "a/b"`, chain.CodeConfig, []string{"bridge", "a/b"}},
		{"timeout", `"ipamTimeout": 0`, chain.CodeConfig, []string{"ipamTimeout"}},
		{"backend", `"ipMasqBackend": "ebtables"`, chain.CodeConfig, []string{"ipMasqBackend", "ebtables", "nftables"}},
		{"several at once", `"vlan": -1, "bridge": "..", "routes": [{"dst": "x"}]`, chain.CodeConfig, []string{"vlan", "bridge", "routes[0].dst"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := chaintest.Run(t, plugin, chaintest.Call{Command: "ADD", ContainerID: "c1", IfName: "eth0", NetNS: "/nonexistent", Config: `{
				"cniVersion": "1.1.0", "name": "podnet", "type": "ip-config", "prevResult": {}, "capabilities": {"ips": true}, ` + c.conf + `}`})
			o.Fails(t, c.code, c.words...)
		})
	}
}

func TestMasq(t *testing.T) {
	for text, want := range map[string]Masq{
		`true`: {true, true}, `false`: {}, `{"ipv4": true}`: {IPv4: true}, ` {"IPv6": true, "ipv4": false}`: {IPv6: true}, `null`: {},
	} {
		var got Masq
		if err := json.Unmarshal([]byte(text), &got); err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", text, got, err, want)
		}
	}
}

// TestStaticAddresses: without an IPAM plugin to ask, what the runtime wants takes the place of what is configured.
func TestStaticAddresses(t *testing.T) {
	const configured = `"addresses": [{"address": "10.0.0.5/24", "gateway": "10.0.0.1"}, {"address": "fd00::5/64"}]`
	for _, c := range []struct {
		name, conf, arg, want, err string
	}{
		{"configured", configured, "", "10.0.0.5/24 10.0.0.1, fd00::5/64", ""},
		{"with IPAM", configured + `, "ipam": {"type": "x"}, "runtimeConfig": {"ips": ["10.0.0.7"]}`, "10.0.0.8", "10.0.0.5/24 10.0.0.1, fd00::5/64", ""},
		{"capability", `"runtimeConfig": {"ips": ["10.1.0.7/16", "fd01::7/48"]}, "args": {"cni": {"ips": ["10.1.0.8/16"]}}`, "10.1.0.9/16", "10.1.0.7/16, fd01::7/48", ""},
		{"args", `"args": {"cni": {"ips": ["10.1.0.8/16"]}}`, "10.1.0.9/16", "10.1.0.8/16", ""},
		{"CNI_ARGS", ``, "10.1.0.9/16,fd01::9/48", "10.1.0.9/16, fd01::9/48", ""},
		{"in a configured subnet", configured + `, "runtimeConfig": {"ips": ["10.0.0.7"]}`, "", "10.0.0.7/24 10.0.0.1", ""},
		{"no length to be had", configured + `, "runtimeConfig": {"ips": ["10.7.0.7"]}`, "", "", "runtimeConfig.ips"},
		{"no address", ``, "eth0", "", "CNI_ARGS IP"},
		{"bad address", `"args": {"cni": {"ips": ["224.0.0.1/8"]}}`, "", "", "args.cni.ips"},
	} {
		t.Run(c.name, func(t *testing.T) {
			conf := decode[Config](t, "{"+c.conf+"}")
			list, err := conf.static(map[string]string{"IP": c.arg})
			if c.err != "" {
				if chain.CodeOf(err) != chain.CodeConfig || !strings.Contains(err.Error(), c.err) {
					t.Errorf("error %v, want one about %s", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, addressText(list)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func addressText(list []address) string {
	var all []string
	for _, a := range list {
		text := a.prefix.String()
		if a.gateway.IsValid() {
			text += " " + a.gateway.String()
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}
