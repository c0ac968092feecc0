// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"strings"

	"github.com/cni-chain/cni-chain/shared/owner"
)

// lost finds what an owner has that the register does not have, by what stands at each element. Nil is nothing.
func (r *Register) lost(c *Conn, tag string) (*Holding, error) {
	h := &Holding{Owner: tag}
	bySet := map[string]int{}
	err := r.each(c, func(s *Set, e Element) {
		switch {
		case e.Comment == tag:
			at, ok := bySet[s.Name]
			if !ok {
				at = len(h.Elements)
				bySet[s.Name] = at
				h.Elements = append(h.Elements, InSet{Set: s})
			}
			h.Elements[at].Elements = append(h.Elements[at].Elements, e)
		case strings.HasPrefix(e.Comment, owner.Prefix):
			h.others = true
		}
	})
	if err != nil || len(h.Elements) == 0 {
		return nil, err
	}
	return h, nil
}

// each calls f for all elements of all sets, perhaps twice, when somebody has emptied the register ("nft flush map").
// That is when nobody refers to its counter, and yet it has not been deleted with its last owner. Otherwise the
// register knows, and nothing is listed.
func (r *Register) each(c *Conn, f func(*Set, Element)) error {
	if r.count == "" {
		return nil
	}
	counters, err := c.Counters(r.table, r.count)
	if err != nil || counters[0] == nil || counters[0].Use > 0 {
		return err
	}
	sets := map[string]*Set{}
	for _, s := range r.sets() {
		sets[s.Name] = s
	}
	if r.more != nil {
		// What is made as it is needed has a counter of the same name.
		all, err := c.AllCounters(r.table)
		if err != nil {
			return err
		}
		for _, counter := range all {
			if s := r.more(counter.Name); s != nil && s.Name != r.set.Name {
				sets[s.Name] = s
			}
		}
	}
	for _, s := range sets {
		if err := c.Dump(r.table, s, func() {}, func(e Element) { f(s, e) }); err != nil {
			return err
		}
	}
	return nil
}
