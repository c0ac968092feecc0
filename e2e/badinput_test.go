// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/cni-chain/cni-chain/e2e/harness"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// badInput is something that no plugin may accept, the code it must be answered with, and what the sentence must say,
// so that whoever reads it knows what to change.
type badInput struct {
	name   string
	change func(c *harness.Call)
	code   uint
	says   string
}

func badInputs(dir string) []badInput {
	return []badInput{
		{"empty stdin", func(c *harness.Call) { c.Stdin = []byte{} }, 6, `empty`},
		{"truncated stdin", func(c *harness.Call) { c.Stdin = []byte(`{"cniVersion": "1.0.0", "name": "n", "ty`) }, 6, `line 1|ends`},
		{"no object", func(c *harness.Call) { c.Stdin = []byte(`["cniVersion"]`) }, 6, `an object is needed`},
		{"not UTF-8", func(c *harness.Call) { c.Stdin = []byte("{\"name\": \"\xff\xfe\"") }, 6, `JSON|ends`},
		{"name of a wrong type", set("name", 7), 6, `name: a string is needed, got number`},
		{"no name", set("name", nil), 7, `name: "": the network needs a name`},
		{"a path for a name", set("name", "../../etc"), 7, `letters, digits`},
		{"no version", set("cniVersion", nil), 1, `speaks 0\.3\.0`},
		{"version of the future", set("cniVersion", "9.0.0"), 1, `speaks 0\.3\.0`},
		{"unknown key", unknownKey, 2, `unknown key.*"surelyNoKey"`},
		{"unknown command", func(c *harness.Call) { c.Command = "ATTACH" }, 4, `ADD, DEL, CHECK`},
		{"no container ID", func(c *harness.Call) { c.ContainerID = "" }, 4, `CNI_CONTAINERID`},
		{"a path for a container ID", func(c *harness.Call) { c.ContainerID = "../x" }, 4, `CNI_CONTAINERID.*letters`},
		{"no interface name", func(c *harness.Call) { c.IfName = "" }, 4, `CNI_IFNAME`},
		{"long interface name", func(c *harness.Call) { c.IfName = "eth0123456789012345" }, 4, `CNI_IFNAME.*at most 15`},
		{"a path for an interface name", func(c *harness.Call) { c.IfName = "a/b" }, 4, `CNI_IFNAME`},
		{"no namespace", func(c *harness.Call) { c.NetNS = "" }, 4, `CNI_NETNS`},
		{"namespace that is not there", func(c *harness.Call) { c.NetNS = "/run/netns/nowhere" }, 8, `no such file.*before ADD`},
		{"a directory for a namespace", func(c *harness.Call) { c.NetNS = dir }, 8, `is no network namespace: give`},
		{"a file for a namespace", func(c *harness.Call) { c.NetNS = filepath.Join(dir, "file") }, 8, `is no network namespace: give`},
		{"a link to a file for a namespace", func(c *harness.Call) { c.NetNS = filepath.Join(dir, "link") }, 8, `is no network namespace: give`},
		{"another kind of namespace", func(c *harness.Call) { c.NetNS = "/proc/self/ns/mnt" }, 8, `is no network namespace: give`},
		{"the host's own namespace", func(c *harness.Call) { c.NetNS = "/proc/self/ns/net" }, 8, `host's own`},
	}
}

// afterOthers are wrong inputs of a plugin that works on the interface that an earlier one made, prevResults of any
// that takes a prevResult.
var afterOthers = []badInput{
	{"no prevResult", set("prevResult", nil), 7, `no prevResult: put it behind`},
	{"prevResult without the interface", set("prevResult", map[string]any{"interfaces": []any{}}), 7, `prevResult has no (interface "eth0"|address of eth0)`},
}

var prevResults = []badInput{
	{"prevResult of an unsupported version", set("prevResult", map[string]any{"cniVersion": "7.0.0"}), 1, `prevResult.*7\.0\.0`},
	{"prevResult of a wrong type", set("prevResult", "cni0"), 6, `prevResult`},
	{"prevResult with an interface too many", set("prevResult", map[string]any{
		"interfaces": []any{}, "ips": []any{map[string]any{"address": "10.88.0.2/24", "interface": 3}},
	}), 7, `ips\[0\]`},
}

