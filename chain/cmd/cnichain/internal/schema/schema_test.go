// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package schema

import (
	"bytes"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/source"
	"github.com/cni-chain/cni-chain/conflists"
	"github.com/cni-chain/cni-chain/schemas"
)

// compiled are the schemas as another program reads them, one that knows all of JSON Schema.
func compiled(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	err := fs.WalkDir(schemas.FS, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := fs.ReadFile(schemas.FS, name)
		if err != nil {
			return err
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
		if err != nil {
			return err
		}
		return c.AddResource("mem:///"+name, doc)
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("mem:///" + name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSchemasAreSchemas: every file is JSON Schema 2020-12 whose references lead somewhere.
func TestSchemasAreSchemas(t *testing.T) {
	compiled(t, "conflist.json") // and all that it leads to
	set, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range set.Names() {
		compiled(t, set.path(name))
	}
	if n := len(set.Names()); n != 23 {
		t.Errorf("%d plugins, want 5 of ours and 18 of upstream's", n)
	}
}

func TestExamplesAreValid(t *testing.T) {
	s := compiled(t, "conflist.json")
	entries, err := conflists.FS.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		data, err := conflists.FS.ReadFile(entry.Name())
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(doc); err != nil {
			t.Errorf("%s: %v", entry.Name(), err)
		}
	}
}

// TestBothJudgeAlike: what the tool accepts and refuses is what an editor does, but for letter case, which plugins do
// not look at, for null, which they take for nothing, and for the formats, which JSON Schema does not know.
func TestBothJudgeAlike(t *testing.T) {
	set, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ link, text string }{
		{"veth-bridge", `{"type": "veth-bridge", "mtu": "auto", "vlanTrunk": [{"id": 5}], "io.example/x": 1, "_note": ""}`},
		{"veth-bridge", `{"type": "veth-bridge", "mtu": 70000}`},
		{"veth-bridge", `{"type": "veth-bridge", "mtu": "much"}`},
		{"veth-bridge", `{"type": "veth-bridge", "brigde": "cni0"}`},
		{"veth-bridge", `{"type": "veth-bridge", "vlanTrunk": [{"idd": 5}]}`},
		{"ip-config", `{"type": "ip-config", "ipMasq": {"ipv4": true}}`},
		{"ip-config", `{"type": "ip-config", "ipMasq": {"ipv5": true}}`},
		{"ip-config", `{"type": "ip-config", "ipMasq": "yes"}`},
		{"ip-config", `{"type": "ip-config", "routes": [{"gw": "10.0.0.1"}]}`},
		{"ip-config", `{"type": "ip-config", "ipamTimeout": 0}`},
		{"resolv-conf", `{"type": "resolv-conf", "writeTo": ["netns", "/run/{containerID}"], "dns": {"nameservers": ["10.0.0.1"]}}`},
		{"resolv-conf", `{"type": "resolv-conf", "writeTo": []}`},
		{"resolv-conf", `{"type": "resolv-conf", "dns": {"servers": []}}`},
		{"port-map", `{"type": "port-map", "portMappings": [{"hostPort": 1, "containerPort": 65535, "protocol": "UDP"}]}`},
		{"port-map", `{"type": "port-map", "portMappings": [{"hostPort": 0, "containerPort": 1}]}`},
		{"port-map", `{"type": "port-map", "snat": 1}`},
		{"port-map", `{"type": "port-map", "capabilities": {"portMappings": "yes"}}`},
		{"bandwidth", `{"type": "bandwidth", "ingressRate": 8}`},
		{"vrf", `{"type": "vrf"}`},
		{"macvlan", `{"type": "macvlan", "mode": "bridged"}`},
		{"host-local", `{"type": "host-local", "ranges": [[{"subnet": "10.0.0.0/8"}]]}`},
		{"host-local", `{"type": "host-local", "ranges": [{"subnet": "10.0.0.0/8"}]}`},
	} {
		t.Run(test.text, func(t *testing.T) {
			doc, err := source.Read("", []byte(test.text))
			if err != nil {
				t.Fatal(err)
			}
			problems := set.Plugin(test.link).Validate(doc.Root)
			value, err := jsonschema.UnmarshalJSON(strings.NewReader(test.text))
			if err != nil {
				t.Fatal(err)
			}
			err = compiled(t, set.path(test.link)).Validate(value)
			if (err == nil) != (len(problems) == 0) {
				t.Errorf("the tool finds %v, JSON Schema %v", problems, err)
			}
		})
	}
}

func TestProblems(t *testing.T) {
	set, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	type found struct {
		Fault              Fault
		Path, Key, Instead string
		Text               string
	}
	for _, test := range []struct {
		link, text string
		want       []found
	}{
		{"port-map", `{"portMapings": [], "SNAT": true, "snat": "true"}`, []found{
			{Misspelt, "portMapings", "portMappings", "", ""},
			{Case, "SNAT", "snat", "", `is written "snat": plugins take it, editors and other tools do not`},
			{Twice, "snat", "snat", "", "stands twice: the last one counts"},
			{Type, "snat", "", "true", `is "true": it has to be true or false`},
			{Missing, "", "type", "", "is missing"},
		}},
		{"veth-bridge", `{"type": "veth-bridge", "mtu": "1500", "vlan": 5000, "bridge": "a/b"}`, []found{
			{Value, "mtu", "", "", `is "1500": it has to be a whole number from 0 to 65535 or "auto"`},
			{Value, "vlan", "", "", "is 5000: it has to be a whole number from 0 to 4094"},
			{Value, "bridge", "", "", `is "a/b": it has to be an interface's name: at most 15 characters, no space, slash or colon`},
		}},
		{"host-local", `{"type": "host-local", "ranges": [[{"subnet": "10.0.0.5/24", "gateway": "10.0.0.1/24"}]]}`, []found{
			{Value, "ranges[0][0].subnet", "", `"10.0.0.0/24"`, `is "10.0.0.5/24": it has to be a network like 10.1.0.0/16, without bits beyond the prefix`},
			{Value, "ranges[0][0].gateway", "", `"10.0.0.1"`, `is "10.0.0.1/24": it has to be an IP address like 10.1.0.5`},
		}},
	} {
		t.Run(test.link, func(t *testing.T) {
			doc, err := source.Read("", []byte(test.text))
			if err != nil {
				t.Fatal(err)
			}
			var got []found
			for _, p := range set.Plugin(test.link).Validate(doc.Root) {
				got = append(got, found{p.Fault, p.Node.Path, p.Key, p.Instead, p.Text})
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
