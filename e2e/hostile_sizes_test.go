// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/cni-chain/cni-chain/e2e/harness"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// TestHostileConfigurations: large, deep, repetitive, endless. Every plugin answers in time, by an error document and
// without a trace, or does what it is asked to, so that DEL leaves no trace.
func TestHostileConfigurations(t *testing.T) {
	testnet.Need(t)
	ns := testnet.NewNS(t)
	for _, plugin := range harness.OurPlugins(t) {
		conf, place := exampleOf(t, plugin, ns.Path)
		size, large := 128<<10, plugin == "veth-bridge"
		if large {
			size = 10 << 20 // reading is the frame's, and the same for all
		}
		cases := ofSize(t, conf, size)
		if place == "later" {
			for name, stdin := range previous(t, conf, ns.Path) {
				cases[name] = stdin
			}
		}
		t.Run(plugin, func(t *testing.T) {
			before := testnet.Take(t, ns)
			for name, stdin := range cases {
				call := harness.Call{Plugin: plugin, ContainerID: "c", NetNS: ns.Path, IfName: "eth0", Stdin: stdin}
				call.Command = "ADD"
				done := survives(t, name, call)
				call.Command = "DEL"
				if done || !large {
					survives(t, name, call)
				}
			}
			if diff := uncounted(testnet.Diff(before, testnet.Take(t, ns))); diff != "" {
				t.Errorf("the machine has changed:\n%s", diff)
			}
		})
	}
}

// ofSize are configurations of about so many bytes.
func ofSize(t *testing.T, conf map[string]any, size int) map[string][]byte {
	t.Helper()
	deep := func(open, end string) []byte {
		open, end = strings.Repeat(open, 100_000), strings.Repeat(end, 100_000)
		return []byte(`{"cniVersion": "1.1.0", "name": "n", "args": ` + open + "1" + end + "}")
	}
	keys := manyKeys(size / 16)
	first := func(s string) []byte { return append([]byte("{"+s+","), with(t, conf, "x", 1)[1:]...) }
	return map[string][]byte{
		"a large string":           with(t, conf, "surelyNoKey", strings.Repeat("x", size)),
		"a large name":             with(t, conf, "name", strings.Repeat("x", size)),
		"a large key":              with(t, conf, strings.Repeat("k", size), 1),
		"many keys":                first(string(keys[1 : len(keys)-1])),
		"many keys in one":         with(t, conf, "surelyNoKey", keys),
		"many times a key":         first(strings.TrimSuffix(strings.Repeat(`"type":"x",`, size/11), ",")),
		"many times prevResult":    first(strings.TrimSuffix(strings.Repeat(`"prevResult":{},`, size/16), ",")),
		"many numbers":             with(t, conf, "surelyNoKey", written("["+strings.Repeat("1,", size/2)+"1]")),
		"a number of many digits":  with(t, conf, "mtu", written(strings.Repeat("1", size))),
		"objects that never end":   bytes.Repeat([]byte(`{"a":`), size/5),
		"nothing but NUL":          make([]byte, size),
		"100,000 levels of lists":  deep("[", "]"),
		"100,000 levels of keys":   deep(`{"a":`, "}"),
		"a key twice":              with(t, conf, "Type", "x"),
		"a number without an end":  []byte(`{"cniVersion": "1.1.0", "name": "n", "mtu": 1e999999999}`),
		"two documents":            []byte(`{"cniVersion": "1.1.0", "name": "n"}{"cniVersion": "1.1.0", "name": "m"}`),
		"a byte order mark, UTF-8": append([]byte("\xef\xbb\xbf"), with(t, conf, "x", 1)...),
	}
}

// previous are configurations with a prevResult that somebody else has made large.
func previous(t *testing.T, conf map[string]any, netns string) map[string][]byte {
	t.Helper()
	const many = 20_000
	list := func(format string) string {
		var b strings.Builder
		for i := range many {
			fmt.Fprintf(&b, ", "+format, i>>8&255, i&255)
		}
		return b.String()
	}
	prev := func(interfaces, ips, routes string) []byte {
		return with(t, conf, "prevResult", written(fmt.Sprintf(`{"interfaces": [{"name": "eth0", "sandbox": %q}%s],
			"ips": [{"address": "10.88.0.2/24", "interface": 0}%s], "routes": [{"dst": "0.0.0.0/0"}%s]}`, netns, interfaces, ips, routes)))
	}
	return map[string][]byte{
		"20,000 interfaces": prev(list(`{"name": "x%d.%d", "more": 1}`), "", ""),
		"20,000 addresses":  prev("", list(`{"address": "10.88.%d.%d/16", "interface": 0, "more": 1}`), ""),
		"20,000 routes":     prev("", "", list(`{"dst": "10.88.%d.%d/32", "more": 1}`)),
	}
}

// survives makes a call that has to end by a document, whatever it says, or do what it is asked to.
func survives(t *testing.T, name string, call harness.Call) (done bool) {
	t.Helper()
	answer, err := call.Run()
	must(t, call.Command+", "+name, err)
	if answer.Exit == 0 {
		return true
	}
	failure, err := answer.Failure()
	must(t, call.Command+", "+name, err)
	if err := fitsALog(answer, failure); err != nil {
		t.Errorf("%s, %s: %v", call.Command, name, err)
	}
	return false
}

// uncounted is a difference without what ip-pool and veth-bridge leave on purpose, and the lines that name namespaces.
func uncounted(diff string) string {
	var left []string
	for _, line := range strings.Split(diff, "\n") {
		files := strings.Contains(line, "file /run/cni-chain")
		purpose := files && (strings.Contains(line, "mode d") || strings.Contains(line, "/position:"))
		if strings.HasPrefix(line, " ") && !purpose && !strings.Contains(line, "cni0") {
			left = append(left, line)
		}
	}
	return strings.Join(left, "\n")
}

// written is JSON as it stands.
type written string

// manyKeys is an object.
func manyKeys(n int) written {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"key%d":1`, i)
	}
	return written("{" + b.String()[1:] + "}")
}
