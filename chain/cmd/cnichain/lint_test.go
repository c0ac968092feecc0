// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cni-chain/cni-chain/schemas"
)

// cnichain runs the tool without a terminal.
func cnichain(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = execute(context.Background(), args, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

// file writes a file into a directory of the test's own, and gives its path.
func file(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const (
	goodList = `{"cniVersion": "1.0.0", "name": "good", "plugins": [
	{"type": "veth-bridge", "bridge": "good0"},
	{"type": "ip-config", "isDefaultGateway": true, "ipam": {"type": "ip-pool", "ranges": [[{"subnet": "10.88.0.0/16"}]]}}
]}
`
	doubtfulList = `{"cniVersion": "1.0.0", "name": "doubtful", "plugins": [
	{"type": "veth-bridge", "HairpinMode": true}
]}
`
	badList = `{"cniVersion": "1.0.0", "name": "bad", "plugins": [
	{"type": "veth-bridge", "é": 1, "brigde": "bad0"}
]}
`
)

// TestExamplesAreClean: lint has nothing to say of what users copy.
func TestExamplesAreClean(t *testing.T) {
	code, stdout, stderr := cnichain(t, "lint", "--strict", "--no-host", "../../../conflists")
	if code != 0 || stdout+stderr != "" {
		t.Errorf("exit status %d, %s%s", code, stdout, stderr)
	}
}

func TestLintExitStatus(t *testing.T) {
	dir := t.TempDir()
	good, doubtful, bad := file(t, dir, "good.conflist", goodList), file(t, dir, "doubtful.conflist", doubtfulList), file(t, dir, "bad.conflist", badList)
	for _, test := range []struct {
		name string
		args []string
		code int
		said string
	}{
		{"good", []string{good}, 0, ""},
		{"good, with notes", []string{"--notes", good}, 0, "note[CC031]"},
		{"a warning", []string{doubtful}, 0, "0 errors, 1 warning\n"},
		{"a warning, strict", []string{"--strict", doubtful}, 1, "warning[CC014]"},
		{"a warning left out", []string{"--strict", "--ignore", "CC014", doubtful}, 0, ""},
		{"an error", []string{bad}, 1, "2 errors, 0 warnings\n"},
		{"several files", []string{good, bad}, 1, "error[CC011]"},
		{"what a code means", []string{"--explain", "cc030"}, 0, "CC030 (warning): a link with nothing to do"},
		{"no such code", []string{"--explain", "CC999"}, 1, "there is no such code"},
		{"no such code to leave out", []string{"--ignore", "CC999", good}, 1, "there is no such code"},
		{"no such file", []string{filepath.Join(dir, "missing")}, 1, "no such file"},
		{"nothing there", []string{t.TempDir()}, 1, "no conflist"},
		{"no such output", []string{"-o", "xml", good}, 1, "text, json or sarif"},
	} {
		t.Run(test.name, func(t *testing.T) {
			code, stdout, stderr := cnichain(t, append([]string{"lint", "--no-host"}, test.args...)...)
			if said := stdout + stderr; code != test.code || !strings.Contains(said, test.said) || test.said == "" && said != "" {
				t.Errorf("exit status %d, want %d with %q:\n%s", code, test.code, test.said, said)
			}
		})
	}
}

// TestLintDirectory: files of a directory are looked at together, plugins in files of their own belong to their chain.
func TestLintDirectory(t *testing.T) {
	dir := t.TempDir()
	file(t, dir, "10-good.conflist", goodList)
	file(t, dir, "20-same.conflist", strings.ReplaceAll(goodList, "good0", "good1"))
	if err := os.Mkdir(filepath.Join(dir, "good"), 0o700); err != nil {
		t.Fatal(err)
	}
	file(t, filepath.Join(dir, "good"), "10-ports.conf", `{"type": "port-map", "portMapings": []}`)
	_, stdout, _ := cnichain(t, "lint", "--no-host", dir)
	for _, want := range []string{
		"20-same.conflist:3:91: warning[CC062]", `20-same.conflist:1:25: warning[CC081]: the network "good" is defined in 10-good.conflist`,
		"good/10-ports.conf:1:22: error[CC011]", "good/10-ports.conf:1:10: warning[CC030]",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("it does not say %s:\n%s", want, stdout)
		}
		if strings.Count(stdout, want) > 1 {
			t.Errorf("it says twice: %s", want)
		}
	}
}

func TestLintForPrograms(t *testing.T) {
	path := file(t, t.TempDir(), "bad.conflist", badList)
	_, stdout, _ := cnichain(t, "lint", "--no-host", "-o", "json", path)
	var findings []struct{ Code, Severity, File, Path, Paste string }
	if err := json.Unmarshal([]byte(stdout), &findings); err != nil {
		t.Fatalf("%v: %s", err, stdout)
	}
	want := []struct{ Code, Severity, File, Path, Paste string }{
		{"CC010", "error", path, "plugins[0].é", ""},
		{"CC011", "error", path, "plugins[0].brigde", `"bridge": "bad0"`},
	}
	if diff := cmp.Diff(want, findings); diff != "" {
		t.Error(diff)
	}
	_, stdout, _ = cnichain(t, "lint", "--no-host", "-o", "json", file(t, t.TempDir(), "good.conflist", goodList))
	if stdout != "[]\n" {
		t.Errorf("of a good file: %q", stdout)
	}
}

func TestLintSARIF(t *testing.T) {
	path := file(t, t.TempDir(), "bad.conflist", badList)
	_, stdout, _ := cnichain(t, "lint", "--no-host", "-o", "sarif", path)
	type region struct{ StartLine, StartColumn, EndLine, EndColumn int }
	var log struct {
		Version string
		Runs    []struct {
			ColumnKind string
			Tool       struct {
				Driver struct{ Rules []struct{ ID string } }
			}
			Results []struct {
				RuleID, Level string
				RuleIndex     int
				Locations     []struct {
					PhysicalLocation struct{ Region region }
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(stdout), &log); err != nil {
		t.Fatalf("%v: %s", err, stdout)
	}
	if log.Version != "2.1.0" || len(log.Runs) != 1 || len(log.Runs[0].Results) != 2 {
		t.Fatalf("%s", stdout)
	}
	run := log.Runs[0]
	r := run.Results[1]
	if run.Tool.Driver.Rules[r.RuleIndex].ID != "CC011" || r.RuleID != "CC011" || r.Level != "error" {
		t.Errorf("%+v", r)
	}
	// Columns in characters: the é before it is one.
	if diff := cmp.Diff(region{2, 34, 2, 42}, r.Locations[0].PhysicalLocation.Region); diff != "" || run.ColumnKind != "unicodeCodePoints" {
		t.Errorf("%s (%s)", diff, run.ColumnKind)
	}
}

func TestMigrateCommand(t *testing.T) {
	dir := t.TempDir()
	old := file(t, dir, "old.conflist", `{"cniVersion": "1.0.0", "name": "n", "plugins": [{"type": "bridge", "addIf": "eth0"}, {"type": "portmap"}]}`)
	code, stdout, stderr := cnichain(t, "migrate", old)
	if code != 0 || !strings.Contains(stdout, `"type": "veth-bridge"`) {
		t.Errorf("exit status %d: %s%s", code, stdout, stderr)
	}
	for _, want := range []string{"plugins[0].addIf: not carried over", "what was wrong before still is", "warning[CC030]"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("the report does not say %q:\n%s", want, stderr)
		}
	}
	target := filepath.Join(dir, "new.conflist")
	if code, out, errs := cnichain(t, "migrate", old, "--write", target); code != 0 || out != "" {
		t.Errorf("exit status %d: %s%s", code, out, errs)
	}
	data, err := os.ReadFile(target)
	if err != nil || string(data) != stdout {
		t.Errorf("%v: %s", err, data)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); left != nil {
		t.Errorf("left %v", left)
	}
	if code, _, errs := cnichain(t, "migrate", target); code != 0 || !strings.Contains(errs, "nothing to migrate") {
		t.Errorf("exit status %d: %s", code, errs)
	}
	if code, _, errs := cnichain(t, "migrate", old, "--write", filepath.Join(dir, "no/where")); code != 1 || !strings.Contains(errs, "write ") {
		t.Errorf("exit status %d: %s", code, errs)
	}
	if code, _, errs := cnichain(t, "migrate", file(t, dir, "x", "{")); code != 1 || !strings.Contains(errs, "x:1:2: ") {
		t.Errorf("exit status %d: %s", code, errs)
	}
}

func TestSchemaCommand(t *testing.T) {
	code, stdout, _ := cnichain(t, "schema", "port-map")
	want, err := schemas.FS.ReadFile("port-map.json")
	if err != nil {
		t.Fatal(err)
	}
	if code != 0 || stdout != string(want) {
		t.Errorf("exit status %d: %s", code, stdout)
	}
	if code, stdout, _ := cnichain(t, "schema"); code != 0 || !strings.HasPrefix(stdout, "conflist\nip-config\nip-pool\nport-map\n") {
		t.Errorf("exit status %d: %s", code, stdout)
	}
	if code, _, stderr := cnichain(t, "schema", "portmapp"); code != 1 || !strings.Contains(stderr, "no schema of") {
		t.Errorf("exit status %d: %s", code, stderr)
	}
	dir := filepath.Join(t.TempDir(), "schemas")
	if code, _, stderr := cnichain(t, "schema", "--write", dir); code != 0 {
		t.Fatal(stderr)
	}
	if _, err := os.Stat(filepath.Join(dir, "upstream/v1.9.1/bridge.json")); err != nil {
		t.Error(err)
	}
}

// TestManPages: every command has a page, and none a date: the same program writes the same pages.
func TestManPages(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "man")
	if code, _, stderr := cnichain(t, "man", dir); code != 0 {
		t.Fatal(stderr)
	}
	for _, cmd := range newRoot().Commands() {
		data, err := os.ReadFile(filepath.Join(dir, "cnichain-"+cmd.Name()+".8"))
		if err != nil {
			t.Error(err)
			continue
		}
		if text := string(data); !strings.Contains(text, ".TH") || strings.Contains(text, "Auto generated") {
			t.Errorf("%s: %s", cmd.Name(), text)
		}
	}
}

// TestCompletion: what a shell offers after a tab.
func TestCompletion(t *testing.T) {
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"add", ""}, "conflist\n"},
		{[]string{"lint", ""}, "conflist\n"},
		{[]string{"lint", "--output", ""}, "sarif\n"},
		{[]string{"lint", "--explain", "CC03"}, "CC030\ta link with nothing to do\n"},
		{[]string{"schema", "port"}, "port-map\n"},
		{[]string{"migrate", "x", ""}, ":4\n"}, // nothing, not even files
	} {
		if code, stdout, _ := cnichain(t, append([]string{"__complete"}, test.args...)...); code != 0 || !strings.Contains(stdout, test.want) {
			t.Errorf("%q: exit status %d, it offers %q, want %q", test.args, code, stdout, test.want)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if code, stdout, stderr := cnichain(t, "completion", shell); code != 0 || len(stdout) < 1000 {
			t.Errorf("%s: exit status %d, %d bytes, %s", shell, code, len(stdout), stderr)
		}
	}
}
