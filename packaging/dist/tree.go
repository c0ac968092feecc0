// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package dist

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// copied says what of the repository goes where in the tree: whole folders, without Go's source code.
var copied = map[string]string{
	"LICENSE":                 "LICENSE",
	"conflists":               "conflists",
	"schemas":                 "schemas",
	"docs/installing.md":      "docs/installing.md",
	"packaging/kubernetes":    "kubernetes",
	"packaging/Containerfile": "Containerfile",
}

// furnish fills the tree, in which the programs are already, with all that belongs to them.
func (r *release) furnish(o Options, tree string) error {
	for from, to := range copied {
		if err := copyTree(filepath.Join(o.Root, from), filepath.Join(tree, to)); err != nil {
			return err
		}
	}
	if err := manPages(o.Man, filepath.Join(tree, "man/man8")); err != nil {
		return err
	}
	licences, err := r.licences(o.Root)
	if err != nil {
		return err
	}
	if err := write(filepath.Join(tree, "THIRD-PARTY-LICENSES"), licences.text()); err != nil {
		return err
	}
	bom, err := r.bom(filepath.Join(tree, "bin"), licences)
	if err != nil {
		return fmt.Errorf("write the bill of materials: %w", err)
	}
	if err := write(filepath.Join(tree, "sbom.cdx.json"), bom); err != nil {
		return err
	}
	return r.settle(tree)
}

// settle gives every file the mode and the date that it is to have: neither the umask nor the clock says.
func (r *release) settle(tree string) error {
	return filepath.WalkDir(tree, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if entry.IsDir() || filepath.Base(filepath.Dir(path)) == "bin" {
			mode = 0o755
		}
		if err := os.Chmod(path, mode); err != nil {
			return err
		}
		return os.Chtimes(path, r.date, r.date)
	})
}

// copyTree copies a file, or a folder without what is Go's.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasSuffix(path, ".go") {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return write(filepath.Join(to, strings.TrimPrefix(path, from)), data)
	})
}

// manPages compresses them, as both package formats want them.
func manPages(from, to string) error {
	pages, _ := filepath.Glob(filepath.Join(from, "*.8")) // fails for a bad pattern
	if len(pages) == 0 {
		return fmt.Errorf("%q has no man pages: run make man", from)
	}
	for _, page := range pages {
		data, err := os.ReadFile(page)
		if err != nil {
			return err
		}
		var small bytes.Buffer
		w, _ := gzip.NewWriterLevel(&small, gzip.BestCompression) // fails for an unknown level
		if _, err := w.Write(data); err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
		if err := write(filepath.Join(to, filepath.Base(page)+".gz"), small.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// write makes a file, and the folder that it is in.
func write(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}
