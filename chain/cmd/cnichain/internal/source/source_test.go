// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const conflist = `{
  "name": "net",
  "plugins": [
    { "type": "veth-bridge",
      "mtu": 1400 },
    {
      "type": "ip-config",
      "ipam": { "ranges": [[{"subnet": "10.0.0.0/24"}]] }
    }
  ]
}`

func TestFind(t *testing.T) {
	index, err := Parse([]byte(conflist))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]Position{
		"name":                                {2, 3},
		"plugins[0]":                          {4, 5},
		"plugins[0].mtu":                      {5, 7},
		"plugins[1]":                          {6, 5},
		"plugins[1].ipam":                     {8, 7},
		"plugins[1].ipam.ranges[0][0].subnet": {8, 30},
	} {
		got, ok := index.Find(path)
		if diff := cmp.Diff(want, got); !ok || diff != "" {
			t.Errorf("%s: found %v, %s", path, ok, diff)
		}
	}
	if _, ok := index.Find("plugins[2]"); ok {
		t.Error("found what is not there")
	}
}

func TestNamed(t *testing.T) {
	index, err := Parse([]byte(conflist))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, prefix, text, want string }{
		{"first word", "plugins[0]", "veth-bridge: mtu: 12: too small", "plugins[0].mtu"},
		{"quoted", "plugins[0]", `veth-bridge: unknown key "mtu" (did you mean`, "plugins[0].mtu"},
		{"deepest", "plugins[1]", `ip-config: ipam.ranges[0][0].subnet: "x"`, "plugins[1].ipam.ranges[0][0].subnet"},
		{"full stop", "plugins[1]", "something is wrong with ipam.", "plugins[1].ipam"},
		{"other plugin's key", "plugins[1]", "mtu: 12", ""},
		{"part of a word", "plugins[0]", "mtus and xmtu", ""},
		{"part of a path", "plugins[1]", "ipam.type: missing", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, _ := index.Named(tt.prefix, tt.text)
			if got.Path != tt.want {
				t.Errorf("got %q, want %q", got.Path, tt.want)
			}
		})
	}
}

func TestSyntaxError(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "", "1:1: the file ends in the middle of the document"},
		{"truncated", "{\n  \"a\": [1,\n", "2:11: the file ends in the middle of the document"},
		{"comma before the end", "{\n \"a\": 1,\n}", "3:1: invalid character '}'"},
		{"no comma", "{\"a\": 1 \"b\": 2}", "1:9: invalid character '\"' after object key:value pair"},
		{"two documents", "{}\n{}", "2:1: invalid character '{' after top-level value"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse([]byte(tt.text))
			if err == nil || len(err.Error()) < len(tt.want) || err.Error()[:len(tt.want)] != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(conflist))
	f.Add([]byte(`{"a":1 "b"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if index, err := Parse(data); err == nil {
			for _, e := range index {
				if e.Line < 1 || e.Column < 1 {
					t.Errorf("%q is at %s", e.Path, e.Position)
				}
			}
		}
	})
}
