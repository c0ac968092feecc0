// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/schema"
	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/source"
	"github.com/cni-chain/cni-chain/chain/internal/spell"
)

var keyRules = []Rule{
	{
		Code: "CC010", Severity: Error, Title: "unknown key",
		Why: "Nobody reads the key. A link of ours refuses the attachment for it; a reference plugin passes it over without a " +
			"word, and what was meant does not happen. A key that starts with _ or has a / is nobody's and always allowed.",
		Check: checkUnknown,
	},
	{
		Code: "CC011", Severity: Error, Title: "misspelt key",
		Why:   "The key is not known, and close to one that is. See CC010 for what becomes of it.",
		Check: checkMisspelt,
	},
	{
		Code: "CC012", Severity: Error, Title: "a key twice",
		Why: "JSON readers take the last of two equal keys, or the first, or refuse. The other is lost without a word. Letter " +
			"case makes no difference to Go programs, and so to plugins.",
		Check: func(p *pass) { p.faults(schema.Twice, keyAdvice) },
	},
	{
		Code: "CC013", Severity: Note, Title: "deprecated key",
		Why:   "There is a newer way to say the same, which can say more. The old one still works.",
		Check: func(p *pass) { p.faults(schema.Deprecated, keyAdvice) },
	},
	{
		Code: "CC014", Severity: Warning, Title: "letter case",
		Why: "Plugins written in Go take a key in any case; editors, jq and plugins in other languages do not. Where the same " +
			"key stands twice in different case, one of them is lost.",
		Check: func(p *pass) { p.faults(schema.Case, keyAdvice) },
	},
	{
		Code: "CC015", Severity: Error, Title: "a value of the wrong type",
		Why: "The plugin cannot decode its configuration: every ADD fails, and the message of a reference plugin does not say " +
			"where.",
		Check: func(p *pass) { p.faults(schema.Type, keyAdvice) },
	},
	{
		Code: "CC016", Severity: Error, Title: "a value that may not be",
		Why: "The value is of the right type, but not one of those that there are, out of bounds, or not the address, network or " +
			"name that is needed. Some plugins say so on ADD, others only fail.",
		Check: func(p *pass) { p.faults(schema.Value, keyAdvice) },
	},
	{
		Code: "CC017", Severity: Error, Title: "a key is missing",
		Why:   "Without the key the plugin, or the runtime, refuses the configuration.",
		Check: func(p *pass) { p.faults(schema.Missing, keyAdvice) },
	},
	{
		Code: "CC018", Severity: Error, Title: "keys that exclude each other",
		Why:   "Each is fine alone. Together the plugin refuses them, because they ask for opposite things.",
		Check: checkExcluded,
	},
	{
		Code: "CC019", Severity: Error, Title: "a key of another link",
		Why: "The key is one of another link's: what upstream's bridge does in one program is several links here, and each has " +
			"its own part of the keys. veth-bridge refuses those of ip-config and resolv-conf.",
		Check: checkMisplaced,
	},
}

// problem is what a schema says of a value, and in which link.
type problem struct {
	schema.Problem
	doc   *source.Document
	owner string // who reads the value: "port-map", "host-local", "a conflist"
	link  *Link  // nil for a key of the conflist itself
}

// problems are all that the schemas say of the file. Keys of the conflist that nobody knows may be a runtime's own
// (nerdctl has some), unless they are close to one that is known.
func (p *pass) problems() (list []problem) {
	add := func(doc *source.Document, owner string, l *Link, found []schema.Problem) {
		for _, f := range found {
			list = append(list, problem{f, doc, owner, l})
		}
	}
	root, conflist := p.File.Doc.Root, p.Schemas.Conflist()
	if root.Get("plugins") != nil || len(p.File.Links) == 0 {
		// Of the plugins only that they have a type: the rest is for the schema of each, and of "plugins" for CC002.
		add(p.File.Doc, "a conflist", nil, slices.DeleteFunc(conflist.Validate(root), func(f schema.Problem) bool {
			return strings.HasPrefix(f.Node.Path, "plugins") && f.Fault != schema.Missing
		}))
		for _, m := range root.Nodes {
			name, _ := conflist.Property(m.Key)
			if near := spell.Nearest(m.Key, conflist.Keys()); name == "" && near != "" {
				add(p.File.Doc, "a conflist", nil, []schema.Problem{{Fault: schema.Misspelt, Node: m, Key: near}})
			}
		}
	}
	for _, l := range p.File.Links {
		if l.Schema != nil && !l.Facts.IPAM && l.Node.Kind == source.Object {
			add(l.Doc, l.Type, l, l.Schema.Validate(l.Node))
		}
		if l.IPAMSchema != nil {
			add(l.Doc, l.IPAMType, l, l.IPAMSchema.Validate(l.IPAM))
		}
	}
	return list
}

