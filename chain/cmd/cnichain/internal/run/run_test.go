// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package run

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/source"
)

func TestParseTarget(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		text string
		want Target
		id   string
	}{
		{"blue", Target{"blue", "/run/netns/blue"}, "blue"},
		{"/run/netns/blue", Target{"blue", "/run/netns/blue"}, "blue"},
		{"/var/run/netns/blue", Target{"blue", "/run/netns/blue"}, "blue"},
		{"/run/netns/../netns/blue", Target{"blue", "/run/netns/blue"}, "blue"},
		{"/proc/77/ns/net", Target{"/proc/77/ns/net", "/proc/77/ns/net"}, "netns-b8eef59679d9"},
		{"./x", Target{here + "/x", here + "/x"}, ""},
		{"a name", Target{"a name", "/run/netns/a name"}, "netns-a73bd41b175e"}, // no container ID can have a space
	} {
		t.Run(tt.text, func(t *testing.T) {
			got, err := ParseTarget(tt.text)
			if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
				t.Errorf("%v %s", err, diff)
			}
			if id := got.ContainerID(); tt.id != "" && id != tt.id {
				t.Errorf("container ID %q, want %q: a container ID that changes is not found by del", id, tt.id)
			}
		})
	}
	for _, text := range []string{"", ".", ".."} {
		if _, err := ParseTarget(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func TestReadSteps(t *testing.T) {
	const stderr = `{"time":"2026-01-02T03:04:05Z","level":"DEBUG","msg":"make bridge","plugin":"p","command":"ADD",` +
		`"network":"n","container":"c","ifname":"eth0","took":1500000,"err":null}
{"level":"DEBUG","msg":"add address","took":2000,"err":"file exists"}
{"level":"WARN","msg":"slow","uplink":"ens3","tries":2}

{"level":"ERROR","msg":"ADD failed","err":"add address: file exists"}
{"level":"DEBUG","msg":"undone: make bridge"}
plain text
{"other": "json"}
`
	start := time.Date(2026, 1, 2, 3, 4, 4, 998_000_000, time.UTC)
	ms, us, at := Duration(1500*time.Microsecond), Duration(2*time.Microsecond), Duration(500*time.Microsecond)
	want := []Step{
		{Level: "DEBUG", What: "make bridge", At: &at, Took: &ms},
		{Level: "DEBUG", What: "add address", Took: &us, Err: "file exists"},
		{Level: "WARN", What: "slow", Attrs: map[string]any{"uplink": "ens3", "tries": 2.0}},
		{Level: "DEBUG", What: "undone: make bridge"},
		{What: "plain text"},
		{What: `{"other": "json"}`},
	}
	if diff := cmp.Diff(want, readSteps([]byte(stderr), "ADD", start)); diff != "" {
		t.Error(diff)
	}
	if steps := readSteps(nil, "ADD", start); steps != nil {
		t.Errorf("steps of nothing: %v", steps)
	}
}

func TestErrorDocument(t *testing.T) {
	failed := errors.New("exit status 1")
	for _, tt := range []struct {
		name, stdout string
		steps        []Step
		want         Error
	}{
		{"document", `{"cniVersion": "1.0.0", "code": 7, "msg": "bad", "details": "d"}`, nil, Error{7, "bad", "d"}},
		{"something else", "Usage: …", nil, Error{Msg: "exit status 1, and stdout is not an error document"}},
		{"a result", `{"ips": []}`, nil, Error{Msg: "exit status 1, and stdout is not an error document"}},
		{"nothing", "", nil, Error{Msg: "exit status 1, without an error document"}},
		{"stderr", " \n", []Step{{What: "first"}, {What: "panic: x"}, {Level: "DEBUG", What: "step"}},
			Error{Msg: "exit status 1, without an error document; stderr ends: panic: x"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, *errorDocument(failed, []byte(tt.stdout), tt.steps)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLinkOfACall(t *testing.T) {
	r := &recorder{links: 3}
	call := func(command, container string) int {
		environ := []string{"CNI_COMMAND=" + command, "CNI_CONTAINERID=" + container, "CNI_IFNAME=eth0"}
		return r.newCall("/p/x", []byte(`{"type": "x"}`), environ).Link
	}
	var got []int
	for _, c := range [][2]string{
		{"ADD", "a"}, {"ADD", "a"}, {"DEL", "a"}, {"DEL", "a"}, {"DEL", "b"}, {"GC", ""}, {"GC", ""},
	} {
		got = append(got, call(c[0], c[1]))
	}
	if diff := cmp.Diff([]int{0, 1, 2, 1, 2, 0, 1}, got); diff != "" {
		t.Error(diff)
	}
}

func TestWhere(t *testing.T) {
	c, err := Parse("c", []byte("{\"name\": \"n\", \"plugins\": [\n{\"type\": \"p\",\n \"mtu\": 1}\n]}"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		link int
		err  Error
		path string
		want *source.Position
	}{
		{"a key", 0, Error{Code: 7, Msg: "p: mtu: 1: too small"}, "plugins[0].mtu", &source.Position{Line: 3, Column: 2}},
		{"no key", 0, Error{Code: 7, Msg: "p: wrong"}, "plugins[0]", &source.Position{Line: 2, Column: 1}},
		{"a failed step", 0, Error{Code: 100, Msg: "p: set mtu: busy"}, "plugins[0]", &source.Position{Line: 2, Column: 1}},
		{"a plugin of a file of its own", 1, Error{Code: 7, Msg: "q: mtu"}, "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path, position := c.where(tt.link, tt.err)
			if diff := cmp.Diff(tt.want, position); diff != "" || path != tt.path {
				t.Errorf("path %q %s", path, diff)
			}
		})
	}
}

func TestLoadTakesPluginsBeside(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"net.conflist": `{"cniVersion": "1.1.0", "name": "net", "plugins": [{"type": "one"}]}`,
		"net/10.conf":  `{"type": "two", "capabilities": {"ips": true}}`,
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := Load(filepath.Join(dir, "net.conflist"))
	if err != nil || len(c.List.Plugins) != 2 {
		t.Fatalf("%v %v", c, err)
	}
	if diff := cmp.Diff([]string{"ips"}, c.Declares()); diff != "" {
		t.Error(diff)
	}
	var missing *MissingError
	if err := c.FindPlugins([]string{dir}); !errors.As(err, &missing) || len(missing.Missing) != 2 {
		t.Errorf("missing: %v", err)
	}
}

func TestPluginPath(t *testing.T) {
	t.Setenv("CNI_PATH", "/mine:/opt/cni/bin::")
	path := PluginPath()
	if path[0] != "/mine" || path[1] != "/opt/cni/bin" || slices.Contains(path, "") {
		t.Errorf("CNI_PATH does not come first: %q", path)
	}
	t.Setenv("CNI_PATH", "")
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{filepath.Dir(program), "/opt/cni/bin"}, PluginPath()); diff != "" {
		t.Error(diff)
	}
}

func TestDuration(t *testing.T) {
	data, err := json.Marshal(Duration(1234567 * time.Nanosecond))
	if err != nil || string(data) != "1.235" {
		t.Errorf("%s %v", data, err)
	}
	var d Duration
	if err := json.Unmarshal([]byte("1.5"), &d); err != nil || d != Duration(1500*time.Microsecond) {
		t.Errorf("%v %v", d, err)
	}
	if err := json.Unmarshal([]byte(`"x"`), &d); err == nil {
		t.Error("a text is a duration")
	}
}
