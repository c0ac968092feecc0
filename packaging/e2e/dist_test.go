// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cni-chain/cni-chain/e2e/harness"
)

// TestReproducible: what is made of a commit is the same in another folder, and for somebody with another umask.
func TestReproducible(t *testing.T) {
	first, again, second := made(t)
	entries, err := os.ReadDir(first.dir)
	if err != nil || len(entries) != 4 {
		t.Fatalf("%v %v", entries, err)
	}
	for _, e := range entries {
		one, two := read(t, first.dir, e.Name()), read(t, again.dir, e.Name())
		if !bytes.Equal(one, two) {
			t.Errorf("%s is another when it is made again (%d and %d bytes)", e.Name(), len(one), len(two))
		}
	}
	if err := command(first.dir, "sha256sum", "-c", "SHA256SUMS"); err != nil {
		t.Error(err)
	}
	if bytes.Equal(read(t, first.bin(), "port-map"), read(t, second.bin(), "port-map")) {
		t.Error("two versions of port-map are the same, and the tests of upgrading test nothing")
	}
}

func read(t *testing.T, path ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestArchive: it has what it should, in order, of root and of the commit's time.
func TestArchive(t *testing.T) {
	first, _, _ := made(t)
	in, err := gzip.NewReader(bytes.NewReader(read(t, first.file(t, ".tar.gz"))))
	if err != nil {
		t.Fatal(err)
	}
	if !in.ModTime.IsZero() || in.Name != "" {
		t.Errorf("gzip says %v, %q", in.ModTime, in.Name)
	}
	date := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var names []string
	for r := tar.NewReader(in); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		_, name, _ := strings.Cut(h.Name, "/")
		names = append(names, name)
		mode := int64(0o644)
		if h.Typeflag == tar.TypeDir || strings.HasPrefix(name, "bin/") {
			mode = 0o755
		}
		if h.Uid != 0 || h.Gid != 0 || !h.ModTime.Equal(date) || h.Mode != mode {
			t.Errorf("%s is of %d:%d, %o, %v", name, h.Uid, h.Gid, h.Mode, h.ModTime)
		}
	}
	want := []string{
		"LICENSE", "THIRD-PARTY-LICENSES", "sbom.cdx.json", "Containerfile", "docs/installing.md", "bin/cnichain",
		"schemas/conflist.json", "schemas/upstream/v1.9.1/bridge.json", "man/man8/cnichain.8.gz", "kubernetes/base/daemonset.yaml",
	}
	for _, plugin := range harness.OurPlugins(t) {
		want = append(want, "bin/"+plugin)
	}
	for _, conflist := range harness.Conflists(t) {
		want = append(want, "conflists/"+filepath.Base(conflist))
	}
	for _, name := range want {
		if !slices.Contains(names, name) {
			t.Errorf("it has no %s", name)
		}
	}
	if slices.ContainsFunc(names, func(name string) bool { return strings.HasSuffix(name, ".go") }) {
		t.Error("it has source code")
	}
}

// TestBillOfMaterials: it names every program by its checksum, all that is in it, and under which licence.
func TestBillOfMaterials(t *testing.T) {
	first, _, _ := made(t)
	type component struct {
		Ref      string `json:"bom-ref"`
		Type     string
		Name     string
		Version  string
		PURL     string
		Hashes   []struct{ Alg, Content string }
		Licenses []struct{ License struct{ ID string } }
	}
	var bom struct {
		BOMFormat, SpecVersion string
		Components             []component
		Dependencies           []struct {
			Ref       string
			DependsOn []string
		}
	}
	if err := json.Unmarshal(read(t, first.tree, "sbom.cdx.json"), &bom); err != nil {
		t.Fatal(err)
	}
	refs, want := []string{}, map[string]string{}
	for _, c := range bom.Components {
		refs = append(refs, c.Ref)
		if len(c.Licenses) != 1 || c.Version == "" {
			t.Errorf("%s %s has the licences %v", c.Name, c.Version, c.Licenses)
		}
		if c.Type == "application" {
			want[c.Ref] = c.Hashes[0].Content
		} else if !strings.HasPrefix(c.PURL, "pkg:golang/") {
			t.Errorf("%s has the URL %q", c.Name, c.PURL)
		}
	}
	got := map[string]string{}
	for _, name := range append(harness.OurPlugins(t), "cnichain") {
		got["bin/"+name] = fmt.Sprintf("%x", sha256.Sum256(read(t, first.bin(), name)))
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("the programs are not those of the list:\n%s", diff)
	}
	for _, d := range bom.Dependencies {
		for _, ref := range d.DependsOn {
			if !slices.Contains(refs, ref) {
				t.Errorf("%s needs %s, which is no component", d.Ref, ref)
			}
		}
	}
	if !slices.Contains(refs, "pkg:golang/github.com/containernetworking/cni@v1.3.0") {
		t.Errorf("the library of CNI is not in %v", refs)
	}
}
