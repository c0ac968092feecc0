// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"

	"github.com/cni-chain/cni-chain/shared/nft"
)

// clearBase takes back what base has written when the owners of the tags are the last, and the table when nothing else
// is in it. Should somebody else have put an element into one of the sets, all stays.
func (n *nftables) clearBase(tx *nft.Tx, tags []string) error {
	for _, s := range allSets() {
		others := 0
		err := n.conn.Dump(nft.Inet, s, func() { others = 0 }, func(e nft.Element) {
			if s != guard && !slices.Contains(tags, e.Comment) {
				others++
			}
		})
		if err != nil || others > 0 {
			return err
		}
	}
	var names []string
	for _, c := range baseChains() {
		names = append(names, c.Name)
	}
	if err := n.deleteWhatIsThere(tx, names, append(allSets(), register.Set())); err != nil {
		return err
	}
	return tx.DeleteTableIfLast()
}

// deleteWhatIsThere deletes chains and sets. One that somebody has deleted meanwhile is to keep nobody from the others.
func (n *nftables) deleteWhatIsThere(tx *nft.Tx, chains []string, sets []*nft.Set) error {
	hasChain, err := n.conn.HasChains(nft.Inet, chains...)
	if err != nil {
		return err
	}
	hasSet, err := n.conn.HasSets(nft.Inet, sets...)
	if err != nil {
		return err
	}
	for i, name := range chains {
		if hasChain[i] {
			tx.DeleteChain(name)
		}
	}
	for i, s := range sets {
		if hasSet[i] {
			tx.DeleteSet(s)
		}
	}
	return nil
}
