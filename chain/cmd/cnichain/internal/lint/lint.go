// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Package lint finds what is wrong in conflists before a runtime does: in a file, between the links of a chain, between
// the files of a directory, and between them and the host. It runs no chain and changes nothing; the only programs that
// it executes are plugins, asked for their versions. What a single value may be is the schemas' business.
package lint

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/schema"
	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/source"
)

// Severity is how bad a finding is.
type Severity string

// The severities. An error is refused by a plugin or a runtime, or does something else than it says; a warning most
// likely does not do what was meant; a note is something to know.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
	Note    Severity = "note"
)

// Finding is one place in a file and what is wrong there.
type Finding struct {
	Code     string          `json:"code"`
	Severity Severity        `json:"severity"`
	File     string          `json:"file"`
	Start    source.Position `json:"start"`
	End      source.Position `json:"end"`
	// Path is the key, as in "plugins[1].ipam.type"; "" for the whole file.
	Path    string `json:"path,omitempty"`
	Message string `json:"message"`
	// Hint says what to do. Paste is text for the file, which the hint is about.
	Hint  string `json:"hint,omitempty"`
	Paste string `json:"paste,omitempty"`

	line string // of the file, for the excerpt
}

// Rule is one thing to find. Check reports it for one file.
type Rule struct {
	Code     string
	Severity Severity
	// Title is the rule in a few words, Why the reason for it in a few sentences: the page of docs/lint.md.
	Title, Why string
	Check      func(*pass)
}

// Rules are all rules, by code.
var Rules = slices.Concat(documentRules, keyRules, orderRules, capabilityRules, twiceRules, programRules, addressRules,
	uplinkRules, directoryRules)

// Find is the rule of a code.
func Find(code string) (Rule, bool) {
	i := slices.IndexFunc(Rules, func(r Rule) bool { return r.Code == code })
	if i < 0 {
		return Rule{}, false
	}
	return Rules[i], true
}

// Options say what to look at.
type Options struct {
	Schemas *schema.Set
	// Host is the machine that the files are for; nil looks at the files only.
	Host Host
	// Ignore are codes of rules to leave out.
	Ignore []string
}

// Run finds what is wrong in the files of one directory, or in files that have nothing to do with each other (then one
// call each).
func Run(files []*File, o Options) []Finding {
	var findings []Finding
	for _, f := range files {
		f.understand(o.Schemas)
	}
	for _, f := range files {
		for _, rule := range Rules {
			if slices.Contains(o.Ignore, rule.Code) || f.Doc == nil && rule.Code != "CC001" {
				continue
			}
			p := &pass{Rule: rule, File: f, All: files, Host: o.Host, Schemas: o.Schemas}
			rule.Check(p)
			findings = append(findings, p.findings...)
		}
	}
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Start.Line, b.Start.Line),
			cmp.Compare(a.Start.Column, b.Start.Column), cmp.Compare(a.Code, b.Code))
	})
	// A plugin in a file of its own is of every conflist with that network's name.
	return slices.Compact(findings)
}

// pass is one rule at one file.
type pass struct {
	Rule     Rule
	File     *File
	All      []*File // of the directory, File among them
	Host     Host
	Schemas  *schema.Set
	findings []Finding
}

// advice is what to do about a finding: in words, and text for the file.
type advice struct{ hint, paste string }

// at reports something about a value.
func (p *pass) at(n *source.Node, a advice, format string, args ...any) {
	p.in(p.File.Doc, n, a, format, args...)
}

// in reports something about a value of another document of the same chain.
func (p *pass) in(doc *source.Document, n *source.Node, a advice, format string, args ...any) {
	span := n.At()
	if span.End == 0 || n.Path == "" {
		span.End = span.Start + 1
	}
	if n.Key == "type" { // which has it for its value is what matters
		span = n.Span
	}
	if n.KeySpan.End == 0 && n.Kind == source.Object {
		span.End = span.Start + 1 // the brace
		if t := n.Get("type"); t != nil {
			span = t.Span // of a link its type, which is what people look for
		}
	}
	f := p.finding(doc, span, a, format, args...)
	f.Path = n.Path
	p.findings = append(p.findings, f)
}

func (p *pass) finding(doc *source.Document, span source.Span, a advice, format string, args ...any) Finding {
	start := doc.Position(span.Start)
	return Finding{
		Code: p.Rule.Code, Severity: p.Rule.Severity, File: doc.Name, Start: start, End: doc.Position(span.End),
		Message: fmt.Sprintf(format, args...), Hint: a.hint, Paste: a.paste, line: lineOf(doc.Data, start.Line),
	}
}

// links runs a function for every link of the file.
func (p *pass) links(check func(*Link)) {
	for _, l := range p.File.Links {
		check(l)
	}
}

// link reports something about a value of a link, or about the link itself.
func (p *pass) link(l *Link, n *source.Node, a advice, format string, args ...any) {
	p.in(l.Doc, n, a, format, args...)
}
