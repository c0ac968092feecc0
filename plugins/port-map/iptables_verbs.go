// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/shared/nft"
	"github.com/cni-chain/cni-chain/shared/owner"
)

// ipHolding is what an attachment has in one family.
type ipHolding struct {
	nft.Holding        // Owner and Notes
	chain       string // its own
	jumps       []string
	ports       []port
}

// holdings reads the attachments out of the rules.
func (l lines) holdings() map[string]*ipHolding {
	byChain := map[string]*ipHolding{}
	for _, rule := range l.rules["nat"] {
		words := fields(rule)
		name := words[1]
		if name == ipPorts {
			name = option(words, "-j")
		}
		if !strings.HasPrefix(name, "CNI-P-") {
			continue
		}
		h := byChain[name]
		if h == nil {
			h = &ipHolding{chain: name}
			byChain[name] = h
		}
		h.read(rule, words)
	}
	all := map[string]*ipHolding{}
	for _, h := range byChain {
		if h.Owner != "" {
			all[h.Owner] = h
		}
	}
	return all
}

// read takes one rule of the attachment's.
func (h *ipHolding) read(rule string, words []string) {
	text := option(words, "--comment")
	switch {
	case words[1] == ipPorts:
		h.jumps, h.Owner = append(h.jumps, rule), text
	case strings.HasPrefix(text, owner.Prefix):
		h.Owner = text
	case text != "":
		h.Notes = append(h.Notes, text)
	case option(words, "-j") == "DNAT":
		p := port{proto: protoNumber(option(words, "-p"))}
		if prefix, err := netip.ParsePrefix(option(words, "-d")); err == nil {
			p.addr = prefix.Addr()
		}
		first, last, ok := strings.Cut(option(words, "--dport"), ":")
		if !ok {
			last = first
		}
		p.host, p.count = uint16(number(first)), number(last)-number(first)+1
		h.ports = append(h.ports, p)
	}
}

// taken says which port of the side another attachment has, under the same conditions.
func (h *ipHolding) taken(s *side) (hostPort, bool) {
	if noteOf(&h.Holding, noteConditions) != ipConditionKey(s.ipConditions()) {
		return hostPort{}, false
	}
	for _, has := range h.ports {
		for _, want := range s.ports {
			first := max(has.host, want.host)
			last := min(int(has.host)+has.count, int(want.host)+want.count)
			if has.proto == want.proto && int(first) < last && has.overlaps(&want) {
				return hostPort{has.proto, has.addr, first}, true
			}
		}
	}
	return hostPort{}, false
}

// addSide maps the ports of one family. Attachments that had one of them, and whose namespace is gone, are added to
// dead.
func (i iptables) addSide(ctx context.Context, log *slog.Logger, p *plan, s *side, dead map[string]bool) error {
	l, err := i.save(ctx)
	if err != nil {
		return err
	}
	c := changes{}
	all := l.holdings()
	for _, tag := range slices.Sorted(maps.Keys(all)) {
		h := all[tag]
		at, taken := h.taken(s)
		switch {
		case tag == p.owner.Tag():
		case !taken:
			continue
		case !gone(&h.Holding):
			o, _ := owner.Parse(tag)
			return chain.Errorf(codeTaken, "%v is taken by %v", at, o)
		default:
			log.Warn("taken over from an attachment whose network namespace is gone", "what", at.String(), "from", tag)
			dead[tag] = true
		}
		if err := i.forget(c, l, all, h); err != nil {
			return err
		}
		delete(all, tag)
	}
	if err := i.closeUnneeded(c, l, all); err != nil {
		return err
	}
	was, err := p.loopbackNow()
	if err != nil {
		return err
	}
	r := p.rules(s, was[s.family])
	r.write(c, l, ownChain(p.owner))
	return i.restore(ctx, c)
}

// write adds the rules, and what of the base is missing.
func (r ipRules) write(c changes, l lines, own string) {
	l.base(c, "nat")
	c.add("nat", ":"+own+" - [0:0]")
	if r.masquerade != "" && !l.has("nat", r.masquerade) {
		c.add("nat", r.masquerade)
	}
	c.add("nat", r.own...)
	c.add("nat", r.jumps...)
	if len(r.guard) == 0 {
		return
	}
	l.base(c, "raw")
	for _, rule := range r.guard {
		if !l.guards(rule) {
			c.add("raw", rule)
		}
	}
}

