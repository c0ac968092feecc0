// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const (
	maxLines     = 300
	maxTestLines = 500
)

func TestFilesAreShort(t *testing.T) {
	for _, name := range tracked(t, "*.go") {
		lines, most := strings.Count(read(t, name), "\n"), maxLines
		if strings.HasSuffix(name, "_test.go") {
			most = maxTestLines
		}
		if lines > most {
			t.Errorf("%s has %d lines, at most %d: is it one thing?", name, lines, most)
		}
	}
}

func TestLicence(t *testing.T) {
	const header = "SPDX-FileCopyrightText: The cni-chain authors\n%s SPDX-License-Identifier: Apache-2.0\n"
	for _, name := range tracked(t, "*.go", "Makefile", ".ci/run") {
		comment := "//"
		if !strings.HasSuffix(name, ".go") {
			comment = "#"
		}
		want := comment + " " + strings.ReplaceAll(header, "%s", comment)
		// After nothing but a line for a program: "#!/usr/bin/env bash", "//go:build faults".
		if start := strings.Index(read(t, name), want); start < 0 || start > 40 {
			t.Errorf("%s does not begin with the two SPDX lines", name)
		}
	}
}

// TestPackageDoc: exactly one file of a package says what the package is for, and what it is not.
func TestPackageDoc(t *testing.T) {
	for _, p := range listPackages(t) {
		files := p.GoFiles
		if len(files) == 0 {
			files = append(p.TestGoFiles, p.XTestGoFiles...)
		}
		var documented []string
		for _, name := range files {
			const mode = parser.ParseComments | parser.PackageClauseOnly
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, mode)
			if err != nil {
				t.Fatal(err)
			}
			if f.Doc != nil && !strings.HasPrefix(f.Doc.Text(), "SPDX-") {
				documented = append(documented, name)
			}
		}
		if len(documented) != 1 {
			t.Errorf("%s has %d package comments %v, want exactly one", p.rel(), len(documented), documented)
		}
	}
}

// TestNothingLeftToDo: what is left to do is an issue.
func TestNothingLeftToDo(t *testing.T) {
	marker := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X|HA` + `CK)\b(\(#\d+\))?`)
	for _, name := range tracked(t, "*.go", "Makefile", ".ci/run", "*.md", "*.conflist") {
		for i, line := range strings.Split(read(t, name), "\n") {
			if m := marker.FindStringSubmatch(line); m != nil && m[2] == "" {
				t.Errorf("%s:%d: %s without an issue, as in %[3]s(#12)", name, i+1, m[1])
			}
		}
	}
}

// TestNoMachinePaths: nothing in the tree depends on where it was written.
func TestNoMachinePaths(t *testing.T) {
	machine := regexp.MustCompile(`(^|[^a-zA-Z0-9.])/(wo` + `rk|fa` + `rm|ho` + `me/[a-z]+|Us` + `ers)/|proxy\.go` + `lang\.org|deb\.debian` + `\.org`)
	for _, name := range tracked(t) {
		if strings.HasSuffix(name, ".sum") || name == "LICENSE" {
			continue
		}
		for i, line := range strings.Split(read(t, name), "\n") {
			if found := machine.FindString(line); found != "" {
				t.Errorf("%s:%d: %q is of one machine or network only", name, i+1, found)
			}
		}
	}
}

// TestNoSleepOutsideOfTests: waiting is for an event with a deadline, not for a time.
func TestNoSleepOutsideOfTests(t *testing.T) {
	banned := map[string]*regexp.Regexp{
		"plugins/ chain/ shared/": regexp.MustCompile(`\btime\.Sleep\(`),
		"plugins/":                regexp.MustCompile(`\bos\.WriteFile\(|\bfmt\.Print|\bos\.Stdout\b|\bos\.Exit\(`),
	}
	for folders, call := range banned {
		for _, folder := range strings.Fields(folders) {
			for _, name := range tracked(t, folder+"*.go") {
				if strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "shared/testnet/") {
					continue
				}
				if found := call.FindString(read(t, name)); found != "" {
					t.Errorf("%s calls %s", name, found)
				}
			}
		}
	}
}

// TestDocsNameRealTests: a test that a page of docs/ names, in backticks, exists.
func TestDocsNameRealTests(t *testing.T) {
	defined := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark|Example)\w*)\(`)
	exists := map[string]bool{}
	for _, name := range tracked(t, "*_test.go") {
		for _, m := range defined.FindAllStringSubmatch(read(t, name), -1) {
			exists[m[1]] = true
		}
	}
	named := regexp.MustCompile("`((?:Test|Fuzz|Benchmark)[A-Z]\\w*)[^`]*`")
	for _, page := range tracked(t, "docs/*.md", "*.md") {
		for i, line := range strings.Split(read(t, page), "\n") {
			for _, m := range named.FindAllStringSubmatch(line, -1) {
				if !exists[m[1]] {
					t.Errorf("%s:%d names %s, which is no test", page, i+1, m[1])
				}
			}
		}
	}
}
