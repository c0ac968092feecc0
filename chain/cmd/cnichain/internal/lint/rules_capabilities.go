// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

var capabilityRules = []Rule{
	{
		Code: "CC030", Severity: Warning, Title: "a link with nothing to do",
		Why: "All that the link could do depends on keys that are not there, or on what the runtime passes only to a link that " +
			"declares the capability. It succeeds, and nothing happens: the published port that nobody answers.",
		Check: checkIdle,
	},
	{
		Code: "CC031", Severity: Note, Title: "a capability that could be declared",
		Why: "The link understands what the runtime might pass (a MAC, an address, name servers), and the conflist does not let " +
			"it. A wish of the user's is then passed over without a word.",
		Check: checkUndeclared,
	},
	{
		Code: "CC032", Severity: Warning, Title: "a capability that the link does not understand",
		Why: "The runtime takes the declaration for a promise and tells the user nothing; the link passes over what it gets. The " +
			"capability belongs to the link that understands it.",
		Check: checkNotUnderstood,
	},
}

func checkIdle(p *pass) {
	p.links(func(l *Link) {
		if l.Facts == nil || len(l.Facts.UselessWithout) == 0 || slices.ContainsFunc(l.Facts.UselessWithout, l.set) {
			return
		}
		var keys []string
		a := advice{}
		for _, key := range l.Facts.UselessWithout {
			capability, ok := strings.CutPrefix(key, "capabilities.")
			switch {
			case ok:
				keys = append(keys, "the capability "+strconv.Quote(capability))
				if a.paste == "" {
					a = advice{"declare it", l.declaring(capability)}
				}
			default:
				keys = append(keys, strconv.Quote(key))
				if example := missing[key]; a.paste == "" && example != "" {
					a = advice{"add it", fmt.Sprintf("%q: %s", key, example)}
				}
			}
		}
		p.link(l, l.Node, a, "%s does nothing without %s", l.Type, orList(keys))
	})
}

func checkUndeclared(p *pass) {
	p.links(func(l *Link) {
		known, all := l.understands()
		idle := l.Facts != nil && len(l.Facts.UselessWithout) > 0 && !slices.ContainsFunc(l.Facts.UselessWithout, l.set)
		if all || idle {
			return
		}
		for _, capability := range known {
			if l.Node.Get("capabilities").Get(capability) == nil {
				p.link(l, l.Node, advice{"to let the runtime pass it", l.declaring(capability)},
					"%s understands the capability %q, which is not declared", l.Type, capability)
			}
		}
	})
}

func checkNotUnderstood(p *pass) {
	p.links(func(l *Link) {
		known, all := l.understands()
		capabilities := l.Node.Get("capabilities")
		if all || capabilities == nil {
			return
		}
		for _, n := range capabilities.Nodes {
			if slices.ContainsFunc(known, func(c string) bool { return strings.EqualFold(c, n.Key) }) || n.Text != "true" {
				continue
			}
			a := advice{hint: "remove it"}
			for _, other := range p.File.Links {
				if theirs, _ := other.understands(); slices.Contains(theirs, n.Key) {
					a = advice{fmt.Sprintf("move it to %s", other.Type), other.declaring(n.Key)}
				}
			}
			p.link(l, n, a, "%s does not understand the capability %q", l.Type, n.Key)
		}
	})
}

// declaring is the link's "capabilities" with one more.
func (l *Link) declaring(capability string) string {
	var pairs []string
	if declared := l.Node.Get("capabilities"); declared != nil {
		for _, n := range declared.Nodes {
			if n.Key != capability {
				pairs = append(pairs, fmt.Sprintf("%q: %s", n.Key, compact(l.Doc.Raw(n))))
			}
		}
	}
	pairs = append(pairs, fmt.Sprintf("%q: true", capability))
	return `"capabilities": {` + strings.Join(pairs, ", ") + "}"
}

func orList(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}
