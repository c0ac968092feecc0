// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/source"
)

var documentRules = []Rule{
	{
		Code: "CC001", Severity: Error, Title: "no JSON",
		Why: "The file cannot be read at all: containerd and CRI-O pass it over or stop, with a line in their log that does " +
			"not say where. JSON has no comments and no comma before a closing bracket.",
		Check: checkSyntax,
	},
	{
		Code: "CC002", Severity: Error, Title: "no conflist",
		Why:   "A conflist is an object with a list of plugins, each an object with a type. Runtimes refuse anything else.",
		Check: checkShape,
	},
	{
		Code: "CC003", Severity: Warning, Title: "a single plugin instead of a conflist",
		Why: "A file with one plugin and no list is the form that CNI had before 1.0.0. libcni still takes it under the " +
			"extension .conf, no other reader need, and no second plugin can follow.",
		Check: checkSingle,
	},
	{
		Code: "CC004", Severity: Note, Title: "a plugin that lint does not know",
		Why: "Lint knows the links of this repository and the reference plugins. Of any other it can tell neither its keys " +
			"nor what it gives to the links after it, so it stays silent about both.",
		Check: checkKnown,
	},
}

// checkSyntax says what a person would: encoding/json names the character that it tripped over.
func checkSyntax(p *pass) {
	if p.File.Syntax == nil {
		return
	}
	doc := &source.Document{Name: p.File.Name, Data: p.File.Data}
	offset := offsetOf(doc.Data, p.File.Syntax.Position)
	before := bytes.TrimRight(doc.Data[:offset], " \t\r\n")
	found := byte(0)
	if offset < len(doc.Data) {
		found = doc.Data[offset]
	}
	message, hint := p.File.Syntax.Err.Error(), ""
	switch after := bytes.HasSuffix(before, []byte{','}); {
	case after && (found == '}' || found == ']'):
		offset = len(before) - 1
		message, hint = fmt.Sprintf("a comma before %q", string(found)), "remove it: JSON has none after the last one"
	case found == '/' || found == '#':
		message, hint = "a comment, which JSON does not have", `a key that starts with _ is one: "_why": "…"`
	case found == '\'':
		message, hint = "a single quote", `JSON takes "double quotes" only`
	case strings.Contains(message, "after object key:value pair"), strings.Contains(message, "after array element"):
		message, hint = "a comma is missing before this", ""
	}
	f := p.finding(doc, source.Span{Start: offset, End: offset + 1}, advice{hint: hint}, "no JSON: %s", message)
	p.findings = append(p.findings, f)
}

func offsetOf(data []byte, at source.Position) int {
	offset := 0
	for range at.Line - 1 {
		offset += bytes.IndexByte(data[offset:], '\n') + 1
	}
	return offset + at.Column - 1
}

func checkShape(p *pass) {
	root := p.File.Doc.Root
	plugins := root.Get("plugins")
	switch {
	case root.Kind != source.Object:
		p.at(root, advice{}, "a conflist is an object, this is %s", root.Kind)
	case plugins == nil && root.Get("type") != nil:
		if filepath.Ext(p.File.Name) == ".conflist" {
			p.at(root.Get("type"), wrap(p), "one plugin, not a list of them: a file *.conflist needs \"plugins\"")
		}
	case plugins == nil && len(p.File.Beside) == 0:
		p.at(root, advice{hint: "add the list", paste: `"plugins": []`}, "there are no \"plugins\"")
	case plugins == nil:
	case plugins.Kind != source.List:
		p.at(plugins, advice{hint: "put it into brackets"}, "\"plugins\" is %s: a list is needed", plugins.Kind)
	case len(p.File.Links) == 0:
		p.at(plugins, advice{}, "\"plugins\" is empty: a network without a link connects nothing")
	default:
		p.links(func(l *Link) {
			if l.Node.Kind != source.Object {
				p.link(l, l.Node, advice{}, "a plugin is an object with a \"type\", this is %s", l.Node.Kind)
			}
		})
	}
}

// wrap is the conflist that a single plugin makes.
func wrap(p *pass) advice {
	root := p.File.Doc.Root
	var own []string
	for _, m := range root.Nodes {
		if m.Key != "cniVersion" && m.Key != "name" {
			own = append(own, fmt.Sprintf("%q: %s", m.Key, compact(p.File.Doc.Raw(m))))
		}
	}
	return advice{hint: "make a list of it", paste: fmt.Sprintf(`{"cniVersion": %q, "name": %q, "plugins": [{%s}]}`,
		root.Str("cniVersion"), root.Str("name"), strings.Join(own, ", "))}
}

func checkSingle(p *pass) {
	root := p.File.Doc.Root
	if root.Get("plugins") == nil && root.Get("type") != nil && filepath.Ext(p.File.Name) != ".conflist" {
		p.at(root.Get("type"), wrap(p), "a single plugin: the form of CNI before 1.0.0")
	}
}

func checkKnown(p *pass) {
	p.links(func(l *Link) {
		if l.Type != "" && l.Schema == nil {
			p.link(l, l.Node, advice{}, "nothing is known of the plugin %q: its keys and its place are not looked at", l.Type)
		}
		if l.Type != "" && l.Schema != nil && l.Facts.IPAM {
			p.link(l, l.Node, advice{hint: `name it under "ipam" of the link that configures the interface`},
				"%s is an IPAM plugin, which a link calls, not a link", l.Type)
		}
		if l.IPAMType != "" && l.IPAMSchema == nil {
			p.link(l, l.IPAM, advice{}, "nothing is known of the IPAM plugin %q: its keys are not looked at", l.IPAMType)
		}
	})
}
