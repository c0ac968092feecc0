// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/cni-chain/cni-chain/shared/owner"
)

// Chains of the iptables backend. An attachment has one of its own, to which the rules of ipPorts lead, at most 15
// ports a rule; its first rules are comments, a tag and notes, as in the register of the other backend.
const (
	ipPorts      = "CNI-PORTS"
	ipMasquerade = "CNI-PORTS-MASQ"
	ipGuard      = "CNI-PORTS-GUARD"
)

// multiportMax is how many ports the multiport match takes, a range counting two (XT_MULTI_PORTS of
// linux/netfilter/xt_multiport.h).
const multiportMax = 15

// ownChain is an attachment's chain. A chain's name has at most 28 bytes.
func ownChain(o owner.Owner) string { return "CNI-P-" + o.Hash(20) }

func comment(text string) string { return "-m comment --comment " + quote(text) }

// ipBaseComment stands at the rules of ipBase.
const ipBaseComment = `-m comment --comment "cni-chain: host ports"`

// ipBase is what is there for all attachments in a table.
func ipBase(table string) []string {
	if table == "raw" {
		return []string{"-A PREROUTING " + ipBaseComment + " -j " + ipGuard}
	}
	return []string{
		"-A PREROUTING -m addrtype --dst-type LOCAL " + ipBaseComment + " -j " + ipPorts,
		"-A OUTPUT -m addrtype --dst-type LOCAL " + ipBaseComment + " -j " + ipPorts,
		"-A POSTROUTING -m conntrack --ctstate DNAT " + ipBaseComment + " -j " + ipMasquerade,
	}
}

// ipBaseChains are the chains for it.
func ipBaseChains(table string) []string {
	if table == "raw" {
		return []string{ipGuard}
	}
	return []string{ipPorts, ipMasquerade}
}

// base adds what is missing of it. The rule of POSTROUTING goes first, before other masquerading.
func (l lines) base(c changes, table string) {
	for _, chain := range ipBaseChains(table) {
		if !l.chains[table+" "+chain] {
			c.add(table, ":"+chain+" - [0:0]")
		}
	}
	for _, rule := range ipBase(table) {
		if !l.has(table, rule) {
			c.add(table, strings.Replace(rule, "-A POSTROUTING", "-I POSTROUTING 1", 1))
		}
	}
}

// ipRules are the rules of one side of a plan.
type ipRules struct {
	jumps, own []string
	masquerade string // of the mark; "" when nothing is marked by us
	guard      []string
}

// rules writes the side as iptables-save would print it.
func (p *plan) rules(s *side, was string) ipRules {
	tag, own := p.owner.Tag(), ownChain(p.owner)
	var r ipRules
	conditions, verb := s.ipConditions(), "-A "
	if len(conditions) > 0 {
		verb = "-I " // before those that have none
	}
	for _, group := range s.groups() {
		for _, list := range portLists(group.ports) {
			r.jumps = append(r.jumps, join(verb+ipPorts, conditions, group.destination(), "-p", protoName(group.proto),
				"-m multiport --dports", list, comment(tag), "-j", own))
		}
	}
	r.own = append(r.own, "-A "+own+" "+comment(tag), "-A "+own+" "+comment(noteNetNS+p.netns),
		"-A "+own+" "+comment(noteContainer+s.container.String()))
	if p.opensLoopback(s) {
		r.own = append(r.own, "-A "+own+" "+comment(noteLink+s.link))
	}
	if len(conditions) > 0 {
		r.own = append(r.own, "-A "+own+" "+comment(noteConditions+ipConditionKey(conditions)))
	}
	if p.snat {
		r.own = append(r.own, p.marks(s, own)...)
		if p.extern == "" {
			r.masquerade = fmt.Sprintf("-A %s -m mark --mark %s -j MASQUERADE", ipMasquerade, p.mark())
		}
	}
	for _, port := range s.ports {
		r.own = append(r.own, s.dnat(port, own)...)
	}
	if p.opensLoopback(s) && s.family == v4 {
		for _, side := range []string{"-d", "-s"} {
			r.guard = append(r.guard, fmt.Sprintf("-A %s %s 127.0.0.0/8 -i %s %s -j DROP", ipGuard, side, s.link,
				comment(was)))
		}
	}
	return r
}

