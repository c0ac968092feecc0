// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var jsonBlock = regexp.MustCompile("(?ms)^```jsonc?\n(.*?)^```")

// TestExamplesDecode: every plugin object of ours in a conflist, in an example of a README or a page of docs/ is
// accepted by the plugin's strict decoder.
func TestExamplesDecode(t *testing.T) {
	build(t)
	for name, list := range conflists(t) {
		for _, p := range list.Plugins {
			decode(t, name, p.Bytes)
		}
	}
	for _, page := range tracked(t, "*.md") {
		for _, block := range jsonBlock.FindAllStringSubmatch(read(t, page), -1) {
			decodeExample(t, page, block[1])
		}
	}
}

// decodeExample takes an example for what it is: a list, a plugin's object, or neither (a result, a fragment).
func decodeExample(t *testing.T, page, text string) {
	t.Helper()
	var example struct {
		Type    string
		Plugins []json.RawMessage
		IPAM    json.RawMessage
	}
	if err := json.Unmarshal([]byte(text), &example); err != nil {
		t.Errorf("%s: %v in the example\n%s", page, err, text)
		return
	}
	if example.Type != "" {
		decode(t, page, []byte(text))
	}
	for _, p := range example.Plugins {
		decode(t, page, p)
	}
}

const prevResult = `{"interfaces": [{"name": "cni0"}, {"name": "veth0"}, {"name": "eth0", "sandbox": "/nowhere", "mac": "02:00:00:00:00:01"}],
	"ips": [{"address": "10.88.0.2/24", "interface": 2}]}`

// decode gives the object to the plugin as an ADD whose namespace does not exist. The frame looks at the namespace
// after the configuration, so that a good one is answered with code 8 and a bad one with another code.
func decode(t *testing.T, where string, object []byte) {
	t.Helper()
	var conf map[string]any
	if err := json.Unmarshal(object, &conf); err != nil {
		t.Fatal(err)
	}
	plugin, _ := conf["type"].(string)
	if !slices.Contains(pluginDirs(t), plugin) {
		return
	}
	conf["name"], conf["cniVersion"] = "example", "1.0.0"
	msg, code := "", uint(0)
	for _, prev := range []string{"", prevResult} { // first in the chain, or later
		if prev != "" {
			conf["prevResult"] = json.RawMessage(prev)
		}
		msg, code = add(t, plugin, conf)
		if code == 8 {
			return
		}
	}
	t.Errorf("%s: %s refuses %s: code %d, %s", where, plugin, object, code, msg)
}

func add(t *testing.T, plugin string, conf map[string]any) (string, uint) {
	t.Helper()
	stdin, err := json.Marshal(conf)
	if err != nil {
		t.Fatal(err)
	}
	path, err := filepath.Abs(filepath.Join(root, "bin", plugin))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path)
	cmd.Stdin = strings.NewReader(string(stdin))
	cmd.Env = []string{
		"CNI_COMMAND=ADD", "CNI_CONTAINERID=c", "CNI_IFNAME=eth0", "CNI_NETNS=/nowhere", "CNI_PATH=" + filepath.Dir(path),
	}
	out, _ := cmd.Output() // always an error: the namespace does not exist
	var answer struct {
		Code uint
		Msg  string
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		t.Fatalf("%s answers %q: %v", plugin, out, err)
	}
	return answer.Msg, answer.Code
}
