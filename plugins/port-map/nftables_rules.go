// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/nft"
)

// The chains of all attachments, in the table inet cni-chain.
const (
	chainPrerouting  = "ports-prerouting"
	chainOutput      = "ports-output"
	chainDNAT        = "ports-dnat"
	chainConditions  = "ports-conditions"
	chainPostrouting = "ports-postrouting"
	chainMasquerade  = "ports-masquerade"
	chainGuard       = "ports-guard"
)

// base writes what all attachments share.
func base(tx *nft.Tx) {
	tx.AddTable()
	for _, c := range baseChains() {
		tx.AddChain(c)
	}
	tx.AddCounter(registerCounter, "")
	tx.AddSet(register.Set())
	for _, s := range allSets() {
		tx.AddSet(s)
	}
	for _, r := range baseRules() {
		if r.first {
			tx.FlushChain(r.chain)
		}
		tx.AddRule(r.chain, nft.Rule{Exprs: r.exprs, Comment: r.comment})
	}
}

// baseChains are the chains, each before those that it jumps to. Their priorities are those by which nft and iptables
// order nat and raw (enum nf_ip_hook_priorities of linux/netfilter_ipv4.h).
func baseChains() []nft.Chain {
	const raw, dstnat, srcnat = -300, -100, 100
	hook := func(name, kind string, num uint32, priority int32) nft.Chain {
		return nft.Chain{Name: name, Hook: &nft.Hook{Type: kind, Num: num, Priority: priority}}
	}
	return []nft.Chain{
		hook(chainPrerouting, "nat", unix.NF_INET_PRE_ROUTING, dstnat),
		hook(chainOutput, "nat", unix.NF_INET_LOCAL_OUT, dstnat),
		hook(chainPostrouting, "nat", unix.NF_INET_POST_ROUTING, srcnat),
		hook(chainGuard, "filter", unix.NF_INET_PRE_ROUTING, raw),
		{Name: chainDNAT}, {Name: chainConditions}, {Name: chainMasquerade},
	}
}

// baseRule is one rule of a chain.
type baseRule struct {
	chain   string
	first   bool // of its chain
	exprs   []nft.Expr
	comment string
}

// baseRules are all rules there are, whatever is mapped. They look only at packets to addresses of the host: a rule
// that did not would take over connections to others.
func baseRules() []baseRule {
	toHost := append(nft.Is(nft.DestinationType, nft.Native(unix.RTN_LOCAL)), nft.Jump(chainDNAT))
	translated := append(nft.Masked(nft.ConntrackStatus, nft.Native(ipsDstNAT), nft.Native(ipsDstNAT), false),
		nft.Jump(chainMasquerade))
	rules := []baseRule{
		{chain: chainPrerouting, exprs: toHost, comment: "from outside"},
		{chain: chainOutput, exprs: toHost, comment: "from the host itself"},
		{chain: chainPostrouting, exprs: translated, comment: "mapped ports"},
		{chain: chainDNAT, exprs: []nft.Expr{nft.Jump(chainConditions)}, comment: "mappings with conditions"},
	}
	for _, f := range []family{v4, v6} {
		rules = append(rules, dnatRules(chainDNAT, f, shared()[f].portMaps)...)
		rules = append(rules, masqueradeRules(f)...)
	}
	rules = append(rules, guardRules()...)
	seen := map[string]bool{}
	for i := range rules {
		rules[i].first = !seen[rules[i].chain]
		seen[rules[i].chain] = true
	}
	return rules
}

// dnatRules look a packet up in the maps: a mapping of one address goes before those of all addresses.
func dnatRules(chain string, f family, m portMaps) []baseRule {
	rule := func(comment string, set *nft.Set, fields ...nft.Field) baseRule {
		find, register := nft.Map(set, fields...)
		return baseRule{chain: chain, comment: comment, exprs: nft.All(f.match(), find, []nft.Expr{
			nft.DNAT(f.nfproto(), register, register+uint32(f.addrType().Registers())),
		})}
	}
	return []baseRule{
		rule(fmt.Sprintf("IPv%d ports of one address", f), m.host, f.destination(), nft.L4Proto, nft.DestPort),
		rule(fmt.Sprintf("IPv%d ports of all addresses", f), m.any, nft.L4Proto, nft.DestPort),
	}
}

// match is that the packet is of the family: the rule before all that looks at addresses.
func (f family) match() []nft.Expr { return nft.Is(nft.Family, []byte{f.nfproto()}) }

// masqueradeRules hide the source where the container would answer it directly, past the translation, or could not
// answer at all. Everybody else's address is kept.
func masqueradeRules(f family) []baseRule {
	s := shared()[f]
	rule := func(comment string, match []nft.Expr) baseRule {
		return baseRule{chain: chainMasquerade, comment: comment,
			exprs: nft.All(f.match(), match, []nft.Expr{nft.Masquerade()})}
	}
	return []baseRule{
		rule(fmt.Sprintf("IPv%d container to itself", f), nft.In(s.hairpin, f.source(), f.destination())),
		rule(fmt.Sprintf("IPv%d neighbour on the same link", f), nft.In(s.behind, f.destination(), nft.InputName)),
		rule(fmt.Sprintf("IPv%d loopback of the host", f), append(
			inPrefix(f.source(), f.loopbackPrefix(), false), nft.In(s.local, f.destination())...)),
		rule(fmt.Sprintf("IPv%d masqAll", f), nft.In(s.all, f.destination())),
	}
}

// guardRules keep neighbours out of the host's 127/8, in both directions that they could try, on the interfaces where
// route_localnet is on. IPv6 needs none: the kernel takes ::1 from no other interface than lo (ip6_rcv_core).
func guardRules() []baseRule {
	rule := func(comment string, field nft.Field) baseRule {
		return baseRule{chain: chainGuard, comment: comment, exprs: nft.All(v4.match(),
			inPrefix(field, v4.loopbackPrefix(), false), nft.In(guard, nft.InputName), []nft.Expr{nft.Drop()})}
	}
	return []baseRule{
		rule("neighbours to 127/8", nft.Destination4),
		rule("neighbours that call themselves 127/8", nft.Source4),
	}
}

// ipsDstNAT is IPS_DST_NAT of linux/netfilter/nf_conntrack_common.h: the connection's destination was translated.
const ipsDstNAT = 1 << 5
