// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/account"
	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/schema"
)

var update = flag.Bool("update", false, "write what lint says into the cases")

// fakeHost is the file host.json of a case: the machine that the conflists are for.
type fakeHost struct {
	Installed  map[string][]string // plugin to versions
	Table      map[string]string   // destination to interface
	Interfaces map[string]int      // interface to MTU
}

func (h fakeHost) Plugins() bool { return h.Installed != nil }
func (h fakeHost) Versions(plugin string) ([]string, bool, error) {
	versions, found := h.Installed[plugin]
	return versions, found, nil
}
func (h fakeHost) Routes() (routes []Route) {
	for dst, link := range h.Table {
		routes = append(routes, Route{netip.MustParsePrefix(dst), link})
	}
	return routes
}
func (h fakeHost) MTU(name string) (int, bool) { mtu, found := h.Interfaces[name]; return mtu, found }
func (h fakeHost) Uplink() string              { return h.Table["0.0.0.0/0"] }

func load(t testing.TB) *schema.Set {
	t.Helper()
	set, err := schema.Load()
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// lintCase runs the conflists of a case: several are a directory. Notes are told only where the case is about them.
func lintCase(t *testing.T, set *schema.Set, code string, archive *txtar.Archive) string {
	t.Helper()
	var files []*File
	options := Options{Schemas: set}
	passedOver := []string(nil)
	for _, f := range archive.Files {
		switch {
		case f.Name == "want":
		case f.Name == "host.json":
			var host fakeHost
			if err := json.Unmarshal(f.Data, &host); err != nil {
				t.Fatal(err)
			}
			options.Host = host
		case slices.Contains(extensions, filepath.Ext(f.Name)):
			files = append(files, Parse(f.Name, f.Data))
		default:
			passedOver = append(passedOver, f.Name)
		}
	}
	files[0].passedOver = passedOver
	findings := slices.DeleteFunc(Run(files, options), func(f Finding) bool {
		return f.Severity == Note && f.Code != code
	})
	var b bytes.Buffer
	if err := WriteText(&b, account.Style{}, findings); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestCases: one file has broken conflists and what lint says of them.
func TestCases(t *testing.T) {
	set := load(t)
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	covered := map[string]bool{}
	for _, name := range names {
		code := filepath.Base(name)[:len("CC000")]
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got := lintCase(t, set, code, archive)
			if !strings.Contains(got, "["+code+"]") {
				t.Errorf("it does not find %s:\n%s", code, got)
			}
			covered[code] = true
			i := slices.IndexFunc(archive.Files, func(f txtar.File) bool { return f.Name == "want" })
			if *update {
				archive.Files = append(slices.DeleteFunc(archive.Files, func(f txtar.File) bool { return f.Name == "want" }),
					txtar.File{Name: "want", Data: []byte(got)})
				if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if i < 0 {
				t.Fatal("there is no file want")
			}
			if diff := cmp.Diff(string(archive.Files[i].Data), got); diff != "" {
				t.Error(diff)
			}
		})
	}
	for _, r := range Rules {
		if !covered[r.Code] {
			t.Errorf("no case for %s, %s", r.Code, r.Title)
		}
	}
}

func TestRulesAreWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Rules {
		if seen[r.Code] {
			t.Errorf("two rules are called %s", r.Code)
		}
		seen[r.Code] = true
		if r.Title == "" || r.Why == "" || r.Check == nil || r.Severity == "" {
			t.Errorf("%s lacks something", r.Code)
		}
	}
}
