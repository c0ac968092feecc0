// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os/exec"
	"slices"
	"strings"

	"github.com/coreos/go-iptables/iptables"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/shared/lock"
	"github.com/cni-chain/cni-chain/shared/owner"
)

const (
	natTable    = "nat"
	postrouting = "POSTROUTING"
	// waitSeconds is how long iptables waits for whoever holds its lock (--wait).
	waitSeconds = 30
)

// iptablesMasq keeps a chain per network in the table nat, with a rule per address, its comment the owner's tag. Each
// call of iptables is a process, and reads what the host has of rules: the price of a host whose rules are in iptables.
type iptablesMasq struct {
	owner owner.Owner
	masq  Masq
	log   *slog.Logger
}

func (m *iptablesMasq) close() error { return nil }

func (m *iptablesMasq) chain() string { return "CNI-MASQ-" + owner.NetworkHash(m.owner.Network, 12) }

func (m *iptablesMasq) jump() []string {
	return []string{"-m", "comment", "--comment", owner.NetworkPrefix(m.owner.Network), "-j", m.chain()}
}

func (m *iptablesMasq) rule(a netip.Prefix) []string {
	host := netip.PrefixFrom(a.Addr(), a.Addr().BitLen())
	return []string{"-s", host.String(), "!", "-d", a.Masked().String(), "-m", "comment", "--comment", m.owner.Tag(),
		"-j", "MASQUERADE"}
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

func command(is4 bool) (*iptables.IPTables, error) {
	protocol, name := iptables.ProtocolIPv6, "ip6tables"
	if is4 {
		protocol, name = iptables.ProtocolIPv4, "iptables"
	}
	ipt, err := iptables.New(iptables.IPFamily(protocol), iptables.Timeout(waitSeconds))
	if err != nil {
		return nil, fmt.Errorf("masquerade with %s: %w", name, err)
	}
	return ipt, nil
}

func (m *iptablesMasq) add(ctx context.Context, addresses []netip.Prefix) error {
	err := m.locked(ctx, func() error {
		for _, is4 := range []bool{true, false} {
			family := slices.DeleteFunc(slices.Clone(addresses), func(a netip.Prefix) bool { return a.Addr().Is4() != is4 })
			if err := m.addFamily(is4, family); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return errors.Join(err, m.remove(context.WithoutCancel(ctx)))
	}
	return nil
}

// addFamily appends the rules; a chain that is missing is made first. The jump to it comes last, and is looked for each
// time, as the process that made the chain may have been killed before.
func (m *iptablesMasq) addFamily(is4 bool, addresses []netip.Prefix) error {
	if len(addresses) == 0 {
		return nil
	}
	ipt, err := command(is4)
	if err != nil {
		return err
	}
	for _, a := range addresses {
		err := ipt.Append(natTable, m.chain(), m.rule(a)...)
		if isNotExist(err) {
			err = errors.Join(
				ipt.NewChain(natTable, m.chain()),
				ipt.Append(natTable, m.chain(), "-d", multicast(a.Addr()).String(), "-j", "RETURN"),
				ipt.Append(natTable, m.chain(), m.rule(a)...))
		}
		if err != nil {
			return err
		}
	}
	return ipt.AppendUnique(natTable, postrouting, m.jump()...)
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
		for _, family := range []struct{ is4, on bool }{{true, m.masq.IPv4}, {false, m.masq.IPv6}} {
			if family.on {
				errs = append(errs, m.pruneFamily(family.is4, goes))
			}
		}
		return errors.Join(errs...)
	})
}

func (m *iptablesMasq) pruneFamily(is4 bool, goes func(tag string) bool) error {
	ipt, err := command(is4)
	if errors.Is(err, exec.ErrNotFound) {
		return nil // then nobody has made a rule
	}
	if err != nil {
		return err
	}
	lines, err := ipt.List(natTable, m.chain())
	// iptables-nft has no words of its own for a chain that is not there, but a status (as the library's ChainExists
	// takes it).
	var refused *iptables.Error
	if errors.As(err, &refused) && refused.ExitStatus() == 1 {
		return nil
	}
	if err != nil {
		return err
	}
	// The first line makes the chain; the n-th after it is the rule of number n. The last goes first, as the numbers of
	// those behind a deleted rule change.
	kept := false
	for n := len(lines) - 1; n > 0; n-- {
		switch tag := tagIn(lines[n]); {
		case tag == "":
		case !goes(tag):
			kept = true
		default:
			if err := ipt.DeleteById(natTable, m.chain(), n); err != nil {
				return err
			}
		}
	}
	if kept {
		return nil
	}
	if err := ipt.DeleteIfExists(natTable, postrouting, m.jump()...); err != nil {
		return err
	}
	return ipt.ClearAndDeleteChain(natTable, m.chain())
}

// tagIn is the comment of a rule as iptables lists it, "" for none. Words of a tag have no space.
func tagIn(rule string) string {
	_, rest, ok := strings.Cut(rule, " --comment ")
	if !ok {
		return ""
	}
	tag, _, _ := strings.Cut(rest, " ")
	return strings.ReplaceAll(strings.Trim(tag, `"`), `\`, "")
}

func (m *iptablesMasq) check(_ context.Context, addresses []netip.Prefix) error {
	for _, a := range addresses {
		ipt, err := command(a.Addr().Is4())
		if err != nil {
			return err
		}
		for _, rule := range []struct {
			chain string
			spec  []string
		}{{m.chain(), m.rule(a)}, {postrouting, m.jump()}} {
			there, err := ipt.Exists(natTable, rule.chain, rule.spec...)
			if err != nil {
				return err
			}
			if !there {
				return chain.Errorf(codeCheck, "the masquerade of %s is gone: no such rule in chain %s of iptables' table nat: %s",
					a.Addr(), rule.chain, strings.Join(rule.spec, " "))
			}
		}
	}
	return nil
}

func (m *iptablesMasq) status(context.Context) error {
	var errs []error
	for _, family := range []struct{ is4, on bool }{{true, m.masq.IPv4}, {false, m.masq.IPv6}} {
		if !family.on {
			continue
		}
		ipt, err := command(family.is4)
		if err == nil {
			_, err = ipt.List(natTable, postrouting)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func isNotExist(err error) bool {
	var refused *iptables.Error
	return errors.As(err, &refused) && refused.IsNotExist()
}
