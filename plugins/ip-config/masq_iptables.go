// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strings"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/shared/lock"
	"github.com/cni-chain/cni-chain/shared/owner"
)

// iptablesMasq keeps a chain per network in the table nat, with a rule per address, its comment the owner's tag. Each
// family costs two programs, iptables-save and iptables-restore --noflush, which changes the table at once; both read
// what the host has of rules: the price of a host whose rules are in iptables. coreos/go-iptables is left out, as it
// runs a program for each rule and another to find its version.
type iptablesMasq struct {
	owner owner.Owner
	masq  Masq
}

func (m *iptablesMasq) close() error { return nil }

func (m *iptablesMasq) chain() string { return "CNI-MASQ-" + owner.NetworkHash(m.owner.Network, 12) }

func (m *iptablesMasq) jump() string {
	return fmt.Sprintf("-A POSTROUTING -m comment --comment %s -j %s", quote(owner.NetworkPrefix(m.owner.Network)), m.chain())
}

func (m *iptablesMasq) rule(a netip.Prefix) string {
	return fmt.Sprintf("-A %s -s %s ! -d %s -m comment --comment %s -j MASQUERADE", m.chain(),
		netip.PrefixFrom(a.Addr(), a.Addr().BitLen()), a.Masked(), quote(m.owner.Tag()))
}

// toMany leaves out what goes to a group of the address's family.
func (m *iptablesMasq) toMany(a netip.Addr) string {
	return fmt.Sprintf("-A %s -d %s -j RETURN", m.chain(), multicast(a))
}

func (m *iptablesMasq) add(ctx context.Context, addresses []netip.Prefix) error {
	err := m.locked(ctx, func() error {
		for _, is4 := range []bool{true, false} {
			if err := m.addFamily(ctx, is4, addresses); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		ctx, cancel := undoContext(ctx)
		defer cancel()
		return errors.Join(err, m.remove(ctx))
	}
	return nil
}

// addFamily adds the rules of one family, with the chain and the jump to it if they are missing. What the attachment
// left when its ADD was killed goes.
func (m *iptablesMasq) addFamily(ctx context.Context, is4 bool, all []netip.Prefix) error {
	addresses := slices.DeleteFunc(slices.Clone(all), func(a netip.Prefix) bool { return a.Addr().Is4() != is4 })
	if len(addresses) == 0 {
		return nil
	}
	nat, err := m.save(ctx, is4)
	if err != nil {
		return err
	}
	var changes []string
	for _, rule := range nat.rules {
		if tagIn(rule) == m.owner.Tag() {
			changes = append(changes, deletion(rule))
		}
	}
	if !nat.chain {
		changes = append(changes, fmt.Sprintf(":%s - [0:0]", m.chain()),
			m.toMany(addresses[0].Addr()))
	}
	for _, a := range addresses {
		changes = append(changes, m.rule(a))
	}
	if len(nat.jumps) == 0 {
		changes = append(changes, m.jump())
	}
	return m.restore(ctx, is4, changes)
}

func (m *iptablesMasq) remove(ctx context.Context) error {
	return m.prune(ctx, func(tag string) bool { return tag == m.owner.Tag() })
}

func (m *iptablesMasq) gc(ctx context.Context, valid []owner.Owner) error {
	keep := tagsOf(valid)
	return m.prune(ctx, func(tag string) bool {
		return strings.HasPrefix(tag, owner.NetworkPrefix(m.owner.Network)) && !keep[tag]
	})
}

// prune deletes the rules whose tag is to go, and the chain when no rule of an attachment is left in it.
func (m *iptablesMasq) prune(ctx context.Context, goes func(tag string) bool) error {
	return m.locked(ctx, func() error {
		var errs []error
		for _, is4 := range []bool{true, false} {
			err := m.pruneFamily(ctx, is4, goes)
			if errors.Is(err, exec.ErrNotFound) {
				err = nil // without the program nobody has made a rule
			}
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	})
}

func (m *iptablesMasq) pruneFamily(ctx context.Context, is4 bool, goes func(tag string) bool) error {
	if is4 && !m.masq.IPv4 || !is4 && !m.masq.IPv6 {
		return nil
	}
	nat, err := m.save(ctx, is4)
	if err != nil {
		return err
	}
	var changes []string
	kept := false
	for _, rule := range nat.rules {
		switch tag := tagIn(rule); {
		case tag == "":
		case goes(tag):
			changes = append(changes, deletion(rule))
		default:
			kept = true
		}
	}
	if !kept && nat.chain {
		for _, jump := range nat.jumps {
			changes = append(changes, deletion(jump))
		}
		changes = append(changes, "-F "+m.chain(), "-X "+m.chain())
	}
	return m.restore(ctx, is4, changes)
}

func (m *iptablesMasq) check(ctx context.Context, addresses []netip.Prefix) error {
	for _, a := range addresses {
		nat, err := m.save(ctx, a.Addr().Is4())
		if err != nil {
			return err
		}
		is := func(rule string) bool {
			return tagIn(rule) == m.owner.Tag() && strings.Contains(rule, " -s "+a.Addr().String()+"/")
		}
		if len(nat.jumps) == 0 || !slices.ContainsFunc(nat.rules, is) {
			return chain.Errorf(codeCheck, "the masquerade of %s is gone: iptables' table nat has no such rule in chain %s, "+
				"or no jump to it", a.Addr(), m.chain())
		}
		if toMany := m.toMany(a.Addr()); !slices.Contains(nat.rules, toMany) {
			return chain.Errorf(codeCheck, "iptables' table nat lacks the rule %q: multicast is masqueraded", toMany)
		}
	}
	return nil
}

func (m *iptablesMasq) status(ctx context.Context) error {
	var errs []error
	for _, family := range []struct{ is4, on bool }{{true, m.masq.IPv4}, {false, m.masq.IPv6}} {
		if family.on {
			_, err := m.save(ctx, family.is4)
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// locked runs f while no other plugin changes the network's chain.
func (m *iptablesMasq) locked(ctx context.Context, f func() error) error {
	release, err := lock.Acquire(ctx, "iptables-"+m.chain())
	if err != nil {
		return err
	}
	defer release()
	return f()
}
