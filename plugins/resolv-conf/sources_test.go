// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containernetworking/cni/pkg/types"
	"github.com/google/go-cmp/cmp"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/shared/resolv"
)

func TestDecide(t *testing.T) {
	const host = "nameserver 192.0.2.1\nnameserver 127.0.0.1\nsearch host.example\n" +
		"options edns0 ndots:2\nsortlist 192.0.2.0\n"
	hostLeft := resolv.Config{Servers: []string{"192.0.2.1"}, Search: []string{"host.example"},
		Options: []string{"edns0", "ndots:2"}, Other: []string{"sortlist 192.0.2.0"}}
	prev := types.DNS{Nameservers: []string{"198.51.100.1"}, Domain: "prev.example", Options: []string{"rotate"}}
	for _, tc := range []struct {
		name, conf      string // conf without its braces
		host            string
		prev            types.DNS
		said, inherited resolv.Config
		notes           []string // each a part of one
	}{
		{name: "all inherited", host: host, inherited: hostLeft, notes: []string{"127.0.0.1"}},
		{name: "the previous result", host: host, prev: prev,
			said: resolv.Config{Servers: []string{"198.51.100.1"}, Domain: "prev.example", Options: []string{"rotate"}}},
		{name: "the configuration before the previous result, field by field", host: host, prev: prev,
			conf:      `"dns": {"nameservers": ["203.0.113.1"]}`,
			said:      resolv.Config{Servers: []string{"203.0.113.1"}, Domain: "prev.example", Options: []string{"rotate"}},
			inherited: resolv.Config{}},
		{name: "a search list sets aside a weaker domain", host: host, prev: prev,
			conf: `"dns": {"search": ["conf.example"]}`,
			said: resolv.Config{Servers: []string{"198.51.100.1"}, Search: []string{"conf.example"},
				Options: []string{"rotate"}}},
		{name: "the runtime before all", host: host, prev: prev,
			conf: `"dns": {"nameservers": ["203.0.113.1"], "search": ["conf.example"], "options": ["ndots:9"]},
				"runtimeConfig": {"dns": {"Servers": ["203.0.113.9"], "Searches": ["run.example"], "Options": ["ndots:1"]}}`,
			said: resolv.Config{Servers: []string{"203.0.113.9"}, Search: []string{"run.example"},
				Options: []string{"ndots:1"}}},
		{name: "empty lists of the runtime say nothing", host: host,
			conf: `"runtimeConfig": {"dns": {"servers": [], "searches": [], "options": []}},
				"dns": {"nameservers": ["203.0.113.1"]}`,
			said:      resolv.Config{Servers: []string{"203.0.113.1"}},
			inherited: resolv.Config{Search: hostLeft.Search, Options: hostLeft.Options, Other: hostLeft.Other}},
		{name: "empty lists of the configuration say none", host: host, prev: prev,
			conf: `"dns": {"nameservers": [], "search": [], "options": []}`,
			said: resolv.Config{Servers: []string{}, Search: []string{}, Options: []string{}}},
		{name: "append", host: host, prev: prev,
			conf: `"merge": "append",
				"dns": {"nameservers": ["203.0.113.1"], "search": ["conf.example"], "options": ["ndots:9"]}`,
			said: resolv.Config{Servers: []string{"203.0.113.1", "198.51.100.1", "192.0.2.1"}, Domain: "prev.example",
				Search: []string{"conf.example", "host.example"}, Options: []string{"ndots:9", "rotate", "edns0"}},
			inherited: resolv.Config{Other: hostLeft.Other}, notes: []string{"127.0.0.1"}},
		{name: "append to nothing", host: host, conf: `"merge": "append", "dns": {"search": ["conf.example"]}`,
			said:      resolv.Config{Search: []string{"conf.example", "host.example"}},
			inherited: resolv.Config{Servers: hostLeft.Servers, Options: hostLeft.Options, Other: hostLeft.Other},
			notes:     []string{"127.0.0.1"}},
		{name: "fallback", host: "nameserver 127.0.0.1\n", conf: `"fallback": ["203.0.113.1"]`,
			inherited: resolv.Config{Servers: []string{"203.0.113.1"}},
			notes:     []string{"127.0.0.1", "falling back to 203.0.113.1"}},
		{name: "no fallback where there is a server", host: host, conf: `"fallback": ["203.0.113.1"]`, inherited: hostLeft,
			notes: []string{"127.0.0.1"}},
		{name: "limits", conf: `"dns": {"nameservers": ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"],
			"search": ["a", "b", "c", "d", "e", "f", "g"], "options": []}`,
			said: resolv.Config{Servers: []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"},
				Search: []string{"a", "b", "c", "d", "e", "f"}, Options: []string{}},
			notes: []string{"192.0.2.4", "search domains g"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			conf := config(t, tc.conf)
			conf.ResolvConf = hostFile(t, tc.host)
			own, notes, err := decide(conf, tc.prev)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(part{said: tc.said, inherited: tc.inherited}, own, sameContent...); diff != "" {
				t.Errorf("part (-want +got):\n%s", diff)
			}
			if len(notes) != len(tc.notes) {
				t.Fatalf("notes %q, want %d", notes, len(tc.notes))
			}
			for i, word := range tc.notes {
				if !strings.Contains(notes[i], word) {
					t.Errorf("note %q lacks %q", notes[i], word)
				}
			}
		})
	}
}

