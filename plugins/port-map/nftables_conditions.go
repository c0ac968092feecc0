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
