// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"fmt"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/source"
)

var twiceRules = []Rule{{
	Code: "CC040", Severity: Warning, Title: "a feature done twice",
	Why: "Two links of the chain do the same. At best the work is done twice; two masquerades, two port mappings or two sets of " +
		"addresses get in each other's way, and which one wins depends on their order.",
	Check: checkTwice,
}}

// feature is something that one link of a chain does; by finds where a link says that it does.
type feature struct {
	name string
	by   func(*Link) *source.Node
}

// withKey are links that have the key set.
func withKey(key string) func(*Link) *source.Node {
	return func(l *Link) *source.Node {
		if l.Facts == nil || !l.set(key) {
			return nil
		}
		if _, property := l.Schema.Property(key); property == nil {
			return nil
		}
		return l.Node.Get(key)
	}
}

// ofType are links of one of the types.
func ofType(types ...string) func(*Link) *source.Node {
	return func(l *Link) *source.Node {
		for _, t := range types {
			if l.Type == t {
				return l.Node
			}
		}
		return nil
	}
}

var features = []feature{
	{"masquerade", withKey("ipMasq")},
	{"the container's addresses", func(l *Link) *source.Node {
		if l.Facts != nil && l.IPAM != nil {
			return l.IPAM
		}
		return nil
	}},
	{"the gateway on the bridge", func(l *Link) *source.Node {
		if n := withKey("isGateway")(l); n != nil {
			return n
		}
		return withKey("isDefaultGateway")(l)
	}},
	{"port mappings", ofType("portmap", "port-map")},
	{"the container's resolv.conf", ofType("resolv-conf")},
	{"the host's firewall", ofType("firewall")},
	{"bandwidth", ofType("bandwidth")},
	{"the veth pair", ofType("veth-bridge")},
}

func checkTwice(p *pass) {
	for _, f := range features {
		var first *Link
		p.links(func(l *Link) {
			n := f.by(l)
			switch {
			case n == nil:
			case first == nil:
				first = l
			default:
				what := l.Type
				if n.Key != "" && n != l.Node {
					what = fmt.Sprintf("%q of %s", n.Key, l.Type)
				}
				p.link(l, n, advice{hint: "leave it to one of them"}, "%s: %s does what %s does already", f.name, what, first.Type)
			}
		})
	}
}
