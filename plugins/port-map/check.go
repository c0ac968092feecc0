// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/shared/nft"
)

// check says, of all that ADD made, what is missing or different.
func check(ctx context.Context, r *request) error {
	p, err := makePlan(r)
	if err != nil || p.empty() {
		return err
	}
	if err := p.lookAround(r); err != nil {
		return err
	}
	all := []error{checkBackend(ctx, r, p)}
	for _, s := range p.sides {
		if p.opensLoopback(s) {
			all = append(all, checkLoopback(s))
		}
	}
	return errors.Join(all...)
}

// checkBackend asks the backend by which the ports are mapped.
func checkBackend(ctx context.Context, r *request, p *plan) error {
	marked, err := markedForIPTables(p.owner.Tag())
	if err != nil {
		return err
	}
	if r.Conf.Backend == backendIPTables || r.Conf.Backend == "" && len(marked) > 0 {
		var all []error
		for _, s := range p.sides {
			all = append(all, (iptables{s.family}).check(ctx, p, s))
		}
		return errors.Join(all...)
	}
	conn, err := nft.Open()
	if err != nil {
		return err
	}
	n := &nftables{conn, r.Log}
	return errors.Join(n.checkElements(p), n.checkRules(p), conn.Close())
}

// checkElements compares all elements of the attachment.
func (n *nftables) checkElements(p *plan) error {
	h := p.holding()
	recorded, err := register.Get(n.conn, h.Owner)
	if err != nil {
		return err
	}
	if recorded == nil {
		return chain.Errorf(codeMissing, "nothing is mapped for %v: table %v has no record of it", p.owner, nft.Inet)
	}
	var all []error
	if !recorded.Recorded() {
		all = append(all, chain.Errorf(codeMissing, "map %s of table %v lacks what the attachment has", register.Set().Name,
			nft.Inet))
	}
	found, err := n.conn.ElementsOf(nft.Inet, h.Elements...)
	if err != nil {
		return err
	}
	for i, in := range h.Elements {
		for j, want := range in.Elements {
			if err := compareElement(in.Set, h.Owner, want, found[i][j]); err != nil {
				all = append(all, err)
			}
		}
	}
	return errors.Join(append(all, n.checkGuard(p))...)
}

// checkGuard looks for the interface among those that are guarded.
func (n *nftables) checkGuard(p *plan) error {
	for _, s := range p.sides {
		if s.family != v4 || !p.opensLoopback(s) {
			continue
		}
		found, err := n.conn.Elements(nft.Inet, guard, nft.Name(s.link))
		if err != nil {
			return err
		}
		if found[0] == nil {
			return chain.Errorf(codeMissing, "set %s lacks %s: neighbours reach the host's 127.0.0.1", guard.Name, s.link)
		}
	}
	return nil
}

func compareElement(set *nft.Set, tag string, want nft.Element, got *nft.Element) error {
	name := fmt.Sprintf("element %s of set %s", set.Text(want.Key), set.Name)
	switch {
	case got == nil:
		return chain.Errorf(codeMissing, "%s is missing", name)
	case got.Comment != tag:
		return chain.Errorf(codeMissing, "%s belongs to %q", name, got.Comment)
	case !bytes.Equal(got.Data, want.Data) || got.Object != want.Object:
		return chain.Errorf(codeMissing, "%s leads elsewhere", name)
	}
	return nil
}

// checkRules compares the rules of all chains, by their comments and in their order. They are listed at once: the table
// has a few for each network and none for an attachment.
func (n *nftables) checkRules(p *plan) error {
	list, err := n.conn.Rules(nft.Inet, "")
	if err != nil {
		return err
	}
	rules := map[string][]string{}
	for _, r := range list {
		rules[r.Chain] = append(rules[r.Chain], r.Comment)
	}
	want := map[string][]string{}
	for _, r := range baseRules() {
		want[r.chain] = append(want[r.chain], r.comment)
	}
	for _, s := range p.sides {
		key := conditionKey(s.conditions)
		if key == "" {
			continue
		}
		name := conditionChain(s.family, key)
		want[chainConditions] = append(want[chainConditions], name) // the comment of the rule that jumps there
		for _, r := range dnatRules(name, s.family, mapsOf(s.family, key)) {
			want[name] = append(want[name], r.comment)
		}
	}
	return errors.Join(n.checkChains(), findRules(want, rules))
}

// checkChains looks for the chains; one may be there without a rule.
func (n *nftables) checkChains() error {
	var names []string
	for _, c := range baseChains() {
		names = append(names, c.Name)
	}
	found, err := n.conn.HasChains(nft.Inet, names...)
	if err != nil {
		return err
	}
	var all []error
	for i, name := range names {
		if !found[i] {
			all = append(all, chain.Errorf(codeMissing, "chain %s of table %v is missing", name, nft.Inet))
		}
	}
	return errors.Join(all...)
}

// findRules finds the wanted comments of each chain among those of its rules, in their order. Somebody else's rules
// between them are somebody else's business.
func findRules(want, rules map[string][]string) error {
	var all []error
	for _, name := range slices.Sorted(maps.Keys(want)) {
		rest := rules[name]
		for _, comment := range want[name] {
			at := slices.Index(rest, comment)
			if at < 0 {
				all = append(all, chain.Errorf(codeMissing, "rule %q of chain %s is missing", comment, name))
				break
			}
			if name != chainConditions { // there in the order in which they came to be used
				rest = rest[at+1:]
			}
		}
	}
	return errors.Join(all...)
}