// forget writes the deletion of what an attachment has, and takes back the route to ::1 if only it needs it. all are
// those that are left, with it.
func (i iptables) forget(c changes, l lines, all map[string]*ipHolding, h *ipHolding) error {
	for _, rule := range h.jumps {
		c.add("nat", deleteRule(rule))
	}
	if l.chains["nat "+h.chain] {
		c.add("nat", "-F "+h.chain, "-X "+h.chain)
	}
	link := noteOf(&h.Holding, noteLink)
	if i.family == v4 || link == "" || needed(link, all, h.Owner) {
		return nil // of 127.0.0.1 closeUnneeded takes care
	}
	return closeLoopback6(link)
}

// forgetBase writes the deletion of what all attachments share.
func (l lines) forgetBase(c changes) {
	for _, table := range []string{"nat", "raw"} {
		for _, rule := range l.rules[table] {
			for _, base := range ipBase(table) {
				if slices.Equal(fields(rule), fields(base)) {
					c.add(table, deleteRule(rule))
				}
			}
		}
		for _, name := range ipBaseChains(table) {
			if l.chains[table+" "+name] {
				c.add(table, "-F "+name, "-X "+name)
			}
		}
	}
}

// inIPTables are the tags, starting with prefix, of attachments that have rules.
func inIPTables(ctx context.Context, prefix string) (tags []string, err error) {
	for _, i := range []iptables{{v4}, {v6}} {
		if !i.works() {
			continue
		}
		l, err := i.save(ctx)
		if err != nil {
			return nil, err
		}
		for tag := range l.holdings() {
			if strings.HasPrefix(tag, prefix) {
				tags = append(tags, tag)
			}
		}
	}
	return tags, nil
}

// del takes back what the owners have in this family, and returns the addresses that their ports led to.
func (i iptables) del(ctx context.Context, tags map[string]bool) ([]netip.Addr, error) {
	if !i.works() {
		return nil, nil
	}
	l, err := i.save(ctx)
	if err != nil {
		return nil, err
	}
	c, all := changes{}, l.holdings()
	var found []*nft.Holding
	for tag, h := range all {
		if !tags[tag] {
			continue
		}
		if err := i.forget(c, l, all, h); err != nil {
			return nil, err
		}
		found = append(found, &h.Holding)
		delete(all, tag)
	}
	for tag := range tags {
		// "iptables -F" has left the chain without the rules that say whose it is.
		o, _ := owner.Parse(tag)
		if own := ownChain(o); l.chains["nat "+own] && len(l.of("nat", own)) == 0 {
			c.add("nat", "-F "+own, "-X "+own)
		}
	}
	if err := i.closeUnneeded(c, l, all); err != nil {
		return nil, err
	}
	if len(all) == 0 {
		l.forgetBase(c)
	}
	return containersOf(found), i.restore(ctx, c)
}

// check says what of the side's rules is missing.
func (i iptables) check(ctx context.Context, p *plan, s *side) error {
	l, err := i.save(ctx)
	if err != nil {
		return err
	}
	var all []error
	missing := func(table, rule string) {
		all = append(all, chain.Errorf(codeMissing, "table %s of %s lacks the rule %q", table, i.binary("save"), rule))
	}
	r := p.rules(s, "")
	want := append(ipBase("nat"), r.own...)
	if r.masquerade != "" {
		want = append(want, r.masquerade)
	}
	for _, rule := range want {
		if !l.has("nat", rule) {
			missing("nat", rule)
		}
	}
	for _, rule := range r.jumps {
		if rule = "-A" + rule[2:]; !l.jumps(rule) {
			missing("nat", rule)
		}
	}
	if len(r.guard) > 0 {
		for _, rule := range ipBase("raw") {
			if !l.has("raw", rule) {
				missing("raw", rule)
			}
		}
	}
	for _, rule := range r.guard {
		if !l.guards(rule) {
			missing("raw", rule)
		}
	}
	return errors.Join(all...)
}

// jumps says whether a rule of ipPorts is there. Conditions may be printed in other words than they were written.
func (l lines) jumps(rule string) bool {
	want := fields(rule)
	return slices.ContainsFunc(l.of("nat", ipPorts), func(r string) bool {
		got := fields(r)
		for _, name := range []string{"-p", "--dports", "--comment", "-j"} {
			if option(got, name) != option(want, name) {
				return false
			}
		}
		return true
	})
}
