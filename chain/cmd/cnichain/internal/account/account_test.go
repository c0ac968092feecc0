// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package account

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/run"
)

var update = flag.Bool("update", false, "write what is printed into the golden files")

// One file is one case: a record, and the account of it.
func TestWrite(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases (%v)", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil || len(archive.Files) != 2 {
				t.Fatalf("%d files in it (%v)", len(archive.Files), err)
			}
			var r run.Record
			if err := json.Unmarshal(archive.Files[0].Data, &r); err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			Writer{W: &out}.Write(&r)
			if *update {
				archive.Files[1].Data = out.Bytes()
				if err := os.WriteFile(file, txtar.Format(archive), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(archive.Files[1].Data), out.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestColourTakesNoWidth(t *testing.T) {
	r := &run.Record{Verb: "status", Network: "net"}
	var with, without bytes.Buffer
	Writer{W: &with, Style: Style{Colour: true}}.Write(r)
	Writer{W: &without}.Write(r)
	if with.Len() <= without.Len() {
		t.Error("no colour")
	}
	for i, line := range bytes.Split(with.Bytes(), []byte("\n")) {
		if got, want := Width(string(line)), Width(string(bytes.Split(without.Bytes(), []byte("\n"))[i])); got != want {
			t.Errorf("line %d is %d wide, want %d", i, got, want)
		}
	}
}

func TestStyleFor(t *testing.T) {
	if StyleFor(&bytes.Buffer{}).Colour {
		t.Error("a buffer is no terminal")
	}
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if StyleFor(file).Colour {
		t.Error("/dev/null is no terminal")
	}
}