// Notes in an attachment's chain: the interface through which the host's loopback address is let for it, and what
// stands for its conditions.
const (
	noteLink       = "link "
	noteConditions = "conditions "
)

// ipConditions are the conditions in the words of iptables.
func (s *side) ipConditions() []string {
	if iptablesWords(s.words) {
		return strings.Fields(strings.Join(s.words, " "))
	}
	return strings.Fields(conditionText(s.conditions))
}

func ipConditionKey(words []string) string {
	if len(words) == 0 {
		return ""
	}
	return owner.NetworkHash(strings.Join(words, " "), 8)
}

// mark is the bit and its mask.
func (p *plan) mark() string { return fmt.Sprintf("%#x/%#x", uint32(1)<<p.bit, uint32(1)<<p.bit) }

// marks are the rules that mark what is to be masqueraded.
func (p *plan) marks(s *side, own string) []string {
	target := "-j MARK --set-xmark " + p.mark()
	if p.extern != "" {
		target = "-j " + p.extern
	}
	if p.all {
		return []string{join("-A "+own, target)}
	}
	rules := []string{join("-A "+own, "-s", s.subnet.String(), target)}
	if s.link != "" {
		rules = append(rules, join("-A "+own, "-s", loopbackSource(s.family), target))
	}
	return rules
}

func loopbackSource(f family) string { return f.loopbackPrefix().Masked().String() }

// dnat are the rules of a mapping: one when the ports keep their numbers or there is one, else one for each.
func (s *side) dnat(p port, own string) []string {
	var rules []string
	rule := func(first, last uint16, to string) {
		ports := strconv.Itoa(int(first))
		if last != first {
			ports += ":" + strconv.Itoa(int(last))
		}
		proto := protoName(p.proto)
		rules = append(rules, join("-A "+own, destination(p.addr), "-p", proto, "-m", proto, "--dport", ports,
			"-j DNAT --to-destination", to))
	}
	last := p.host + uint16(p.count-1)
	if p.host == p.target && p.count > 1 {
		rule(p.host, last, bare(s.container))
		return rules
	}
	for i := range uint16(p.count) {
		rule(p.host+i, p.host+i, netip.AddrPortFrom(s.container, p.target+i).String())
	}
	return rules
}

// bare is an address as --to-destination takes it without a port.
func bare(a netip.Addr) string { return a.String() }

// group are ports that one rule can match.
type group struct {
	proto uint8
	addr  netip.Addr
	ports []port
}

func (g group) destination() string { return destination(g.addr) }

func destination(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return "-d " + netip.PrefixFrom(a, a.BitLen()).String()
}

func (s *side) groups() []group {
	var all []group
	for _, p := range s.ports {
		at := slices.IndexFunc(all, func(g group) bool { return g.proto == p.proto && g.addr == p.addr })
		if at < 0 {
			at = len(all)
			all = append(all, group{proto: p.proto, addr: p.addr})
		}
		all[at].ports = append(all[at].ports, p)
	}
	return all
}

// portLists are lists of as many ports as the multiport match takes.
func portLists(ports []port) []string {
	var all, list []string
	used := 0
	for _, p := range ports {
		item, cost := strconv.Itoa(int(p.host)), 1
		if p.count > 1 {
			item, cost = fmt.Sprintf("%d:%d", p.host, int(p.host)+p.count-1), 2
		}
		if used+cost > multiportMax {
			all, list, used = append(all, strings.Join(list, ",")), nil, 0
		}
		list, used = append(list, item), used+cost
	}
	return append(all, strings.Join(list, ","))
}

// join puts words, or lists of words, together, without the empty ones.
func join(parts ...any) string {
	var words []string
	for _, part := range parts {
		switch v := part.(type) {
		case string:
			if v != "" {
				words = append(words, v)
			}
		case []string:
			words = append(words, v...)
		}
	}
	return strings.Join(words, " ")
}
