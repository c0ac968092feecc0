// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func readme(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("README.md")
	must(t, err)
	return string(page)
}

// TestReadmeExamples runs every example: ADD, CHECK, DEL, and nothing is left.
func TestReadmeExamples(t *testing.T) {
	b := newBridge(t, "cni0", "10.88.1.1/24", "fd00:88:1::1/64")
	c := b.newContainer()
	settleBackend(t, b, backends(t)[1])
	// The chain that an example gives the iptables backend is kube-proxy's.
	for _, program := range []string{"iptables", "ip6tables"} {
		command(t, program, "-t", "nat", "-N", "KUBE-MARK-MASQ")
		t.Cleanup(func() { command(t, program, "-t", "nat", "-X", "KUBE-MARK-MASQ") })
	}
	before := hostState(t)
	blocks := regexp.MustCompile("(?s)```json\n(.*?)```").FindAllStringSubmatch(readme(t), -1)
	if len(blocks) != 4 {
		t.Errorf("%d examples", len(blocks))
	}
	for i, block := range blocks {
		t.Run(fmt.Sprintf("example %d", i+1), func(t *testing.T) {
			keys := ownKeys(t, block[1])
			c := c.in(t)
			c.add(keys, Mapping{HostPort: 8081, ContainerPort: 80}).OK(t)
			c.check(keys, Mapping{HostPort: 8081, ContainerPort: 80}).OK(t)
			c.del().OK(t)
			if diff := cmp.Diff(before, hostState(t)); diff != "" {
				t.Errorf("left behind:\n%s", diff)
			}
		})
	}
}

// ownKeys is this link's object in an example.
func ownKeys(t *testing.T, example string) map[string]any {
	t.Helper()
	var list struct {
		Type    string
		Plugins []map[string]any
	}
	var object map[string]any
	must(t, json.Unmarshal([]byte(example), &list))
	must(t, json.Unmarshal([]byte(example), &object))
	if list.Type == "" {
		object = list.Plugins[len(list.Plugins)-1]
	}
	keys := maps.Clone(object)
	if keys["type"] != "port-map" {
		t.Fatalf("the example's last plugin is %v", keys["type"])
	}
	return keys
}

// TestReadmeExplainsEveryKey, those of mappings too.
func TestReadmeExplainsEveryKey(t *testing.T) {
	page := readme(t)
	for _, of := range []reflect.Type{reflect.TypeFor[Config](), reflect.TypeFor[Mapping]()} {
		for field := range of.NumField() {
			key := of.Field(field).Tag.Get("json")
			if key != "runtimeConfig" && !strings.Contains(page, "`"+key+"`") {
				t.Errorf("README.md does not explain `%s`", key)
			}
		}
	}
}
