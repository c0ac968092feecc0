// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"net/netip"
)

// maxSurprises is how many addresses may turn out to be taken without a bit that says so, before the bits are made
// anew. One is what a killed process leaves; many mean that the bits are lost.
const maxSurprises = 16

// search looks for addresses to lease.
type search struct {
	pool      string
	dir       *dir
	hints     *hints
	surprises int
}

// choose finds an address per range set, without changing anything but hints.
func (s *search) choose(p plan, pos position) ([]netip.Addr, position, error) {
	var chosen []netip.Addr
	for i, set := range p.sets {
		a, err := s.address(set, p.wanted[i], pos)
		if err != nil {
			return nil, nil, err
		}
		chosen = append(chosen, a)
		pos = pos.moved(set, a)
	}
	return chosen, pos, nil
}

// address is the wanted address, or the next free one of the set after its position.
func (s *search) address(set set, wanted netip.Addr, pos position) (netip.Addr, error) {
	if wanted.IsValid() {
		taken, err := s.dir.taken(wanted)
		if err != nil || !taken {
			return wanted, err
		}
		by, err := s.dir.holder(wanted)
		if err != nil {
			return netip.Addr{}, err
		}
		return netip.Addr{}, &TakenError{Address: wanted, By: by}
	}
	tour := set.tour(pos)
	if a, ok, err := s.walk(set, tour); ok || err != nil {
		return a, err
	}
	// Every bit is set. Only files are the truth.
	leased, err := s.hints.rebuild()
	if err != nil {
		return netip.Addr{}, err
	}
	if a, ok, err := s.walk(set, tour); ok || err != nil {
		return a, err
	}
	if err := s.hints.flush(); err != nil {
		return netip.Addr{}, err
	}
	exhausted := &ExhaustedError{Pool: s.pool, Ranges: set.String()}
	for _, a := range leased {
		if _, ok := set.find(a); ok {
			exhausted.Leases++
		}
	}
	return netip.Addr{}, exhausted
}

// stretch is a part of a range, to be searched from first to last.
type stretch struct{ first, last netip.Addr }

// tour is the order in which the set is searched: on from the position to the end of its range, through the other
// ranges, and around to the position itself, which comes last. An address that has just been freed is thus the last
// to be leased again.
func (s set) tour(pos position) []stretch {
	start, from := 0, netip.Addr{}
	if last, ok := pos.of(s); ok {
		from = last
		for i, r := range s.spans {
			if r.contains(last) {
				start = i
			}
		}
	}
	var tour []stretch
	for i := range s.spans {
		r := s.spans[(start+i)%len(s.spans)]
		tour = append(tour, stretch{r.first, r.last})
	}
	if !from.IsValid() {
		return tour
	}
	tour = append(tour, stretch{tour[0].first, from})
	if from == tour[0].last {
		return tour[1:]
	}
	tour[0].first = from.Next()
	return tour
}

// walk finds the first address that is free.
func (s *search) walk(set set, tour []stretch) (netip.Addr, bool, error) {
	for _, t := range tour {
		for a := t.first; ; {
			free, ok, err := s.hints.next(a, t.last)
			if err != nil {
				return netip.Addr{}, false, err
			}
			if !ok {
				break
			}
			if ok, err := s.free(set, free); ok || err != nil {
				return free, ok, err
			}
			if free == t.last {
				break
			}
			a = free.Next()
		}
	}
	return netip.Addr{}, false, nil
}

// free says whether an address of which no bit says otherwise can be leased.
func (s *search) free(set set, a netip.Addr) (bool, error) {
	if set.reserved[a] {
		return false, nil
	}
	taken, err := s.dir.taken(a)
	if err != nil || !taken {
		return err == nil, err
	}
	if err := s.hints.set(a, true); err != nil {
		return false, err
	}
	if s.surprises++; s.surprises > maxSurprises && !s.hints.rebuilt {
		_, err = s.hints.rebuild()
	}
	return false, err
}
