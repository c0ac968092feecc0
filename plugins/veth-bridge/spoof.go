// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"net"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/shared/nft"
	"github.com/cni-chain/cni-chain/shared/owner"
)

// macspoofchk is one rule of the table "bridge cni-chain" for all ports: a frame from a guarded port passes when port
// and source MAC are a pair that is allowed.
//
//	iifname @guarded iifname . ether saddr != @allowed counter drop
//
// What the register has of each port refers to the counter guardedPorts, so that the kernel knows when the last one
// goes: then the table goes too.
var (
	guardedPorts = "guarded-ports"
	guarded      = &nft.Set{Name: "guarded", Key: []nft.Type{nft.IfName}}
	allowed      = &nft.Set{Name: "allowed", Key: []nft.Type{nft.IfName, nft.EtherAddr}}
	guards       = nft.NewRegister(nft.Bridge, "guards").Of(guardSets).Counted(guardedPorts)

	guardChain = nft.Chain{Name: "prerouting", Hook: &nft.Hook{
		Type: "filter", Num: nfBridgePreRouting, Priority: guardPriority,
	}}
)

const guardComment = "macspoofchk"

func guardSets() []*nft.Set { return []*nft.Set{guarded, allowed} }

func guardRule() nft.Rule {
	return nft.Rule{
		Comment: guardComment,
		Exprs: nft.All(nft.In(guarded, nft.InputName), nft.NotIn(allowed, nft.InputName, nft.EtherSource),
			[]nft.Expr{nft.Counter(), nft.Drop()}),
	}
}

// NF_BR_PRE_ROUTING and NF_BR_PRI_FIRST + 2^31 - 300, as of linux/netfilter_bridge.h: before NAT of bridged frames,
// where upstream's bridge checks too.
const (
	nfBridgePreRouting = 0
	guardPriority      = -300
)

// guard lets only the container's MAC through the port.
func (a *attachment) guard() error {
	if !a.Conf.MacSpoofChk {
		return nil
	}
	mac := a.mac
	if mac == nil {
		return chain.Errorf(chain.CodeConfig, "macspoofchk: the interface %s is of an earlier link, and the MAC behind "+
			"it is not known: give it (capability mac)", a.port.Name)
	}
	c, err := nft.Open()
	if err != nil {
		return explainNFT(err)
	}
	defer c.Close()
	holding := holding(a.owner, a.port.Name, mac)
	tag := a.owner.Tag()
	return a.Do(fmt.Sprintf("allow only %s on %s", mac, a.port.Name), func() error {
		err := c.Apply(nft.Bridge, guards.Set(), guardBase, func(tx *nft.Tx) { guards.Add(tx, holding) })
		if errors.Is(err, unix.EEXIST) { // left by an ADD that was killed
			if err = unguard(tag); err == nil {
				err = c.Apply(nft.Bridge, guards.Set(), guardBase, func(tx *nft.Tx) { guards.Add(tx, holding) })
			}
		}
		return explainNFT(err)
	}, func() error { return unguard(tag) })
}

// holding is what an attachment has in the table.
func holding(o owner.Owner, port string, mac net.HardwareAddr) nft.Holding {
	return nft.Holding{Owner: o.Tag(), Elements: []nft.InSet{
		{Set: guarded, Elements: []nft.Element{{Key: nft.Name(port)}}},
		{Set: allowed, Elements: []nft.Element{{Key: nft.Join(nft.Name(port), mac)}}},
	}}
}

// guardBase writes what all attachments share.
func guardBase(tx *nft.Tx) {
	tx.AddTable()
	tx.AddCounter(guardedPorts, "its references are what ports have in the sets")
	tx.AddSet(guards.Set())
	tx.AddSet(guarded)
	tx.AddSet(allowed)
	tx.AddChain(guardChain)
	tx.FlushChain(guardChain.Name)
	tx.AddRule(guardChain.Name, guardRule())
}

// noNFT says that the kernel does not know of nftables at all, or not of those for bridges: then there is no table. The
// first is EPROTONOSUPPORT or, with other parts of netfilter in place, EINVAL (nfnetlink_rcv_msg).
func noNFT(err error) bool {
	for _, unknown := range []error{unix.EPROTONOSUPPORT, unix.EINVAL, unix.EOPNOTSUPP, unix.EAFNOSUPPORT} {
		if errors.Is(err, unknown) {
			return true
		}
	}
	return false
}

