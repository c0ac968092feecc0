// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/chain/chaintest"
)

var example = regexp.MustCompile("(?ms)^```json\n(.*?)^```")

// TestReadmeExamples: the link accepts each example, and each key is explained.
func TestReadmeExamples(t *testing.T) {
	page, err := os.ReadFile("README.md")
	must(t, err)
	checked := 0
	for _, m := range example.FindAllSubmatch(page, -1) {
		doc := decode[struct{ Plugins []json.RawMessage }](t, string(m[1]))
		if doc.Plugins == nil {
			doc.Plugins = append(doc.Plugins, m[1])
		}
		for _, object := range doc.Plugins {
			conf := decode[map[string]any](t, string(object))
			if conf["type"] != plugin.Name {
				continue
			}
			conf["cniVersion"], conf["name"], conf["prevResult"] = "1.1.0", "example", map[string]any{}
			// The namespace is looked at last.
			chaintest.Run(t, plugin, chaintest.Call{Command: "ADD", ContainerID: "c", IfName: "eth0", NetNS: "/nonexistent", Config: conf}).
				Fails(t, chain.CodeNetNS)
			checked++
		}
	}
	if checked < 3 {
		t.Errorf("only %d examples", checked)
	}
	for i := range reflect.TypeFor[Config]().NumField() {
		key := reflect.TypeFor[Config]().Field(i).Tag.Get("json")
		if !strings.Contains(string(page), "`"+key) {
			t.Errorf("README.md does not explain `%s`", key)
		}
	}
}