func TestDecideFails(t *testing.T) {
	for _, tc := range []struct {
		name, conf, host string
		prev             types.DNS
		code             uint
		words            []string
	}{
		{"no server", "", "nameserver 127.0.0.53\nnameserver fe80::1%eth0\n", types.DNS{}, codeNoServer,
			[]string{"127.0.0.53", "fe80::1%eth0", "dns.nameservers", "fallback"}},
		{"no server and no search list either", `"dns": {"search": []}`, "", types.DNS{}, codeNoServer, nil},
		{"a bad value before", "", "nameserver 192.0.2.1\n", types.DNS{Nameservers: []string{"192.0.2.1", "x\nsearch y"}},
			chain.CodeConfig, []string{`prevResult.dns.nameservers[1]: name server "x\nsearch y" is not an IP address`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			conf := config(t, tc.conf)
			conf.ResolvConf = hostFile(t, tc.host)
			_, _, err := decide(conf, tc.prev)
			wantError(t, err, tc.code, tc.words...)
		})
	}
	t.Run("a file that is not there", func(t *testing.T) {
		conf := config(t, "")
		conf.ResolvConf = filepath.Join(t.TempDir(), "none")
		_, _, err := decide(conf, types.DNS{})
		wantError(t, err, chain.CodeConfig, "resolvConf", "none")
	})
	t.Run("a directory", func(t *testing.T) {
		conf := config(t, "")
		conf.ResolvConf = t.TempDir()
		_, _, err := decide(conf, types.DNS{})
		wantError(t, err, chain.CodeIO, "not a regular file")
	})
}

func TestNothingIsInheritedWhenAllIsSaid(t *testing.T) {
	conf := config(t, `"resolvConf": "/nowhere", "dns": {"nameservers": ["192.0.2.1"], "search": [], "options": []}`)
	if _, _, err := decide(conf, types.DNS{}); err != nil {
		t.Errorf("the file is read: %v", err)
	}
}

func TestValidate(t *testing.T) {
	for _, tc := range []struct {
		name, conf string
		words      []string // nil: valid
	}{
		{"nothing", "", nil},
		{"all", `"dns": {"nameservers": ["192.0.2.1", "fe80::1%eth0"], "domain": "a.example", "search": ["."],
			"options": ["rotate"]}, "resolvConf": "/etc/resolv.conf", "fallback": ["192.0.2.1"], "merge": "append",
			"writeTo": ["auto", "/run/a/{netns}"]`, nil},
		{"a server", `"dns": {"nameservers": ["192.0.2.1", "dns.example"]}`, []string{"dns.nameservers[1]", "dns.example"}},
		{"a domain", `"dns": {"domain": "a b"}`, []string{"dns.domain", "a b"}},
		{"a line in a domain", `"dns": {"search": ["a\nnameserver 192.0.2.1"]}`, []string{"dns.search[0]"}},
		{"an option", `"dns": {"options": ["a", "b c"]}`, []string{"dns.options[1]"}},
		{"of the runtime", `"runtimeConfig": {"dns": {"Servers": ["x"], "searches": ["-"], "OPTIONS": ["\n"]}}`,
			[]string{"runtimeConfig.dns.servers[0]", "runtimeConfig.dns.searches[0]", "runtimeConfig.dns.options[0]"}},
		{"fallback", `"fallback": ["x"]`, []string{"fallback[0]"}},
		{"resolvConf", `"resolvConf": "etc/resolv.conf"`, []string{"resolvConf", "absolute"}},
		{"merge", `"merge": "prepend"`, []string{"merge", `"prepend"`, `"append"`}},
		{"no place", `"writeTo": []`, []string{"writeTo", "at least one"}},
		{"none and another", `"writeTo": ["none", "auto"]`, []string{"writeTo", "no other"}},
		{"a word", `"writeTo": "file"`, []string{"writeTo[0]", "absolute path"}},
		{"dots", `"writeTo": "/run/../etc/x"`, []string{"writeTo[0]", "/etc/x"}},
		{"no directory", `"writeTo": "/{network}/x"`, []string{"writeTo[0]", "begin with a directory"}},
		{"a placeholder", `"writeTo": "/run/{pod}"`, []string{"{pod}", "{containerID}"}},
		{"a brace", `"writeTo": "/run/x}"`, []string{"brace"}},
		{"another brace", `"writeTo": "/run/a/{network"`, []string{"brace"}},
		{"a star", `"writeTo": ["/run/*/x"]`, []string{"writeTo[0]", "*"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := config(t, tc.conf).Validate()
			if tc.words == nil && err != nil {
				t.Fatal(err)
			}
			if tc.words != nil {
				wantError(t, err, chain.CodeConfig, tc.words...)
			}
		})
	}
}

// config is a configuration as the frame would decode it.
func config(t *testing.T, fields string) *Config {
	t.Helper()
	conf := plugin.Defaults()
	if err := json.Unmarshal([]byte("{"+fields+"}"), &conf); err != nil {
		t.Fatal(err)
	}
	return &conf
}

func hostFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func wantError(t *testing.T, err error, code uint, words ...string) {
	t.Helper()
	if err == nil || chain.CodeOf(err) != code {
		t.Fatalf("%v, want an error of code %d", err, code)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q lacks %q", err, word)
		}
	}
}
