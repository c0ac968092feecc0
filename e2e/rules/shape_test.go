// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

const (
	maxFunction   = 60  // lines
	maxComplexity = 15  // cyclomatic; over 12 there should be a reason
	maxWidth      = 120 // characters
)

// TestFunctionsAreShort: what does not fit on a screen, or branches more than can be kept in mind, is several things.
func TestFunctionsAreShort(t *testing.T) {
	for _, name := range tracked(t, "*.go") {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		files := token.NewFileSet()
		f, err := parser.ParseFile(files, filepath.Join(root, name), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Body == nil {
				continue
			}
			start := files.Position(fn.Pos()).Line
			if lines := files.Position(fn.End()).Line - start + 1; lines > maxFunction {
				t.Errorf("%s:%d: %s has %d lines, at most %d", name, start, fn.Name.Name, lines, maxFunction)
			}
			if n := complexity(fn.Body); n > maxComplexity {
				t.Errorf("%s:%d: %s has %d ways through, at most %d", name, start, fn.Name.Name, n, maxComplexity)
			}
		}
	}
}

// complexity counts the ways through a function (McCabe), functions in it aside: they have their own.
func complexity(body *ast.BlockStmt) int {
	n := 1
	ast.Inspect(body, func(node ast.Node) bool {
		switch x := node.(type) {
		case *ast.FuncLit:
			return false
		case *ast.IfStmt, *ast.ForStmt, *ast.RangeStmt:
			n++
		case *ast.CaseClause:
			if x.List != nil {
				n++
			}
		case *ast.CommClause:
			if x.Comm != nil {
				n++
			}
		case *ast.BinaryExpr:
			if x.Op == token.LAND || x.Op == token.LOR {
				n++
			}
		}
		return true
	})
	return n
}

func TestLinesAreNarrow(t *testing.T) {
	for _, name := range tracked(t, "*.go", "Makefile", ".ci/run") {
		for i, line := range strings.Split(read(t, name), "\n") {
			width := utf8.RuneCountInString(line)
			// What is told apart by its text is not broken for its length.
			if width > maxWidth && !strings.ContainsAny(line, "`\"") {
				t.Errorf("%s:%d: %d wide, at most %d", name, i+1, width, maxWidth)
			}
		}
	}
}
