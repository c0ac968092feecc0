// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

const pageHead = `# What cnichain lint says

` + "`cnichain lint FILE|DIR...`" + ` finds what is wrong in conflists before a runtime does: in a file, between the links of a
chain, between the files of a directory, and between them and the host. It changes nothing, and executes nothing but the
installed plugins, to ask them for their versions.

` + "```console" + `
$ cnichain lint /etc/cni/net.d                              # what a runtime on this host would meet
$ cnichain lint --no-host --strict -o sarif conflists/      # in a CI: the files only, warnings fail, for a code host
$ cnichain lint --explain CC030                             # this page, for one code
` + "```" + `

A message has the place, the code, the line, and a hint whose text can be pasted:

` + "```text" + `
%s` + "```" + `

- An **error** is refused by a plugin or a runtime, or does something else than it says. The exit status is 1.
- A **warning** most likely does not do what was meant. The exit status is 1 with ` + "`--strict`" + `.
- A **note** is something to know; ` + "`--notes`" + ` shows them.

` + "`--ignore CC062`" + ` leaves a code out. ` + "`-o json`" + ` and ` + "`-o sarif`" + ` write for programs. With a directory, lint looks at all
files that libcni would read there (` + "`*.conflist`, `*.conf`, `*.json`" + `) and at what they do to each other; a file alone is
looked at alone. Keys and values are held to the JSON Schemas of [schemas/](../schemas), of our links and of the
reference plugins v1.9.1; ` + "`cnichain schema`" + ` prints them, and an editor that reads ` + "`$schema`" + ` in a conflist completes and
checks with them while you type.

| code | | what |
|---|---|---|
`

// page is docs/lint.md: every rule, with what its first case says.
func page(t *testing.T) string {
	t.Helper()
	set := load(t)
	said := map[string]string{}
	for _, r := range Rules {
		names, err := filepath.Glob("testdata/" + r.Code + "-*.txtar")
		if err != nil || len(names) == 0 {
			t.Fatalf("no case for %s", r.Code)
		}
		archive, err := txtar.ParseFile(names[0])
		if err != nil {
			t.Fatal(err)
		}
		for _, message := range strings.Split(lintCase(t, set, r.Code, archive), "\n\n") {
			if strings.Contains(message, "["+r.Code+"]") {
				said[r.Code] = strings.TrimSuffix(message, "\n") + "\n"
				break
			}
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, pageHead, said["CC011"])
	for _, r := range Rules {
		fmt.Fprintf(&b, "| [%s](#%s) | %s | %s |\n", r.Code, strings.ToLower(r.Code), r.Severity, r.Title)
	}
	for _, r := range Rules {
		fmt.Fprintf(&b, "\n## %s\n\n**%s%s** (%s). %s\n\n```text\n%s```\n", r.Code, strings.ToUpper(r.Title[:1]), r.Title[1:],
			r.Severity, wrapped(r), said[r.Code])
	}
	return b.String()
}

// wrapped is the reason of a rule in lines as long as those of the other pages.
func wrapped(r Rule) string {
	var b strings.Builder
	column := len(r.Title) + len(r.Severity) + 8 // what is on the line already
	for _, word := range strings.Fields(r.Why) {
		switch {
		case column+len(word) > 118:
			b.WriteByte('\n')
			column = 0
		case column > 0 && b.Len() > 0:
			b.WriteByte(' ')
		}
		b.WriteString(word)
		column += len(word) + 1
	}
	return b.String()
}

// TestPage: docs/lint.md has a section for every code, as lint speaks today. Run with -update to write it.
func TestPage(t *testing.T) {
	const file = "../../../../../docs/lint.md"
	want := page(t)
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v: run make generate", err)
	}
	if diff := cmp.Diff(want, string(have)); diff != "" {
		t.Errorf("docs/lint.md is not what lint says (-): run make generate\n%s", diff)
	}
}
