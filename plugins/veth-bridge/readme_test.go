// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/cni-chain/cni-chain/shared/testnet"
)

// TestReadmeExamples runs every example of the README: ADD, CHECK, DEL, and nothing is left but the bridge.
func TestReadmeExamples(t *testing.T) {
	page, err := os.ReadFile("README.md")
	must(t, err)
	blocks := regexp.MustCompile("(?ms)^```json\n(.*?)^```").FindAllStringSubmatch(string(page), -1)
	if len(blocks) < 4 {
		t.Fatalf("%d examples", len(blocks))
	}
	for _, block := range blocks {
		var example struct {
			Bridge, Uplink string
			MTU            MTU
			Vlan           int
			Plugins        []json.RawMessage
		}
		must(t, json.Unmarshal([]byte(block[1]), &example))
		text := block[1]
		if len(example.Plugins) > 0 {
			text = string(example.Plugins[0])
			must(t, json.Unmarshal(example.Plugins[0], &example))
		}
		t.Run(example.Bridge, func(t *testing.T) {
			c := newContainer(t)
			if example.Uplink != "" {
				addVeth(t, example.Uplink)
			}
			addBridge(t, "probe0", 0, false)
			keys := strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(text), "{"), "}")
			keys = strings.Replace(keys, `"type": "veth-bridge", `, "", 1)
			if example.Vlan != 0 && !kernelFilters(t, "probe0") {
				c.run(t, "ADD", keys).Fails(t, codeLacks)
				testnet.Lacks(t, "VLAN filtering of bridges")
			}
			before := testnet.Take(t, c.ns)
			c.check(t, keys, c.add(t, keys)).OK(t)
			c.del(t, with(keys, `"_": 0`))
			c.del(t, `"removeBridge": true, "bridge": "`+example.Bridge+`", "uplink": "`+example.Uplink+`"`)
			same(t, before, c.ns)
		})
	}
}
