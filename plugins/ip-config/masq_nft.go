// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/shared/nft"
	"github.com/cni-chain/cni-chain/shared/owner"
)

// maxRetries is how often a transaction is tried that others have got in the way of.
const maxRetries = 50

// owners finds the elements of an attachment by its tag. Its counter counts all attachments that are masqueraded.
var owners = nft.NewRegister(nft.Inet, "masq-owners").Counted("masq-owners").Also(findSubnet)

// nftMasq keeps the addresses that are masqueraded as elements of sets in the table inet cni-chain: one set, one rule
// and one counter per network and subnet, made with the first attachment there and deleted with the last (see subnet).
//
// There is no lock: a transaction has its effect as a whole, the kernel's count of a counter's users says who is the
// last, and a deletion that somebody else's addition has overtaken is refused (EBUSY), as is an addition to what
// somebody has just deleted (ENOENT). Both are then tried again.
type nftMasq struct {
	owner owner.Owner
	log   *slog.Logger
	conn  *nft.Conn // opened when it is needed
}

func (m *nftMasq) with(f func(*nft.Conn) error) (err error) {
	if m.conn == nil {
		if m.conn, err = nft.Open(); err != nil {
			return err
		}
	}
	return f(m.conn)
}

func (m *nftMasq) close() error {
	if m.conn == nil {
		return nil
	}
	conn := m.conn
	m.conn = nil
	return conn.Close()
}

func (m *nftMasq) add(_ context.Context, addresses []netip.Prefix) error {
	subnets := subnetsOf(m.owner.Network, addresses)
	holding := nft.Holding{Owner: m.owner.Tag()}
	for _, s := range subnets {
		holding.Elements = append(holding.Elements, nft.InSet{Set: s.set(), Elements: s.elements(addresses)})
	}
	return m.with(func(conn *nft.Conn) error {
		err := m.commit(conn, subnets, holding)
		var refused *nft.Error
		if err != nil && !errors.As(err, &refused) {
			// Nobody knows what the kernel did.
			return errors.Join(err, m.removeTags(conn, m.owner.Tag()))
		}
		return err
	})
}

// commit sends the transaction, with what it needs and is not there. It looks first, as the kernel takes 8 to 16 ms to
// refuse a transaction (it waits for RCU in nf_tables_abort).
func (m *nftMasq) commit(conn *nft.Conn, subnets []subnet, holding nft.Holding) error {
	var taken []nft.InSet // elements in the way
	for try := 1; ; try++ {
		tx := conn.Begin(nft.Inet)
		if err := ensureBase(conn, tx, subnets); err != nil {
			return err
		}
		for _, in := range taken {
			tx.DeleteElements(in.Set, in.Elements...)
		}
		owners.Add(tx, holding)
		err := tx.Commit()
		var refused *nft.Error
		if err == nil || try == maxRetries || !errors.As(err, &refused) {
			return err
		}
		switch {
		case refused.Errno == unix.EEXIST && refused.Element != nil:
			if taken, err = m.makeWay(conn, refused, taken); err != nil {
				return err
			}
		case refused.Errno == unix.ENOENT: // deleted meanwhile
			taken = nil
		default:
			return err
		}
	}
}

// ensureBase writes what is missing of what the attachments have in common.
func ensureBase(conn *nft.Conn, tx *nft.Tx, subnets []subnet) error {
	counters := []string{owners.Set().Name}
	for _, s := range subnets {
		counters = append(counters, s.name())
	}
	found, err := conn.Counters(nft.Inet, counters...)
	if err != nil || !slices.Contains(found, nil) {
		return err
	}
	var missing []subnet
	for i, s := range subnets {
		if found[i+1] == nil {
			missing = append(missing, s)
		}
	}
	base(tx, missing)
	return nil
}

// makeWay decides on an element that exists. What this attachment left when its ADD was killed is cleared away. An
// address of another attachment becomes this one's, to whom IPAM has given it: the other's DEL never came, or is still
// to come and then takes only what is its own (containernetworking/plugins#683).
func (m *nftMasq) makeWay(conn *nft.Conn, refused *nft.Error, taken []nft.InSet) ([]nft.InSet, error) {
	if refused.Set.Name == owners.Set().Name {
		return nil, m.removeTags(conn, m.owner.Tag())
	}
	found, err := conn.Elements(nft.Inet, refused.Set, refused.Element.Key)
	if err != nil || found[0] == nil {
		return taken, err
	}
	m.log.Warn("the address was masqueraded for another attachment, whose DEL has not come",
		"address", refused.Set.Text(refused.Element.Key), "other", found[0].Comment)
	return append(taken, nft.InSet{Set: refused.Set, Elements: []nft.Element{*found[0]}}), nil
}

func (m *nftMasq) remove(context.Context) error {
	return m.with(func(conn *nft.Conn) error { return m.removeTags(conn, m.owner.Tag()) })
}