// set changes a key of the configuration; nil removes it.
func set(key string, value any) func(*harness.Call) {
	return func(c *harness.Call) {
		c.Conf[key] = value
		if value == nil {
			delete(c.Conf, key)
		}
	}
}

// unknownKey puts one where the plugin's own keys are.
func unknownKey(c *harness.Call) {
	if ipam, ok := c.Conf["ipam"].(map[string]any); ok && ipam["type"] == c.Plugin {
		ipam["surelyNoKey"] = true
		return
	}
	c.Conf["surelyNoKey"] = true
}

// TestBadInput gives every plugin of ours every wrong input: a CNI error document with the right code and a sentence
// that says what to change, an exit status that is not 0, and a machine that is as it was.
func TestBadInput(t *testing.T) {
	testnet.Need(t)
	dir := t.TempDir()
	must(t, "write a file", os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	must(t, "link to it", os.Symlink("file", filepath.Join(dir, "link")))
	ns := testnet.NewNS(t)
	for _, plugin := range harness.OurPlugins(t) {
		conf, place := exampleOf(t, plugin, ns.Path)
		cases := badInputs(dir)
		if place == "later" {
			cases = append(cases, prevResults...)
		}
		if place == "later" && plugin != "resolv-conf" { // which needs no interface to write a file
			cases = append(cases, afterOthers...)
		}
		t.Run(plugin, func(t *testing.T) {
			for _, c := range cases {
				t.Run(c.name, func(t *testing.T) {
					call := harness.Call{
						Plugin: plugin, Command: "ADD", ContainerID: "container-a", NetNS: ns.Path, IfName: "eth0", Conf: copyOf(conf),
					}
					c.change(&call)
					refused(t, ns, call, c.code, c.says)
				})
			}
		})
	}
}

// refused runs the call, which has to fail without a trace.
func refused(t *testing.T, ns *testnet.NS, call harness.Call, code uint, says string) {
	t.Helper()
	before := testnet.Take(t, ns)
	answer, err := call.Run()
	if err != nil {
		t.Fatal(err)
	}
	failure, err := answer.Failure()
	if err != nil {
		t.Fatal(err)
	}
	if failure.Code != code {
		t.Errorf("code %d, want %d: %s", failure.Code, code, failure.Msg)
	}
	if !strings.HasPrefix(failure.Msg, call.Plugin+": ") || !regexp.MustCompile(says).MatchString(failure.Msg) {
		t.Errorf("it says %q, which is not %q and %q", failure.Msg, call.Plugin+": ", says)
	}
	if diff := testnet.Diff(before, testnet.Take(t, ns)); diff != "" {
		t.Errorf("the machine has changed:\n%s", diff)
	}
}

// exampleOf is the configuration that some conflist has for the plugin, as a runtime would send it, and where it
// stands: "first", "later" or "ipam".
func exampleOf(t *testing.T, plugin, netns string) (conf map[string]any, place string) {
	t.Helper()
	for _, file := range harness.Conflists(t) {
		n := harness.Load(t, file)
		for i, object := range n.Objects() {
			ipam, _ := object["ipam"].(map[string]any)
			if object["type"] != plugin && ipam["type"] != plugin {
				continue
			}
			conf = copyOf(object)
			conf["name"], conf["cniVersion"] = n.List.Name, "1.0.0"
			switch {
			case object["type"] != plugin:
				return conf, "ipam"
			case i == 0:
				return conf, "first"
			}
			conf["prevResult"] = map[string]any{
				"interfaces": []any{
					map[string]any{"name": "cni0"}, map[string]any{"name": "veth0"}, map[string]any{"name": "eth0", "sandbox": netns},
				},
				"ips": []any{map[string]any{"address": "10.88.0.2/24", "interface": 2}},
			}
			conf["runtimeConfig"] = map[string]any{"portMappings": harness.PublishedPorts}
			return conf, "later"
		}
	}
	t.Fatalf("no conflist has %s", plugin)
	return nil, ""
}

// copyOf copies two levels deep, which is as deep as the cases change things.
func copyOf(conf map[string]any) map[string]any {
	conf = maps.Clone(conf)
	for _, key := range slices.Collect(maps.Keys(conf)) {
		if object, ok := conf[key].(map[string]any); ok {
			conf[key] = maps.Clone(object)
		}
	}
	return conf
}
