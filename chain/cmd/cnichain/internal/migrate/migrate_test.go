// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/containernetworking/cni/libcni"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/lint"
	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/schema"
	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/source"
)

var update = flag.Bool("update", false, "write what migrate makes into the cases")

func migrated(t *testing.T, text []byte) *Result {
	t.Helper()
	set, err := schema.Load()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := source.Read("in.conflist", text)
	if err != nil {
		t.Fatal(err)
	}
	result, err := Conflist(doc, set)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func section(a *txtar.Archive, name string) []byte {
	for _, f := range a.Files {
		if f.Name == name {
			return f.Data
		}
	}
	return nil
}

// TestCases: one file has a conflist, what becomes of it, and the report.
func TestCases(t *testing.T) {
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("no cases (%v)", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			in := section(archive, "in.conflist")
			result := migrated(t, in)
			var report strings.Builder
			for _, r := range result.Remarks {
				report.WriteString(r.String() + "\n")
			}
			if *update {
				archive.Files = []txtar.File{
					{Name: "in.conflist", Data: in}, {Name: "out.conflist", Data: result.Conflist}, {Name: "report", Data: []byte(report.String())},
				}
				if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(section(archive, "out.conflist")), string(result.Conflist)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(string(section(archive, "report")), report.String()); diff != "" {
				t.Error(diff)
			}
			check(t, result.Conflist)
		})
	}
}

// check: the new conflist lints clean, a runtime reads it, and migrating it once more changes nothing.
func check(t *testing.T, out []byte) {
	t.Helper()
	set, err := schema.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range lint.Run([]*lint.File{lint.Parse("out.conflist", out)}, lint.Options{Schemas: set}) {
		if f.Severity != lint.Note {
			t.Errorf("lint: %s: %s[%s]: %s", f.Start, f.Severity, f.Code, f.Message)
		}
	}
	if _, err := libcni.NetworkConfFromBytes(out); err != nil {
		t.Error(err)
	}
	again := migrated(t, out)
	if again.Changed || len(again.Remarks) > 0 {
		t.Errorf("migrating it again changes %v", again.Remarks)
	}
	if diff := cmp.Diff(string(out), string(again.Conflist)); diff != "" {
		t.Errorf("migrating it again:\n%s", diff)
	}
}

func TestNoConflist(t *testing.T) {
	set, err := schema.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{`[]`, `{}`, `{"plugins": {}}`, `{"plugins": [1]}`} {
		doc, err := source.Read("x", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Conflist(doc, set); err == nil {
			t.Errorf("%s is migrated", text)
		}
	}
}

// TestEveryKeyHasAPlace: what upstream's bridge knows is of one layer or both, so that no key of a later release is
// dealt out by chance.
func TestEveryKeyHasAPlace(t *testing.T) {
	set, err := schema.Load()
	if err != nil {
		t.Fatal(err)
	}
	protocol := set.Plugin("loopback").Keys()
	for _, key := range set.Plugin("bridge").Keys() {
		if !slices.Contains(protocol, key) && !slices.Contains(layer2, key) && !slices.Contains(layer3, key) {
			t.Errorf("%q of bridge is of no layer", key)
		}
	}
	for upstream, own := range map[string]string{"portmap": "port-map", "host-local": "ip-pool"} {
		for _, key := range set.Plugin(upstream).Keys() {
			if _, property := set.Plugin(own).Property(key); property == nil {
				t.Errorf("%q of %s is unknown to %s", key, upstream, own)
			}
		}
	}
}
