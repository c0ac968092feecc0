// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"fmt"
	"slices"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/source"
)

var orderRules = []Rule{
	{
		Code: "CC020", Severity: Error, Title: "no interface in the container yet",
		Why: "The link works on the container's interface, and no link before it makes one. It fails on ADD.",
		Check: func(p *pass) {
			p.needs("interface", "an interface in the container", "veth-bridge, bridge, macvlan, …")
		},
	},
	{
		Code: "CC021", Severity: Error, Title: "no interface on the host",
		Why: "The link works on the host's end of the container's interface. A macvlan, an ipvlan or a moved device has none.",
		Check: func(p *pass) {
			p.needs("host-interface", "an interface on the host that leads to the container", "veth-bridge, bridge or ptp")
		},
	},
	{
		Code: "CC022", Severity: Error, Title: "no addresses yet",
		Why: "The link reads the container's addresses out of the result of the links before it. Without any it fails, or does " +
			"nothing and says that all is well.",
		Check: func(p *pass) {
			p.needs("addresses", "addresses", `ip-config, or one that makes the interface and has "ipam"`)
		},
	},
	{
		Code: "CC023", Severity: Error, Title: "a link that begins a chain stands later in it",
		Why: "The plugin was made to be the first: it takes no notice of the result before it and hands on its own alone, so " +
			"that the runtime never learns of what the links before it made. Two of them make the same interface twice.",
		Check: checkFirst,
	},
	{
		Code: "CC024", Severity: Warning, Title: "DNS after the link that writes it",
		Why: "resolv-conf writes what the links before it say of name servers. What a later link adds is in the result only, " +
			"which few runtimes read.",
		Check: checkDNSOrder,
	},
	{
		Code: "CC025", Severity: Error, Title: "no bridge",
		Why: "The link puts something on the bridge, or lets traffic within it through, and takes the first interface of the " +
			"result for it. No link before it has one.",
		Check: checkBridge,
	},
	{
		Code: "CC026", Severity: Error, Title: "a MAC changed after the spoof check",
		Why: "macspoofchk drops all that does not come from the MAC that the interface had then. A later tuning gives it " +
			"another one, and the container is mute.",
		Check: checkSpoofedMAC,
	},
	{
		Code: "CC027", Severity: Note, Title: "no way out",
		Why: "The container gets addresses and no default route: it reaches its own network and nothing else. That may be " +
			"meant; then it is fine.",
		Check: checkWayOut,
	},
}

// provided are what the links before the i-th have made; all is true when one of them is unknown.
func (f *File) provided(i int) (things []string, all bool) {
	for _, l := range f.Links[:i] {
		if l.Facts == nil {
			return nil, true
		}
		things = append(things, l.Facts.Provides...)
		for key, given := range l.Facts.ProvidesWith {
			if l.set(key) {
				things = append(things, given...)
			}
		}
		if l.declares("ips") { // the runtime may bring addresses, and a plugin that has no others takes them
			things = append(things, "addresses")
		}
	}
	return things, false
}

// needs reports links that need what no link before them makes. Of several things only the first that is missing is
// told.
func (p *pass) needs(thing, name, makers string) {
	for i, l := range p.File.Links {
		have, all := p.File.provided(i)
		if l.Facts == nil || all {
			continue
		}
		missing := slices.IndexFunc(l.Facts.Needs, func(n string) bool { return !slices.Contains(have, n) })
		if missing < 0 || l.Facts.Needs[missing] != thing {
			continue
		}
		a := advice{hint: "put before it a link that does: " + makers}
		for later, other := range p.File.Links[i+1:] {
			after, _ := p.File.provided(i + later + 2)
			if other.Facts != nil && slices.Contains(after, thing) {
				a = advice{hint: fmt.Sprintf("move it behind %s, plugins[%d]", other.Type, i+later+1)}
				break
			}
		}
		where := "which no link before it makes"
		if i == 0 {
			where = "and is the first link"
		}
		p.link(l, l.Node, a, "%s needs %s, %s", l.Type, name, where)
	}
}