func explainNFT(err error) error {
	if noNFT(err) {
		return chain.Errorf(codeLacks, "%w: macspoofchk needs nftables for bridges (CONFIG_NF_TABLES_BRIDGE)", err)
	}
	return err
}

// guardTries is how often a table is cleared away that another attachment comes into at the same time.
const guardTries = 10

// unguard removes what an attachment has in the table, whatever the configuration says now, and with the last one the
// table.
func unguard(tag string) error {
	err := onNFT(func(c *nft.Conn) (err error) {
		for range guardTries {
			// EBUSY: the counter has got another user since it was looked at.
			if err = deleteGuard(c, tag); !errors.Is(err, unix.EBUSY) {
				return err
			}
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("remove macspoofchk of %s: %w", tag, err)
	}
	return nil
}

func deleteGuard(c *nft.Conn, tag string) error {
	h, err := guards.Get(c, tag)
	if err != nil || h == nil {
		return err
	}
	tx := c.Begin(nft.Bridge)
	unused, err := guards.Delete(c, tx, h)
	if err != nil {
		return err
	}
	if len(unused) > 0 {
		tx.DeleteTable()
	}
	if err := tx.Commit(); err != nil && !errors.Is(err, unix.ENOENT) { // ENOENT: another DEL was faster
		return err
	}
	if len(unused) > 0 {
		return nil
	}
	return deleteUnused(c)
}

// deleteUnused deletes the table when nobody uses it: two DELs at once see each other's references, and each takes the
// other for the last. EBUSY and ENOENT say that somebody has come, or was faster.
func deleteUnused(c *nft.Conn) error {
	counters, err := c.Counters(nft.Bridge, guardedPorts)
	if err != nil || counters[0] == nil || counters[0].Use > 0 {
		return err
	}
	tx := c.Begin(nft.Bridge)
	tx.DeleteCounter(guardedPorts)
	tx.DeleteTable()
	if err := tx.Commit(); err != nil && !errors.Is(err, unix.EBUSY) && !errors.Is(err, unix.ENOENT) {
		return err
	}
	return nil
}

// onNFT calls f with a connection; a kernel without nftables has nothing to remove.
func onNFT(f func(*nft.Conn) error) error {
	c, err := nft.Open()
	if err == nil {
		err = f(c)
		_ = c.Close()
	}
	if noNFT(err) {
		return nil
	}
	return err
}

// unguardAll removes what the network's attachments have in the table, but for those to keep.
func unguardAll(network string, keep func(tag string) bool) error {
	var tags []string
	err := onNFT(func(c *nft.Conn) (err error) {
		tags, err = guards.Owners(c, owner.NetworkPrefix(network))
		return err
	})
	errs := []error{err}
	for _, tag := range tags {
		if !keep(tag) {
			errs = append(errs, unguard(tag))
		}
	}
	return errors.Join(errs...)
}

// checkGuard says what of the table is not as guard has made it.
func checkGuard(o owner.Owner, port string, mac net.HardwareAddr) error {
	c, err := nft.Open()
	if err != nil {
		return err
	}
	defer c.Close()
	rules, err := c.Rules(nft.Bridge, guardChain.Name)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(rules, func(r nft.Rule) bool { return r.Comment == guardComment }) {
		return chain.Errorf(codeCheck, "macspoofchk: the rule in table %v, chain %s is missing", nft.Bridge, guardChain.Name)
	}
	if h, err := guards.Get(c, o.Tag()); err != nil {
		return err
	} else if !h.Recorded() {
		return chain.Errorf(codeCheck, "macspoofchk: map %s of table %v lacks what this attachment has", guards.Set().Name,
			nft.Bridge)
	}
	for _, in := range holding(o, port, mac).Elements {
		found, err := c.Elements(nft.Bridge, in.Set, in.Elements[0].Key)
		if err != nil {
			return err
		}
		if found[0] == nil || found[0].Comment != o.Tag() {
			return chain.Errorf(codeCheck, "macspoofchk: set %s of table %v does not have %s of this attachment: its MAC was "+
				"changed after ADD, or the set", in.Set.Name, nft.Bridge, in.Set.Text(in.Elements[0].Key))
		}
	}
	return nil
}