// removeTags deletes what the owners have, and what nobody uses then.
func (m *nftMasq) removeTags(conn *nft.Conn, tags ...string) error {
	for try := 1; ; try++ {
		tx := conn.Begin(nft.Inet)
		counters := []string{owners.Set().Name}
		var holdings []*nft.Holding
		for _, tag := range tags {
			holding, err := owners.Get(conn, tag)
			if err != nil {
				return err
			}
			if holding == nil {
				continue
			}
			holdings = append(holdings, holding)
			for _, in := range holding.Elements {
				counters = append(counters, in.Set.Name)
			}
		}
		freed, err := owners.Delete(conn, tx, holdings...)
		if err == nil {
			err = clear(tx, freed)
		}
		if err != nil {
			return err
		}
		if err = tx.Commit(); !overtaken(err) || try == maxRetries {
			return errors.Join(err, m.sweep(conn, counters))
		}
	}
}

// clear writes the deletion of what belongs to counters that nobody refers to any more.
func clear(tx *nft.Tx, freed []*nft.Object) error {
	for _, counter := range freed {
		if counter.Name == owners.Set().Name {
			tx.DeleteSet(owners.Set())
			continue
		}
		tx.DeleteChain(counter.Name)
		tx.DeleteSet(findSubnet(counter.Name))
	}
	if len(freed) == 0 {
		return nil
	}
	return tx.DeleteTableIfLast()
}

// sweep deletes those of the counters that have no user, with what belongs to them: two DELs at once may each have seen
// the other's element still there.
func (m *nftMasq) sweep(conn *nft.Conn, counters []string) error {
	slices.Sort(counters)
	found, err := conn.Counters(nft.Inet, slices.Compact(counters)...)
	if err != nil {
		return err
	}
	var idle []*nft.Object
	tx := conn.Begin(nft.Inet)
	for _, counter := range found {
		if counter != nil && counter.Use == 0 {
			tx.DeleteCounter(counter.Name)
			idle = append(idle, counter)
		}
	}
	if err := clear(tx, idle); err != nil {
		return err
	}
	if err := tx.Commit(); !overtaken(err) {
		return err
	}
	return nil // somebody else sweeps, or uses it again
}

// overtaken says whether a deletion was refused because somebody else has changed the same things.
func overtaken(err error) bool { return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EBUSY) }

func (m *nftMasq) check(_ context.Context, addresses []netip.Prefix) error {
	return m.with(func(conn *nft.Conn) error {
		holding, err := owners.Get(conn, m.owner.Tag())
		if err != nil {
			return err
		}
		if holding != nil && !holding.Recorded() {
			return chain.Errorf(codeCheck, "map %s of table %v lacks what the attachment has", owners.Set().Name, nft.Inet)
		}
		for _, s := range subnetsOf(m.owner.Network, addresses) {
			elements := s.elements(addresses)
			found, err := conn.ElementsOf(nft.Inet, nft.InSet{Set: s.set(), Elements: elements})
			if err != nil {
				return err
			}
			for i, e := range found[0] {
				if e == nil || e.Comment != m.owner.Tag() {
					return chain.Errorf(codeCheck, "the masquerade of %s is gone: no element of this attachment in set %s of table %v",
						s.set().Text(elements[i].Key), s.name(), nft.Inet)
				}
			}
			rules, err := conn.Rules(nft.Inet, s.name())
			if err != nil {
				return err
			}
			if !slices.ContainsFunc(rules, func(r nft.Rule) bool { return r.Comment == s.comment() }) {
				return chain.Errorf(codeCheck, "the masquerade of %s is gone: no such rule in chain %s of table %v",
					s.prefix, s.name(), nft.Inet)
			}
		}
		return nil
	})
}

func (m *nftMasq) gc(_ context.Context, valid []owner.Owner) error {
	return m.with(func(conn *nft.Conn) error {
		tags, err := owners.Owners(conn, owner.NetworkPrefix(m.owner.Network))
		if err != nil {
			return err
		}
		if tags = stale(tags, valid); len(tags) > 0 {
			err = m.removeTags(conn, tags...)
		}
		counters, listErr := conn.AllCounters(nft.Inet)
		names := []string{owners.Set().Name}
		for _, counter := range counters {
			if strings.HasPrefix(counter.Name, subnetPrefix(m.owner.Network)) {
				names = append(names, counter.Name)
			}
		}
		return errors.Join(err, listErr, m.sweep(conn, names))
	})
}

// status asks the kernel something that needs nf_tables and the right to use it.
func (m *nftMasq) status(context.Context) error {
	err := m.with(func(conn *nft.Conn) error {
		_, err := conn.TableUse(nft.Inet)
		return err
	})
	if err != nil {
		return fmt.Errorf("masquerade with nftables: %w: the kernel's nf_tables and CAP_NET_ADMIN are needed, "+
			"or ipMasqBackend \"iptables\"", err)
	}
	return nil
}
