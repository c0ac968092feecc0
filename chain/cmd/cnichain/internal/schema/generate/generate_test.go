// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package generate

import (
	"go/ast"
	"go/parser"
	"go/token"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/jsontext"
	"github.com/cni-chain/cni-chain/schemas"
)

// TestFresh: the schemas in the repository are those of the source code beside them.
func TestFresh(t *testing.T) {
	files, err := Files("../../../../../..")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		have, err := schemas.FS.ReadFile(name)
		if err != nil {
			t.Errorf("%v: run make generate", err)
			continue
		}
		if diff := cmp.Diff(string(want), string(have)); diff != "" {
			t.Errorf("schemas/%s is not of this source code (-): run make generate\n%s", name, diff)
		}
	}
}

func TestComments(t *testing.T) {
	for _, test := range []struct{ name, field, want string }{
		{"a word", "// Bridge is the bridge. Default cni0.\nBridge string `json:\"bridge\"`",
			`{"description": "bridge is the bridge. Default cni0.", "type": "string", "format": "interface", "default": "cni0"}`},
		{"a number and bounds", "// Bit is of the mark, 0 to 31. Default: 13.\nBit *int `json:\"bit\"`",
			`{"description": "bit is of the mark, 0 to 31. Default: 13.", "type": "integer", "minimum": 0, "maximum": 31, "default": 13}`},
		{"a default that is no word", "// File is a path. Default: the host's own.\nFile string `json:\"x\"`",
			`{"description": "x is a path. Default: the host's own.", "type": "string"}`},
		{"true", "// SNAT is masquerade. Default: true.\nSNAT *bool `json:\"snat\"`",
			`{"description": "snat is masquerade. Default: true.", "type": "boolean", "default": true}`},
		{"a choice", "// Mode is \"one\" (default) or \"two\".\nMode string `json:\"mode\"`",
			`{"description": "mode is \"one\" (default) or \"two\".", "type": "string", "enum": ["one", "two"], "default": "one"}`},
		{"words that are no choice", "// IP is the host's; \"0.0.0.0\" is all.\nIP string `json:\"hostIP\"`",
			`{"description": "hostIP is the host's; \"0.0.0.0\" is all.", "type": "string", "format": "ip"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			expr, err := parseWithComments(test.field)
			if err != nil {
				t.Fatal(err)
			}
			g := &generator{defs: map[string]object{}, names: map[string]string{}}
			properties, err := g.fields(&goPackage{}, expr, "")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, jsontext.Line(properties[0].Value)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestUnknownTypeIsAnError(t *testing.T) {
	expr, err := parseWithComments("X strange.Thing `json:\"x\"`")
	if err != nil {
		t.Fatal(err)
	}
	g := &generator{defs: map[string]object{}, names: map[string]string{}}
	if properties, err := g.fields(&goPackage{}, expr, ""); err == nil {
		t.Errorf("%v, want an error", properties)
	}
}

// parseWithComments is a struct of one field.
func parseWithComments(field string) (ast.Expr, error) {
	p := &goPackage{types: map[string]*ast.TypeSpec{}, docs: map[string]string{}, imports: map[string]string{}}
	f, err := parser.ParseFile(token.NewFileSet(), "", "package p\ntype T struct {\n"+field+"\n}", parser.ParseComments)
	if err != nil {
		return nil, err
	}
	p.add(f)
	return p.types["T"].Type, nil
}
