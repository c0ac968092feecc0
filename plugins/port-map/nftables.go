// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/shared/lock"
	"github.com/cni-chain/cni-chain/shared/nft"
)

// lockName is the lock under which the maps change. Single elements need none, the kernel gives each to one attachment;
// but mapping one address and all addresses are different elements, and the last user of an interface closes what the
// next first one opens.
const lockName = "port-map"

// nftables is the backend that changes the table inet cni-chain by netlink.
type nftables struct {
	conn *nft.Conn
	log  *slog.Logger
}

// withNFTables runs f on the backend under the lock.
func withNFTables(ctx context.Context, log *slog.Logger, f func(*nftables) error) error {
	conn, err := nft.Open()
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // nothing to take a transaction back for
	return underLock(ctx, func() error { return f(&nftables{conn, log}) })
}

func underLock(ctx context.Context, f func() error) error {
	release, err := lock.Acquire(ctx, lockName)
	if err != nil {
		return err
	}
	defer release()
	return f()
}

// add maps the ports in one transaction. What the same attachment has left there, and what attachments have whose
// namespace is gone, is replaced by it; what others have is refused. When it fails it has left nothing.
func (n *nftables) add(p *plan) error {
	err := n.addOrReplace(p)
	if err == nil {
		return nil
	}
	if refused := (*nft.Error)(nil); !errors.As(err, &refused) && chain.CodeOf(err) < codeTaken {
		err = errors.Join(err, n.remove(p.owner.Tag())) // nobody knows what the kernel did
	}
	return errors.Join(err, n.closeUnused())
}

func (n *nftables) addOrReplace(p *plan) error {
	h := p.holding()
	replace := map[string]*nft.Holding{}
	if err := n.findCrossing(p, h, replace); err != nil {
		return err
	}
	for {
		err := n.commit(p, h, replace)
		var refused *nft.Error
		if !errors.As(err, &refused) || refused.Errno != unix.EEXIST || refused.Set == nil {
			return err
		}
		before := len(replace)
		if err := n.findTaker(p, h, refused, replace); err != nil {
			return err
		}
		if len(replace) == before {
			return err
		}
	}
}

// commit sends the transaction.
func (n *nftables) commit(p *plan, h nft.Holding, replace map[string]*nft.Holding) error {
	conditions, err := n.newConditions(p)
	if err != nil {
		return err
	}
	if len(replace) == 0 {
		was, err := p.remember()
		if err != nil {
			return err
		}
		return n.conn.Apply(nft.Inet, register.Set(), base, func(tx *nft.Tx) { p.write(tx, h, was, conditions) })
	}
	tx := n.conn.Begin(nft.Inet)
	if _, err := n.delete(tx, slices.Collect(maps.Values(replace))...); err != nil {
		return err
	}
	tx.AddCounter(registerCounter, "")
	was, err := p.remember()
	if err != nil {
		return err
	}
	p.write(tx, h, was, conditions)
	return tx.Commit()
}

// write writes the plan into a transaction. was is what each family's loopback was before anybody opened it.
func (p *plan) write(tx *nft.Tx, h nft.Holding, was map[family]string, conditions []*side) {
	for _, s := range conditions {
		addConditions(tx, s.family, s.conditions)
	}
	for _, s := range p.sides {
		if !p.opensLoopback(s) {
			continue
		}
		tx.AddCounter(localCounter(s.family, s.link), was[s.family])
		if s.family == v4 {
			tx.EnsureElements(guard, nft.Element{Key: nft.Name(s.link), Comment: "127/8 is open on it for mapped ports"})
		}
	}
	for _, in := range h.Elements {
		if in.Set == shared()[v4].local || in.Set == shared()[v6].local {
			continue
		}
		counters := map[string]bool{}
		for _, e := range in.Elements {
			if e.Object != "" && !counters[e.Object] {
				counters[e.Object] = true
				tx.AddCounter(e.Object, "")
			}
		}
	}
	register.Add(tx, h)
}

// delete writes the deletion of holdings into a transaction, and takes back at once what only they needed of the host:
// then a process killed before the commit has left something that the next DEL still finds. last says that nobody else
// is left.
func (n *nftables) delete(tx *nft.Tx, holdings ...*nft.Holding) (last bool, err error) {
	freed, err := register.Delete(n.conn, tx, holdings...)
	if err != nil {
		return false, err
	}
	for _, counter := range freed {
		last = last || counter.Name == registerCounter
		if err := n.release(tx, counter); err != nil {
			return false, err
		}
	}
	return last, nil
}

// release takes back what a counter stood for that has no user any more.
func (n *nftables) release(tx *nft.Tx, counter *nft.Object) error {
	name := strings.TrimPrefix(counter.Name, "ports-")
	if link, ok := strings.CutPrefix(name, "local4-"); ok {
		if err := errors.Join(closeLoopback4(link, counter.Comment), forgetOpened(v4, link)); err != nil {
			return err
		}
		found, err := n.conn.Elements(nft.Inet, guard, nft.Name(link))
		if err == nil && found[0] != nil {
			tx.DeleteElements(guard, *found[0])
		}
		return err
	}
	if link, ok := strings.CutPrefix(name, "local6-"); ok {
		return errors.Join(closeLoopback6(link), forgetOpened(v6, link))
	}
	if strings.HasPrefix(name, "if4-") || strings.HasPrefix(name, "if6-") {
		return n.deleteConditions(tx, counter.Name)
	}
	return nil
}

// removeTries is how often a deletion is tried. It fails when another link puts something into the table after it was
// found to be empty.
const removeTries = 5

// remove deletes what owners have, if anything, and with the last one all that they shared.
func (n *nftables) remove(tags ...string) (err error) {
	for range removeTries {
		if err = n.tryRemove(tags); !errors.Is(err, unix.EBUSY) {
			return err
		}
	}
	return err
}

func (n *nftables) tryRemove(tags []string) error {
	holdings, err := n.holdings(tags)
	if err != nil || len(holdings) == 0 {
		return err
	}
	tx := n.conn.Begin(nft.Inet)
	last, err := n.delete(tx, holdings...)
	if err != nil {
		return err
	}
	if last {
		if err := n.clearBase(tx, tags); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// holdings finds what owners have.
func (n *nftables) holdings(tags []string) ([]*nft.Holding, error) {
	var all []*nft.Holding
	for _, tag := range tags {
		h, err := register.Get(n.conn, tag)
		if err != nil {
			return nil, err
		}
		if h != nil {
			all = append(all, h)
		}
	}
	return all, nil
}
