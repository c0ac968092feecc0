// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package chaintest

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	current "github.com/containernetworking/cni/pkg/types/100"
	"github.com/containernetworking/cni/pkg/types/create"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write what the links answer into the golden cases")

// Versions are those that a golden case runs over unless it says otherwise.
var Versions = []string{"0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"}

// Golden runs every case that matches the pattern (testdata/*.txtar). A case is one file:
//
//	free text: what the case shows
//	-- env --
//	CNI_COMMAND=ADD
//	CNI_IFNAME=eth0
//	-- config --
//	{"name": "n", "type": "link", "prevResult": {"interfaces": [...]}}
//	-- result --
//	the result, as of 1.1.0; or instead of it
//	-- error --
//	code and message of the error document
//
// The configuration has no cniVersion: the case runs once for every version of [Versions], or of the section
// "versions" (words), with prevResult as written there and the result converted to 1.1.0; what an older version cannot
// hold is compared as far as it can. Text in "$NAME" of env and config is replaced from vars, in the answer the other
// way round, so that paths of namespaces can differ. With -update the answer at 1.1.0 (or the last version) is written
// into the file.
func Golden(t *testing.T, link Link, pattern string, vars map[string]string) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden case matches %s: %v", pattern, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			RunCase(t, link, file, vars, nil)
		})
	}
}

// RunCase runs one golden case; after, which may be nil, is called after each call, to look at or to clear what it did.
func RunCase(t *testing.T, link Link, file string, vars map[string]string, after func(*testing.T, Outcome)) {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	versions := Versions
	if words := strings.Fields(section(archive, "versions")); len(words) > 0 {
		versions = words
	}
	for i, version := range versions {
		t.Run(version, func(t *testing.T) {
			o := Run(t, link, readCase(t, archive, version, vars))
			got := answer(t, o, version, vars)
			if *update && i == len(versions)-1 {
				save(t, archive, file, o, got)
			}
			if diff := cmp.Diff(expected(t, archive, version), got); diff != "" && !*update {
				t.Errorf("%s (-want +got):\n%s", file, diff)
			}
			if after != nil {
				after(t, o)
			}
		})
	}
}

func section(a *txtar.Archive, name string) string {
	for _, f := range a.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}

// readCase makes the call of a case in one version.
func readCase(t *testing.T, a *txtar.Archive, version string, vars map[string]string) Call {
	t.Helper()
	replace := func(s string) string {
		return os.Expand(s, func(name string) string {
			if value, ok := vars[name]; ok {
				return value
			}
			return "$" + name
		})
	}
	call := Call{Env: map[string]string{}}
	for _, line := range strings.Split(strings.TrimSpace(section(a, "env")), "\n") {
		name, value, _ := strings.Cut(line, "=")
		call.Env[name] = replace(value)
	}
	call.Command = call.Env["CNI_COMMAND"]
	config := replace(section(a, "config"))
	if object := strings.TrimSpace(config); strings.HasPrefix(object, "{") && !strings.Contains(object, `"cniVersion"`) {
		config = fmt.Sprintf("{\"cniVersion\": %q, %s", version, strings.TrimSpace(object)[1:])
	}
	call.Config = config
	return call
}

// answer is what the call answered, in the form that a case has it.
func answer(t *testing.T, o Outcome, version string, vars map[string]string) string {
	t.Helper()
	text := ""
	switch {
	case o.Err != nil:
		text = fmt.Sprintf("%d %s\n", o.Err.Code, o.Err.Msg)
	case o.Stdout != "":
		text = asVersion(t, []byte(o.Stdout), version)
	}
	for _, name := range sorted(vars) {
		if vars[name] != "" {
			text = strings.ReplaceAll(text, vars[name], "$"+name)
		}
	}
	return strings.TrimSpace(text)
}

// sorted are the names by length of value, longest first, so that a path is not cut by a shorter one inside it.
func sorted(vars map[string]string) []string {
	var names []string
	for name := range vars {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return len(vars[b]) - len(vars[a]) })
	return names
}

// expected is the case's answer as the version can hold it.
func expected(t *testing.T, a *txtar.Archive, version string) string {
	t.Helper()
	if text := section(a, "error"); text != "" {
		return strings.TrimSpace(text)
	}
	text := section(a, "result")
	if strings.TrimSpace(text) == "" {
		return ""
	}
	result, err := create.Create(current.ImplementedSpecVersion, []byte(text))
	if err != nil {
		t.Fatalf("section result: %v", err)
	}
	old, err := result.GetAsVersion(version)
	if err != nil {
		t.Fatalf("section result as %s: %v", version, err)
	}
	data, err := json.Marshal(old)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(asVersion(t, data, version))
}

// asVersion reads a result of the version and shows it as 1.1.0, indented.
func asVersion(t *testing.T, data []byte, version string) string {
	t.Helper()
	result, err := create.Create(version, data)
	if err != nil {
		t.Fatalf("the answer as %s: %v: %s", version, err, data)
	}
	latest, err := current.NewResultFromResult(result)
	if err != nil {
		t.Fatalf("the answer from %s: %v", version, err)
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(latest); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// save writes the answer into the case.
func save(t *testing.T, a *txtar.Archive, file string, o Outcome, got string) {
	t.Helper()
	name := "result"
	if o.Err != nil {
		name = "error"
	}
	a.Files = slices.DeleteFunc(a.Files, func(f txtar.File) bool { return f.Name == "result" || f.Name == "error" })
	a.Files = append(a.Files, txtar.File{Name: name, Data: []byte(got + "\n")})
	if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
		t.Fatal(err)
	}
}
