// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"

	"github.com/cni-chain/cni-chain/shared/nft"
)

// Notes that a holding has beside its elements.
const (
	noteNetNS     = "netns "     // device, inode and path of the container's namespace
	noteContainer = "container " // address that the ports lead to
)

// holding is what the plan comes to in the table.
func (p *plan) holding() nft.Holding {
	h := nft.Holding{Owner: p.owner.Tag(), Notes: []string{noteNetNS + p.netns}}
	put := func(set *nft.Set, elems ...nft.Element) {
		if len(elems) > 0 {
			h.Elements = append(h.Elements, nft.InSet{Set: set, Elements: elems})
		}
	}
	for _, s := range p.sides {
		key := conditionKey(s.conditions)
		m := mapsOf(s.family, key)
		host, any, used := s.mappings(key)
		put(m.host, host...)
		put(m.used, used...)
		put(m.any, any...)
		addr, sets := nft.Addr(s.container), shared()[s.family]
		h.Notes = append(h.Notes, noteContainer+s.container.String())
		if p.snat && p.all {
			put(sets.all, nft.Element{Key: addr})
		}
		if p.snat {
			put(sets.hairpin, nft.Element{Key: nft.Join(addr, addr)})
		}
		if p.snat && s.link != "" {
			put(sets.behind, nft.Element{Key: nft.Join(addr, nft.Name(s.link))})
			put(sets.local, nft.Element{Key: addr, Object: localCounter(s.family, s.link)})
		}
		count := func(what int, counter string) {
			key := nft.Join(nft.Name(p.owner.Hash(15)), nft.Port(uint16(what)+uint16(s.family)))
			put(users, nft.Element{Key: key, Object: counter})
		}
		if key != "" {
			count(countConditions, conditionChain(s.family, key))
		}
		if len(host) > 0 {
			count(countSingles, singleCounter(s.family, key))
		}
	}
	return h
}

// mappings are the elements of the maps, one for each port.
func (s *side) mappings(key string) (host, any, used []nft.Element) {
	total := 0
	for _, p := range s.ports {
		total += p.count
	}
	// Thousands of ports are normal, so their keys and values are cut from one piece: the address, protocol and port,
	// and where they lead.
	addr := nft.Addr(s.container)
	buf := make([]byte, 0, total*2*(len(addr)+8))
	any = make([]nft.Element, 0, total)
	for _, p := range s.ports {
		for i := range uint16(p.count) {
			at := len(buf)
			if p.addr.IsValid() {
				buf = append(buf, nft.Addr(p.addr)...)
			}
			port := len(buf)
			buf = append(buf, p.proto, 0, 0, 0, byte((p.host+i)>>8), byte(p.host+i), 0, 0)
			to := len(buf)
			buf = append(buf, addr...)
			buf = append(buf, byte((p.target+i)>>8), byte(p.target+i), 0, 0)
			e := nft.Element{Key: buf[at:to:to], Data: buf[to:len(buf):len(buf)]}
			if !p.addr.IsValid() {
				any = append(any, e)
				continue
			}
			host = append(host, e)
			used = append(used, nft.Element{Key: e.Key, Object: usedCounter(s.family, key, buf[port:to])})
		}
	}
	return host, any, used
}

// usedCounter counts the mappings of single addresses with that protocol and port.
func usedCounter(f family, key string, port []byte) string {
	return fmt.Sprintf("ports-used%d%s-%s", f, key, strings.ReplaceAll(portKey.Text(port), " . ", "-"))
}

// singleCounter counts the attachments that have mappings of single addresses.
func singleCounter(f family, key string) string { return fmt.Sprintf("ports-single%d%s", f, key) }

// portKey is only for writing protocol and port.
var portKey = &nft.Set{Key: []nft.Type{nft.InetProto, nft.InetService}}

// localCounter counts the containers that the host's loopback address reaches through an interface.
func localCounter(f family, link string) string { return fmt.Sprintf("ports-local%d-%s", f, link) }