// faults reports one kind of problem.
func (p *pass) faults(fault schema.Fault, advise func(problem) advice) {
	seen := map[string]bool{}
	for _, found := range p.problems() {
		what := found.Node.Path + found.Key + found.Text
		if found.Fault != fault || seen[what] {
			continue
		}
		seen[what] = true
		subject := found.Node.Path
		switch {
		case fault == schema.Missing:
			subject = found.Key
		case found.Node.Key != "":
			subject = found.Node.Key
		}
		if found.Instead != "" {
			p.value(found, subject, advise(found))
			continue
		}
		p.in(found.doc, found.Node, advise(found), "%s: %q %s", found.owner, subject, found.Text)
	}
}

// value reports a problem with a value that something else can be written for: it points at the value.
func (p *pass) value(found problem, subject string, a advice) {
	f := p.finding(found.doc, found.Node.Span, a, "%s: %q %s", found.owner, subject, found.Text)
	f.Path = found.Node.Path
	p.findings = append(p.findings, f)
}

// keyAdvice is what to write instead.
func keyAdvice(found problem) advice {
	n := found.Node
	switch found.Fault {
	case schema.Case:
		return advice{"write it so", fmt.Sprintf("%q: %s", found.Key, compact(found.doc.Raw(n)))}
	case schema.Twice:
		return advice{hint: "leave one of them"}
	case schema.Missing:
		if example := missing[found.Key]; example != "" {
			return advice{"add it", fmt.Sprintf("%q: %s", found.Key, example)}
		}
	}
	switch {
	case found.Instead != "" && n.Key != "":
		return advice{"write", fmt.Sprintf("%q: %s", n.Key, found.Instead)}
	case found.Instead != "":
		return advice{"write", found.Instead}
	}
	return advice{}
}

// missing are values to begin with, for keys that have to be there.
var missing = map[string]string{
	"cniVersion": `"1.0.0"`, "name": `"podnet"`, "type": `"veth-bridge"`, "dst": `"0.0.0.0/0"`, "subnet": `"10.88.0.0/16"`,
	"address": `"10.88.0.5/16"`, "master": `"eth0"`, "vlanId": "100", "vrfname": `"blue"`, "hostPort": "8080",
	"containerPort": "80", "ingressRate": "1000000000", "ingressBurst": "80000000", "egressRate": "1000000000",
	"egressBurst": "80000000",
	"ipam":        `{"type": "ip-pool", "subnet": "10.88.0.0/16"}`,
}

func checkUnknown(p *pass) {
	for _, found := range p.problems() {
		if found.Fault != schema.Unknown || p.home(found) != "" {
			continue
		}
		does := "passes it over without a word"
		if found.link != nil && found.link.ours() {
			does = "refuses it"
		}
		p.in(found.doc, found.Node, advice{hint: fmt.Sprintf("remove it, or say what it is for with %q", "_"+found.Key)},
			"%s has no key %q and %s", found.owner, found.Node.Key, does)
	}
}

func checkMisspelt(p *pass) {
	for _, found := range p.problems() {
		if found.Fault == schema.Misspelt {
			p.in(found.doc, found.Node, advice{"write", fmt.Sprintf("%q: %s", found.Key, compact(found.doc.Raw(found.Node)))},
				"%s has no key %q", found.owner, found.Node.Key)
		}
	}
}

// home is the link of ours that has a key that another one has not: "ipMasq" in veth-bridge is ip-config's.
func (p *pass) home(found problem) string {
	l := found.link
	if l == nil || found.Node.Path != strings.TrimPrefix(l.Node.Path+"."+found.Node.Key, ".") {
		return "" // not a key of the link itself
	}
	for _, name := range []string{"veth-bridge", "ip-config", "resolv-conf", "port-map"} {
		key, _ := p.Schemas.Plugin(name).Property(found.Node.Key)
		if name != l.Type && key != "" && l.ours() {
			return name
		}
	}
	return ""
}

func checkMisplaced(p *pass) {
	for _, found := range p.problems() {
		home := ""
		if found.Fault == schema.Unknown {
			home = p.home(found)
		}
		if home == "" {
			continue
		}
		pair := fmt.Sprintf("%q: %s", found.Node.Key, compact(found.doc.Raw(found.Node)))
		if found.Node.Key == "dns" {
			home = "resolv-conf"
		}
		a := advice{"add that link", fmt.Sprintf(`{"type": %q, %s}`, home, pair)}
		if slices.ContainsFunc(p.File.Links, func(l *Link) bool { return l.Type == home }) {
			a = advice{fmt.Sprintf("move it to the %s of this chain", home), pair}
		}
		p.in(found.doc, found.Node, a, "%s has no key %q: it is a key of %s", found.owner, found.Node.Key, home)
	}
}

func checkExcluded(p *pass) {
	p.links(func(l *Link) {
		if l.Facts == nil {
			return
		}
		for _, pair := range l.Facts.Excludes {
			if l.set(pair[0]) && l.set(pair[1]) {
				p.link(l, l.Node.Get(pair[1]), advice{hint: "leave one of them"}, "%s: %q does not go with %q", l.Type, pair[1], pair[0])
			}
		}
	})
}

// compact is a JSON text on one line.
func compact(text string) string {
	if !strings.Contains(text, "\n") {
		return text
	}
	var b bytes.Buffer
	if json.Compact(&b, []byte(text)) != nil {
		return text
	}
	return b.String()
}
