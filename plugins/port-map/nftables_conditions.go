// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"

	"github.com/cni-chain/cni-chain/shared/nft"
	"github.com/cni-chain/cni-chain/shared/owner"
)

// conditionKey is the end of the names of the chain and the maps for a list of conditions: attachments with the same
// conditions share them, and nobody else's are touched.
func conditionKey(list []condition) string {
	if len(list) == 0 {
		return ""
	}
	return "-" + owner.NetworkHash(conditionText(list), 8)
}

// conditionChain is the chain that looks packets up which pass the conditions.
func conditionChain(f family, key string) string { return fmt.Sprintf("ports-if%d%s", f, key) }

// conditionalSet is the map of a name that mapsOf has given.
func conditionalSet(name string) *nft.Set {
	base, key, ok := strings.Cut(strings.TrimPrefix(name, "ports-"), "-")
	if !ok || base == "" {
		return nil
	}
	for _, f := range []family{v4, v6} {
		for _, s := range mapsOf(f, "-"+key).sets() {
			if s.Name == name {
				return s
			}
		}
	}
	return nil
}

// addConditions writes the chain, the maps and the rule that leads there for one list of conditions.
func addConditions(tx *nft.Tx, f family, list []condition) {
	key := conditionKey(list)
	m, chain := mapsOf(f, key), conditionChain(f, key)
	for _, s := range m.sets() {
		tx.AddSet(s)
	}
	tx.AddChain(nft.Chain{Name: chain})
	for _, r := range dnatRules(chain, f, m) {
		tx.AddRule(chain, nft.Rule{Exprs: r.exprs, Comment: r.comment})
	}
	match := f.match()
	for _, c := range list {
		match = append(match, c.exprs(f)...)
	}
	tx.AddRule(chainConditions, nft.Rule{Exprs: append(match, nft.Jump(chain)), Comment: chain})
}

// newConditions are the sides whose conditions nobody has used so far.
func (n *nftables) newConditions(p *plan) ([]*side, error) {
	var missing []*side
	for _, s := range p.sides {
		key := conditionKey(s.conditions)
		if key == "" {
			continue
		}
		handle, err := n.conditionRule(conditionChain(s.family, key))
		if err != nil {
			return nil, err
		}
		if handle == 0 {
			missing = append(missing, s)
		}
	}
	return missing, nil
}

// conditionRule finds the rule that jumps to the chain of a list of conditions; 0 is none.
func (n *nftables) conditionRule(chain string) (handle uint64, err error) {
	rules, err := n.conn.Rules(nft.Inet, chainConditions)
	for _, r := range rules {
		if r.Comment == chain {
			handle = r.Handle
		}
	}
	return handle, err
}

// deleteConditions deletes the rule, the chain and the maps of a list of conditions.
func (n *nftables) deleteConditions(tx *nft.Tx, chain string) error {
	handle, err := n.conditionRule(chain)
	if err != nil {
		return err
	}
	if handle != 0 {
		tx.DeleteRule(chainConditions, handle)
	}
	f := v4
	rest, ok := strings.CutPrefix(chain, fmt.Sprintf("ports-if%d", v4))
	if !ok {
		f, rest = v6, strings.TrimPrefix(chain, fmt.Sprintf("ports-if%d", v6))
	}
	return n.deleteWhatIsThere(tx, []string{chain}, mapsOf(f, rest).sets())
}
