// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"net/netip"
	"strings"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/shared/nft"
	"github.com/cni-chain/cni-chain/shared/owner"
)

// findTaker finds who has the element that the kernel refused. If that attachment may be replaced, it is added to
// replace; otherwise it is named in the error.
func (n *nftables) findTaker(p *plan, h nft.Holding, refused *nft.Error, replace map[string]*nft.Holding) error {
	if refused.Set == register.Set() || refused.Set == users {
		return n.replaceOwn(h.Owner, replace)
	}
	candidates := h.Elements
	if refused.Element != nil {
		candidates = []nft.InSet{{Set: refused.Set, Elements: []nft.Element{*refused.Element}}}
	}
	for _, in := range candidates {
		if in.Set != refused.Set {
			continue
		}
		found, err := n.conn.ElementsOf(nft.Inet, in)
		if err != nil {
			return err
		}
		for _, e := range found[0] {
			if e != nil {
				return n.takeOver(p, in.Set, *e, replace)
			}
		}
	}
	return nil // it is free now
}

// replaceOwn replaces what a killed ADD of the same attachment has left, or an earlier ADD that is made again.
func (n *nftables) replaceOwn(tag string, replace map[string]*nft.Holding) error {
	h, err := register.Get(n.conn, tag)
	if err == nil && h != nil {
		replace[tag] = h
	}
	return err
}

// takeOver adds the owner of an element to replace if its namespace is gone, and refuses otherwise.
func (n *nftables) takeOver(p *plan, set *nft.Set, e nft.Element, replace map[string]*nft.Holding) error {
	tag := e.Comment
	if replace[tag] != nil {
		return nil
	}
	if tag == p.owner.Tag() {
		return n.replaceOwn(tag, replace)
	}
	h, err := register.Get(n.conn, tag)
	if err != nil {
		return err
	}
	if h == nil || !gone(h) {
		return takenError(set, e)
	}
	n.log.Warn("taken over from an attachment whose network namespace is gone",
		"what", describe(set, e.Key), "from", tag)
	replace[tag] = h
	return nil
}

// takenError says who has what.
func takenError(set *nft.Set, e nft.Element) error {
	who := "somebody who is not recorded (delete it with nft from set " + set.Name + ")"
	if o, ok := owner.Parse(e.Comment); ok {
		who = o.String()
	}
	if isMap(set) {
		return chain.Errorf(codeTaken, "%s is taken by %s", describe(set, e.Key), who)
	}
	return chain.Errorf(codeAddress, "the container's address is taken by %s (%s)", who, describe(set, e.Key))
}

// isMap says whether a set leads from host ports.
func isMap(set *nft.Set) bool { return set.Data != nil }

// describe writes the key of an element for people.
func describe(set *nft.Set, key []byte) string {
	if !isMap(set) {
		return set.Text(key)
	}
	return keyPort(set, key).String()
}

// keyPort reads the key of a map.
func keyPort(set *nft.Set, key []byte) hostPort {
	var h hostPort
	if len(set.Key) == 3 {
		size := 4 * set.Key[0].Registers()
		h.addr, _ = netip.AddrFromSlice(key[:size])
		key = key[size:]
	}
	h.proto, h.port = key[0], binary.BigEndian.Uint16(key[4:])
	return h
}

// findCrossing looks for mappings of single addresses with a port that the plan maps on all, and the other way round.
// Those are different elements, which do not collide by themselves.
func (n *nftables) findCrossing(p *plan, h nft.Holding, replace map[string]*nft.Holding) error {
	for _, s := range p.sides {
		key := conditionKey(s.conditions)
		m := mapsOf(s.family, key)
		for _, in := range h.Elements {
			var err error
			switch in.Set.Name {
			case m.host.Name:
				err = n.anyAgainst(p, m, in.Elements, replace)
			case m.any.Name:
				err = n.hostAgainst(p, s.family, key, in.Elements, replace)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// anyAgainst looks up whether all addresses have the ports of these single ones.
func (n *nftables) anyAgainst(p *plan, m portMaps, host []nft.Element, replace map[string]*nft.Holding) error {
	keys := make([][]byte, len(host))
	for i, e := range host {
		keys[i] = e.Key[len(e.Key)-8:] // protocol and port
	}
	found, err := n.conn.Elements(nft.Inet, m.any, keys...)
	if err != nil {
		return err
	}
	for _, e := range found {
		if e == nil {
			continue
		}
		if err := n.takeOver(p, m.any, *e, replace); err != nil {
			return err
		}
	}
	return nil
}

// hostAgainst looks up whether single addresses have the ports that are mapped on all. Mostly there are none at all.
// Else their counters tell; only when one does is the map listed, to find out who it is.
func (n *nftables) hostAgainst(p *plan, f family, key string, all []nft.Element,
	replace map[string]*nft.Holding) error {
	singles, err := n.conn.Counters(nft.Inet, singleCounter(f, key))
	if err != nil || singles[0] == nil {
		return err
	}
	m := mapsOf(f, key)
	names := make([]string, len(all))
	for i, e := range all {
		names[i] = usedCounter(f, key, e.Key)
	}
	counters, err := n.conn.Counters(nft.Inet, names...)
	if err != nil {
		return err
	}
	crossing := map[hostPort]bool{}
	for i, c := range counters {
		if c != nil && c.Use > 0 {
			crossing[keyPort(m.any, all[i].Key)] = true
		}
	}
	if len(crossing) == 0 {
		return nil
	}
	return n.takeCrossing(p, m, crossing, replace)
}

// takeCrossing lists the mappings of single addresses and takes over those of the ports, or refuses.
func (n *nftables) takeCrossing(p *plan, m portMaps, ports map[hostPort]bool,
	replace map[string]*nft.Holding) error {
	var takers []nft.Element
	err := n.conn.Dump(nft.Inet, m.host, func() { takers = nil }, func(e nft.Element) {
		at := keyPort(m.host, e.Key)
		if ports[hostPort{proto: at.proto, port: at.port}] {
			takers = append(takers, e)
		}
	})
	if err != nil {
		return err
	}
	for _, e := range takers {
		if err := n.takeOver(p, m.host, e, replace); err != nil {
			return err
		}
	}
	return nil
}

// noteOf finds a note by how it begins.
func noteOf(h *nft.Holding, prefix string) string {
	for _, note := range h.Notes {
		if rest, ok := strings.CutPrefix(note, prefix); ok {
			return rest
		}
	}
	return ""
}