func checkFirst(p *pass) {
	for i, l := range p.File.Links {
		if i > 0 && l.Facts != nil && l.Facts.Place == "first" {
			p.link(l, l.Node, advice{hint: "put it first, or leave it out"},
				"%s takes no notice of what %s before it did: its result replaces theirs", l.Type, p.File.Links[i-1].Type)
		}
	}
}

func checkDNSOrder(p *pass) {
	for i, l := range p.File.Links {
		writer := slices.IndexFunc(p.File.Links[:i], func(l *Link) bool { return l.Type == "resolv-conf" })
		if writer < 0 || l.Type == "resolv-conf" {
			continue
		}
		for _, n := range []*source.Node{withKey("dns")(l), l.IPAM.Get("dns"), l.IPAM.Get("resolvConf")} {
			if truthy(n) {
				p.link(l, n, advice{hint: fmt.Sprintf("move resolv-conf, plugins[%d], behind this link", writer)},
					"%s: %q comes too late for resolv-conf, which stands before it", l.Type, n.Key)
			}
		}
	}
}

func checkBridge(p *pass) {
	for i, l := range p.File.Links {
		have, all := p.File.provided(i)
		if l.Facts == nil || all || !slices.Contains(have, "interface") || slices.Contains(have, "bridge") || l.ours() && l.set("bridge") {
			continue
		}
		for key, things := range l.Facts.NeedsWith {
			if n := l.Node.Get(key); slices.Contains(things, "bridge") && l.set(key) && n.Text != "open" {
				p.link(l, n, advice{hint: "leave it out: " + withoutBridge(l)},
					"%s: %q needs a bridge, and no link before it has one", l.Type, n.Key)
			}
		}
	}
}

func withoutBridge(l *Link) string {
	if l.Type == "ip-config" {
		return `the gateway is then a machine beside this one, named as "gateway" with the range`
	}
	return "without a bridge there is nothing to tell apart"
}

func checkSpoofedMAC(p *pass) {
	spoof := false
	p.links(func(l *Link) {
		switch {
		case l.Node.True("macspoofchk"):
			spoof = true
		case l.Type == "tuning" && spoof && (l.set("mac") || l.declares("mac")):
			n := l.Node.Get("mac")
			if n == nil {
				n = l.Node.Get("capabilities").Get("mac")
			}
			p.link(l, n, advice{hint: "let the link with macspoofchk set the MAC: it understands the capability mac"},
				"tuning changes the MAC that macspoofchk has just tied the container to")
		}
	})
}

func checkWayOut(p *pass) {
	var last *Link
	out, dynamic := false, false
	for _, l := range p.File.Links {
		if l.Facts == nil {
			return
		}
		if l.IPAM != nil || l.set("addresses") {
			last = l
		}
		dynamic = dynamic || l.IPAM != nil && (l.IPAMSchema == nil || l.IPAMType == "dhcp")
		out = out || l.leadsOut()
	}
	if last != nil && !out && !dynamic {
		n := last.Node.Get("ipam")
		if n == nil {
			n = last.Node.Get("addresses")
		}
		p.link(last, n, advice{"to reach other networks, add to " + last.Type, `"isDefaultGateway": true`},
			"the container gets no default route")
	}
}

// leadsOut says whether the link makes a default route.
func (l *Link) leadsOut() bool {
	return l.set("isDefaultGateway") || hasDefault(l.Node.Get("routes")) || hasDefault(l.IPAM.Get("routes")) ||
		l.Type == "ptp" // its own gateway is the only way there is
}

func hasDefault(routes *source.Node) bool {
	if routes == nil {
		return false
	}
	return slices.ContainsFunc(routes.Nodes, func(r *source.Node) bool {
		return r.Str("dst") == "0.0.0.0/0" || r.Str("dst") == "::/0"
	})
}
