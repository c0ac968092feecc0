// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/run"
)

func TestParsePort(t *testing.T) {
	for _, tt := range []struct {
		text string
		want portMapping
		err  string
	}{
		{text: "8080:80", want: portMapping{8080, 80, "tcp", ""}},
		{text: "53:5353/udp", want: portMapping{53, 5353, "udp", ""}},
		{text: "192.0.2.1:8080:80", want: portMapping{8080, 80, "tcp", "192.0.2.1"}},
		{text: "[2001:db8::1]:8080:80/sctp", want: portMapping{8080, 80, "sctp", "2001:db8::1"}},
		{text: "80", err: "it is like 8080:80"},
		{text: "", err: "it is like 8080:80"},
		{text: "8080:80/icmp", err: `the protocol is "icmp"`},
		{text: "8080:80/", err: `the protocol is ""`},
		{text: "0:80", err: `"0" is no port`},
		{text: "8080:65536", err: `"65536" is no port`},
		{text: "-1:80", err: `"-1" is no port`},
		{text: "host:8080:80", err: `"host" is no IP address`},
		{text: ":8080:80", err: `"" is no IP address`},
	} {
		t.Run(tt.text, func(t *testing.T) {
			got, err := parsePort(tt.text)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("got %v, want %q", err, tt.err)
				}
				return
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
				t.Errorf("%v %s", err, diff)
			}
		})
	}
}

const everything = `{"cniVersion": "1.1.0", "name": "n", "plugins": [{"type": "p", "capabilities": {
	"portMappings": true, "ips": true, "mac": true, "dns": true, "bandwidth": false}}]}`

func TestCapabilities(t *testing.T) {
	input := filepath.Join(t.TempDir(), "input.json")
	given := `{"runtimeConfig": {"mac": "02:00:00:00:00:09", "other": 1}}`
	if err := os.WriteFile(input, []byte(given), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		flags capabilityFlags
		stdin string
		want  map[string]any
		err   string
	}{
		{name: "none"},
		{
			name: "all",
			flags: capabilityFlags{
				ports: []string{"8080:80"}, ips: []string{"10.0.0.5", "fd00::5/64"}, mac: "02:00:00:00:00:01",
				servers: []string{"192.0.2.53"}, searches: []string{"example.org"}, resolverOptions: []string{"ndots:2"},
			},
			want: map[string]any{
				"portMappings": []portMapping{{8080, 80, "tcp", ""}},
				"ips":          []string{"10.0.0.5", "fd00::5/64"},
				"mac":          "02:00:00:00:00:01",
				"dns": map[string]any{
					"servers": []string{"192.0.2.53"}, "searches": []string{"example.org"}, "options": []string{"ndots:2"},
				},
			},
		},
		{
			name: "file", flags: capabilityFlags{input: input},
			want: map[string]any{"mac": "02:00:00:00:00:09", "other": 1.0},
		},
		{
			name: "flags win over stdin", flags: capabilityFlags{input: "-", mac: "02:00:00:00:00:01"},
			stdin: `{"mac": "02:00:00:00:00:09", "ips": ["10.0.0.1"]}`,
			want:  map[string]any{"mac": "02:00:00:00:00:01", "ips": []any{"10.0.0.1"}},
		},
		{name: "no JSON", flags: capabilityFlags{input: "-"}, stdin: "{", err: "--input -: 1:2: the file ends"},
		{name: "no object", flags: capabilityFlags{input: "-"}, stdin: "[]", err: "not a JSON object like"},
		{name: "no file", flags: capabilityFlags{input: "/nowhere"}, err: "no such file"},
		{name: "bad port", flags: capabilityFlags{ports: []string{"x"}}, err: `--port "x": it is like`},
		{name: "bad ip", flags: capabilityFlags{ips: []string{"10.0.0"}}, err: `--ip "10.0.0": not an address`},
		{name: "bad mac", flags: capabilityFlags{mac: "zz"}, err: `--mac "zz": not a MAC`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := run.Parse("c", []byte(everything))
			if err != nil {
				t.Fatal(err)
			}
			got, err := tt.flags.read(c, strings.NewReader(tt.stdin))
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("got %v, want %q", err, tt.err)
				}
				return
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
				t.Errorf("%v %s", err, diff)
			}
		})
	}
}

func TestCommandLineErrors(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	write("there", "")
	plain := write("plain.conflist", `{"cniVersion": "1.0.0", "name": "n", "plugins": [{"type": "there"}]}`)
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"no command", []string{"nosuch"}, `unknown command "nosuch"`},
		{"no namespace", []string{"add", plain}, "accepts 2 arg(s), received 1"},
		{"no conflist", []string{"add", dir + "/none", "blue"}, "read the conflist: open"},
		{"broken", []string{"add", write("broken", "{\n  \"name\": }"), "blue"}, "broken:2:11: invalid character"},
		{"one plugin", []string{"add", write("conf", `{"name": "n", "type": "bridge"}`), "blue"}, "not a conflist"},
		{"no plugins", []string{"add", write("empty", `{"name": "n"}`), "blue"}, "no plugins, neither"},
		{"missing plugins", []string{"add", write("missing", "{\"name\": \"n\", \"plugins\": [{\"type\": \"there\"},\n"+
			`{"type": "bridge", "ipam": {"type": "host-local"}}, {"type": "ip-config", "ipam": {"type": "ip-pool"}}]}`), "blue"},
			"names plugins that are not there:\n  bridge         (plugins[1], line 2)\n" +
				"  host-local     (plugins[1].ipam, line 2)\n  ip-config      (plugins[2], line 2)\n" +
				"looked in:\n  " + dir + "\nput them"},
		{"unknown namespace", []string{"add", plain, "nosuchns"},
			`there is no network namespace "nosuchns": make it with "ip netns add nosuchns"`},
		{"no namespace at all", []string{"add", plain, "."}, `network namespace "."`},
		{"capability that no link takes", []string{"add", plain, "blue", "--port", "1:1"},
			`one needs "capabilities": {"portMappings": true}`},
		{"args", []string{"add", plain, "blue", "--args", "K"}, `--args "K": not a pair`},
		{"output", []string{"status", plain, "-o", "xml"}, `--output "xml": it is text or json`},
		{"keep", []string{"gc", plain, "--keep", "blue"}, `--keep "blue": it is a container ID and an interface`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := tt.args
			if args[0] != "nosuch" {
				args = append(args, "--plugin-path", dir)
			}
			var stdout, stderr bytes.Buffer
			code := execute(context.Background(), args, nil, &stdout, &stderr)
			if code != 1 || !strings.HasPrefix(stderr.String(), "cnichain: ") || !strings.Contains(stderr.String(), tt.want) {
				t.Errorf("exit status %d, stderr %swant %s", code, &stderr, tt.want)
			}
			if stdout.Len() > 0 {
				t.Errorf("stdout: %s", &stdout)
			}
		})
	}
}
