// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cni-chain/cni-chain/chain/chaintest"
	"github.com/cni-chain/cni-chain/shared/resolv"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

func readme(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

// TestReadmeExamples adds, checks and deletes what the page shows.
func TestReadmeExamples(t *testing.T) {
	ns := testnet.NamedNS(t, "readme")
	mkdir(t, "/run/readme-net")
	t.Cleanup(func() { _ = os.RemoveAll("/run/readme-net") })
	objects := examples(t)
	if len(objects) < 5 {
		t.Fatalf("%d examples", len(objects))
	}
	host := hostFile(t, "nameserver 192.0.2.53\nsearch host.example\n")
	before := world(t, "/run/readme-net")
	for _, object := range objects {
		object = strings.ReplaceAll(object, "/run/{network}", "/run/readme-net/{network}")
		t.Run("", func(t *testing.T) {
			conf := fmt.Sprintf(`{"cniVersion": "1.1.0", "name": "net", "prevResult": {}, "resolvConf": %q, %s`, host,
				strings.TrimSpace(object)[1:])
			for _, verb := range []string{"STATUS", "ADD", "CHECK", "DEL"} {
				chaintest.Run(t, plugin, chaintest.Call{Command: verb, ContainerID: "c1", IfName: "eth0", NetNS: ns.Path,
					Config: conf}).OK(t)
			}
			unchanged(t, before, "/run/readme-net")
		})
	}
}

// examples are the page's objects of this link, alone and in lists.
func examples(t *testing.T) []string {
	t.Helper()
	var objects []string
	for _, block := range regexp.MustCompile("(?s)```json\n(.*?)```").FindAllStringSubmatch(readme(t), -1) {
		var example struct {
			Plugins []json.RawMessage
		}
		if err := json.Unmarshal([]byte(block[1]), &example); err != nil {
			t.Fatalf("%v in %s", err, block[1])
		}
		if example.Plugins == nil {
			example.Plugins = []json.RawMessage{json.RawMessage(block[1])}
		}
		for _, object := range example.Plugins {
			if bytes.Contains(object, []byte(`"resolv-conf"`)) {
				objects = append(objects, string(object))
			}
		}
	}
	return objects
}

// TestReadmeFile: the file that the page shows is one that the link reads and would write.
func TestReadmeFile(t *testing.T) {
	shown := regexp.MustCompile("(?s)```\n(# Written.*?)```").FindStringSubmatch(readme(t))
	if shown == nil {
		t.Fatal("the page shows no file")
	}
	want := content{
		parts: []part{{tag: "cni-chain:podnet/c1/eth0", said: resolv.Config{Servers: []string{"10.0.0.53"}},
			inherited: resolv.Config{Search: []string{"example.org"}}}},
		was: &original{text: "nameserver 192.0.2.1\n"},
	}
	data, _ := want.bytes()
	if diff := cmp.Diff(string(data), shown[1]); diff != "" {
		t.Errorf("(-link +page):\n%s", diff)
	}
}
