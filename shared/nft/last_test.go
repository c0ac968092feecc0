// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package nft_test

import (
	"strings"
	"testing"

	"github.com/cni-chain/cni-chain/shared/nft"
)

// TestLastOwnerClearsAll: a counted register tells who is the last, and the table goes with the last thing in it.
func TestLastOwnerClearsAll(t *testing.T) {
	w := newWorld(t)
	set := &nft.Set{Name: "hosts", Key: []nft.Type{nft.IPv4Addr}}
	register := nft.NewRegister(nft.Inet, "hosts-owners").Of(setsOf(set)).Counted("hosts-owners")
	base := func(tx *nft.Tx) {
		tx.AddTable()
		tx.AddCounter("hosts-owners", "")
		tx.AddSet(register.Set())
		tx.AddSet(set)
	}
	add := func(owner string, last byte) {
		t.Helper()
		err := w.Apply(nft.Inet, register.Set(), base, func(tx *nft.Tx) {
			register.Add(tx, nft.Holding{Owner: owner, Elements: []nft.InSet{
				{Set: set, Elements: []nft.Element{{Key: []byte{10, 0, 0, last}}}},
			}})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	remove := func(owner string) (last bool) {
		t.Helper()
		h, err := register.Get(w.Conn, owner)
		if err != nil || h == nil {
			t.Fatalf("%v, %v", h, err)
		}
		tx := w.Begin(nft.Inet)
		freed, err := register.Delete(w.Conn, tx, h)
		if err != nil {
			t.Fatal(err)
		}
		if len(freed) > 0 {
			tx.DeleteSet(register.Set())
			tx.DeleteSet(set)
			if err := tx.DeleteTableIfLast(); err != nil {
				t.Fatal(err)
			}
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		return len(freed) > 0
	}
	add("cni-chain:n/a/eth0", 1)
	add("cni-chain:n/b/eth0", 2)
	counters, err := w.AllCounters(nft.Inet)
	if err != nil || len(counters) != 1 || counters[0].Name != "hosts-owners" || counters[0].Use != 4 {
		t.Errorf("counters: %v, %v", counters, err)
	}
	if remove("cni-chain:n/a/eth0") {
		t.Error("the first of two is the last")
	}
	w.commit(func(tx *nft.Tx) { tx.AddChain(nft.Chain{Name: "foreign"}) })
	if !remove("cni-chain:n/b/eth0") {
		t.Error("the second is not the last")
	}
	if list := w.run("list", "ruleset"); strings.Contains(list, "hosts") || !strings.Contains(list, "foreign") {
		t.Errorf("left:\n%s", list)
	}
	tx := w.Begin(nft.Inet)
	tx.DeleteTable()
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	add("cni-chain:n/c/eth0", 3)
	if !remove("cni-chain:n/c/eth0") {
		t.Error("the only one is not the last")
	}
	if use, err := w.TableUse(nft.Inet); err != nil || use != 0 || w.run("list", "ruleset") != "" {
		t.Errorf("%d, %v, left:\n%s", use, err, w.run("list", "ruleset"))
	}
}
