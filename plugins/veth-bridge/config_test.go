// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/cni-chain/cni-chain/chain"
)

// decode reads a configuration as the frame does, from the defaults.
func decode(t *testing.T, keys string) *Config {
	t.Helper()
	conf := plugin.Defaults()
	if err := json.Unmarshal([]byte("{"+keys+"}"), &conf); err != nil {
		t.Fatal(err)
	}
	return &conf
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		keys string
		says []string // none: it is fine
	}{
		{``, nil},
		{`"bridge": "br-lan.5", "mtu": 9000, "hairpinMode": true, "vlan": 4094, "uplink": "eth1"`, nil},
		{`"mtu": "auto", "promiscMode": true, "portIsolation": true`, nil},
		{`"mtu": 68`, nil}, {`"mtu": 65535`, nil}, {`"mtu": null`, nil},
		{`"mtu": 67`, []string{"mtu: 67", "68 to 65535"}},
		{`"mtu": 65536`, []string{"mtu: 65536"}},
		{`"mtu": -1`, []string{"mtu: -1"}},
		{`"mtu": 1500.5`, []string{"mtu: 1500.5"}},
		{`"mtu": "1500"`, []string{`mtu: "1500"`, `"auto"`}},
		{`"mtu": "Auto"`, []string{`mtu: "Auto"`}},
		{`"mtu": {"x": 1}`, []string{`mtu: {"x": 1}`}},
		{`"bridge": ""`, []string{`bridge: ""`}},
		{`"bridge": "much-too-long-name"`, []string{`bridge: "much-too-long-name"`}},
		{`"bridge": "a/b"`, []string{`bridge: "a/b"`}},
		{`"bridge": "all"`, []string{`bridge: "all"`, "all interfaces"}},
		{`"uplink": "default"`, []string{`uplink: "default"`}},
		{`"uplink": "cni0"`, []string{`uplink: "cni0"`, "bridge itself"}},
		{`"hairpinMode": true, "promiscMode": true`, []string{"promiscMode: true", "hairpinMode"}},
		{`"vlan": -1`, []string{"vlan: -1"}},
		{`"vlan": 4095`, []string{"vlan: 4095"}},
		{`"vlanTrunk": []`, nil},
		{`"vlanTrunk": [{"id": 5}, {"minID": 7, "maxID": 9}, {"id": 1, "minID": 4094, "maxID": 4094}]`, nil},
		{`"vlanTrunk": [{"id": 0}]`, []string{"vlanTrunk[0].id: 0"}},
		{`"vlanTrunk": [{"id": 4}, {"id": 4095}]`, []string{"vlanTrunk[1].id: 4095"}},
		{`"vlanTrunk": [{"minID": 5}]`, []string{`vlanTrunk[0]: {"minID":5}`, "together"}},
		{`"vlanTrunk": [{"maxID": 5}]`, []string{`vlanTrunk[0]: {"maxID":5}`, "together"}},
		{`"vlanTrunk": [{"minID": 9, "maxID": 8}]`, []string{"maxID is less"}},
		{`"vlanTrunk": [{"minID": -3, "maxID": 8}]`, []string{"vlanTrunk[0].minID: -3"}},
		{`"vlanTrunk": [{"minID": 3, "maxID": 5000}]`, []string{"vlanTrunk[0].maxID: 5000"}},
		{`"vlanTrunk": [{}]`, []string{"vlanTrunk[0]: {}"}},
		{`"runtimeConfig": {"mac": "02:00:00:00:00:01"}, "args": {"cni": {"mac": "02-00-00-00-00-01"}}`, nil},
		{`"runtimeConfig": {"mac": "nonsense"}`, []string{`runtimeConfig.mac: "nonsense"`}},
		{`"runtimeConfig": {"mac": "00:00:00:00:00:00"}`, []string{"zeros"}},
		{`"runtimeConfig": {"mac": "02:00:00:00:00:01:02:03"}`, []string{"six bytes"}},
		{`"args": {"cni": {"mac": "33:33:00:00:00:01"}}`, []string{"args.cni.mac", "group"}},
		{`"vlan": 5000, "mtu": 1, "bridge": "a b"`, []string{"vlan: 5000", "mtu: 1", `bridge: "a b"`}}, // all at once
	} {
		t.Run(c.keys, func(t *testing.T) {
			err := decode(t, c.keys).Validate()
			if len(c.says) == 0 {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			if err == nil || chain.CodeOf(err) != chain.CodeConfig {
				t.Fatalf("got %v, want code %d", err, chain.CodeConfig)
			}
			for _, words := range c.says {
				if !strings.Contains(err.Error(), words) {
					t.Errorf("%q lacks %q", err, words)
				}
			}
		})
	}
}

// TestMisplacedKeys: keys of upstream's bridge that would be accepted and do nothing.
func TestMisplacedKeys(t *testing.T) {
	c := newContainer(t)
	c.run(t, "ADD", `"ipam": {"type": "host-local"}`).Fails(t, 7, "ipam", "ip-config")
	c.run(t, "ADD", `"dns": {"nameservers": ["192.0.2.53"]}`).Fails(t, 7, "dns", "resolv-conf")
	c.run(t, "ADD", `"isGateway": true`).Fails(t, 2, "isGateway")
	c.run(t, "ADD", `"ipam": {}, "dns": {}`).OK(t)
	c.del(t, `"ipam": {"type": "host-local"}`)
}

func TestMTURoundTrip(t *testing.T) {
	for _, m := range []MTU{"1400", `"auto"`} {
		data, err := json.Marshal(m)
		if err != nil || string(data) != string(m) {
			t.Errorf("%s becomes %s, %v", m, data, err)
		}
	}
	if data, _ := json.Marshal(MTU("")); string(data) != "0" {
		t.Errorf("no MTU becomes %s", data)
	}
}

func FuzzConfig(f *testing.F) {
	for _, keys := range []string{`"mtu": "auto"`, `"vlanTrunk": [{"minID": 1, "maxID": 4094}]`,
		`"runtimeConfig": {"mac": "02:00:00:00:00:01"}`} {
		f.Add("{" + keys + "}")
	}
	f.Fuzz(func(t *testing.T, text string) {
		conf := plugin.Defaults()
		if json.Unmarshal([]byte(text), &conf) != nil {
			return
		}
		if err := conf.Validate(); err != nil {
			if chain.CodeOf(err) != chain.CodeConfig {
				t.Errorf("code %d: %v", chain.CodeOf(err), err)
			}
			return
		}
		// What is accepted makes messages, and what they say is accepted again.
		vlanSettings(3, &conf, 1)
		again, err := json.Marshal(conf)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(again, &conf); err != nil || conf.Validate() != nil {
			t.Errorf("%s is accepted, %s is not", text, again)
		}
	})
}
