// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package nft_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/nft"
)

const alice, bob = "cni-chain:net/alice/eth0", "cni-chain:net/bob/eth0"

func holding(owner string, ports ...uint16) nft.Holding {
	in := nft.InSet{Set: anySet}
	for _, p := range ports {
		in.Elements = append(in.Elements, mapping(p))
	}
	return nft.Holding{Owner: owner, Notes: []string{"netns 4026532211 /run/netns/" + owner}, Elements: []nft.InSet{in}}
}

func TestRegisterAsNFTListsIt(t *testing.T) {
	w := newWorld(t)
	long := strings.Repeat("very-long/", 20)
	w.commit(func(tx *nft.Tx) {
		tx.AddCounter("local-cni0", "route_localnet was 0")
		h := holding(alice, 80, 8001, 8000, 8002)
		h.Notes = append(h.Notes, long)
		h.Elements = append(h.Elements, nft.InSet{Set: local, Elements: []nft.Element{
			{Key: []byte{10, 0, 0, 5}, Object: "local-cni0"}}})
		owners.Add(tx, h)
		tx.AddChain(nft.Chain{Name: "translate"})
		tx.AddChain(nft.Chain{Name: "in", Hook: &nft.Hook{Type: "nat", Num: unix.NF_INET_PRE_ROUTING, Priority: -100}})
		dnat, register := nft.Map(anySet, nft.L4Proto, nft.DestPort)
		for chain, exprs := range map[string][]nft.Expr{
			"in": append(nft.Is(nft.DestinationType, nft.Native(unix.RTN_LOCAL)), nft.Jump("translate")),
			"translate": nft.All(nft.Is(nft.Family, []byte{unix.NFPROTO_IPV4}), dnat, []nft.Expr{
				nft.DNAT(unix.NFPROTO_IPV4, register, register+1)}),
		} {
			tx.AddRule(chain, nft.Rule{Exprs: exprs, Comment: "rule of " + chain})
		}
		match := nft.All(nft.Is(nft.Family, []byte{unix.NFPROTO_IPV4}), nft.In(local, nft.Destination4),
			[]nft.Expr{nft.Accept()})
		tx.AddRule("translate", nft.Rule{Exprs: match})
	})
	list := w.run("list", "ruleset")
	for _, want := range []string{
		`comment "cni-chain:net/alice/eth0"`,
		`comment "note netns 4026532211 /run/netns/cni-chain:net/alice/eth0"`,
		`comment "any4 tcp . 80,8000-8002"`,
		`comment "local4 10.0.0.5"`,
		`tcp . 8002 comment "cni-chain:net/alice/eth0" : 10.0.0.5 . 80`,
		`10.0.0.5 comment "cni-chain:net/alice/eth0" : "local-cni0"`,
		`fib daddr type local jump translate comment "rule of in"`,
		`dnat ip to meta l4proto . th dport map @any4`,
		`ip daddr @local4 accept`,
	} {
		if !strings.Contains(list, want) {
			t.Errorf("nft list ruleset lacks %q", want)
		}
	}
	if t.Failed() {
		t.Log(list)
	}
	// What nft lists it must be able to read: people save and restore rule sets.
	file := filepath.Join(t.TempDir(), "rules")
	if err := os.WriteFile(file, []byte(list), 0o600); err != nil {
		t.Fatal(err)
	}
	w.run("flush", "ruleset")
	w.run("-f", file)
	if diff := cmp.Diff(sortedLines(list), sortedLines(w.run("list", "ruleset"))); diff != "" {
		t.Error(diff)
	}
}

// sortedLines makes lists comparable whose order a hash table gives.
func sortedLines(s string) []string {
	var lines []string
	for _, line := range strings.Split(s, "\n") {
		lines = append(lines, strings.Trim(strings.TrimPrefix(strings.TrimSpace(line), "elements = {"), " ,}"))
	}
	slices.Sort(lines)
	return lines
}

func TestRegister(t *testing.T) {
	w := newWorld(t)
	if h, err := owners.Get(w.Conn, alice); h != nil || err != nil {
		t.Fatalf("an owner in a table that does not exist: %v, %v", h, err)
	}
	w.commit(func(tx *nft.Tx) { owners.Add(tx, holding(alice, 80, 8000, 8001)) })
	w.commit(func(tx *nft.Tx) { owners.Add(tx, holding(bob, 81)) })

	got, err := owners.Get(w.Conn, alice)
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, in := range got.Elements {
		for _, e := range in.Elements {
			keys = append(keys, in.Set.Name+" "+in.Set.Text(e.Key))
		}
	}
	if diff := cmp.Diff([]string{"any4 tcp . 80", "any4 tcp . 8000", "any4 tcp . 8001"}, keys); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"netns 4026532211 /run/netns/" + alice}, got.Notes); diff != "" {
		t.Error(diff)
	}
	tags, err := owners.Owners(w.Conn, "cni-chain:net/")
	if err != nil || len(tags) != 2 {
		t.Errorf("owners are %v, %v", tags, err)
	}

	// What somebody else has put in the place of an element stays.
	w.run("delete element inet cni-chain any4 { tcp . 8000 }")
	w.run(`add element inet cni-chain any4 { tcp . 8000 comment "other" : 10.0.0.9 . 80 }`)
	w.run("delete element inet cni-chain any4 { tcp . 80 }")
	tx := w.Begin(nft.Inet)
	if _, err := owners.Delete(w.Conn, tx, got); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	list := w.run("list", "ruleset")
	if strings.Contains(list, "alice") || !strings.Contains(list, `tcp . 8000 comment "other"`) ||
		!strings.Contains(list, "bob") {
		t.Errorf("after deleting alice's:\n%s", list)
	}
}

func TestTakenElementIsNamed(t *testing.T) {
	w := newWorld(t)
	w.commit(func(tx *nft.Tx) { owners.Add(tx, holding(alice, 80)) })
	w.commit(func(tx *nft.Tx) { owners.Add(tx, holding(bob, 8080)) })
	var ports []uint16
	for p := uint16(7000); p < 9000; p++ {
		ports = append(ports, p)
	}
	const carol = "cni-chain:net/carol/eth0"
	err := w.Apply(nft.Inet, owners.Set(), base, func(tx *nft.Tx) { owners.Add(tx, holding(carol, ports...)) })
	var refused *nft.Error
	if !errors.As(err, &refused) || !errors.Is(err, unix.EEXIST) || refused.Element == nil {
		t.Fatalf("taking bob's port: %v", err)
	}
	if got := anySet.Text(refused.Element.Key); got != "tcp . 8080" {
		t.Errorf("the refused element is %s", got)
	}
	want := "add element to set any4: tcp . 8080: file exists"
	if err.Error() != want {
		t.Errorf("error is %q, want %q", err, want)
	}
	found, err := w.Elements(nft.Inet, anySet, refused.Element.Key, mapping(7000).Key)
	if err != nil || found[0] == nil || found[0].Comment != bob || found[1] != nil {
		t.Errorf("after the refusal: %v, %v", found, err)
	}
	if h, err := owners.Get(w.Conn, carol); h != nil || err != nil {
		t.Errorf("carol has %v, %v", h, err)
	}
}

func TestBigTransactionIsOneBatch(t *testing.T) {
	w := newWorld(t)
	w.commit(func(*nft.Tx) {})
	var ports []uint16
	for p := uint16(1000); p < 3000; p++ {
		ports = append(ports, p)
	}
	w.commit(func(tx *nft.Tx) { owners.Add(tx, holding(alice, 80)) })
	before := w.Batches()
	w.commit(func(tx *nft.Tx) { owners.Add(tx, holding(bob, ports...)) })
	if n := w.Batches() - before; n != 1 {
		t.Errorf("%d batches", n)
	}
	h, err := owners.Get(w.Conn, bob)
	if err != nil || len(h.Elements[0].Elements) != 2000 {
		t.Fatalf("%v, %v", h, err)
	}
	n := 0
	if err := w.Dump(nft.Inet, anySet, func() { n = 0 }, func(nft.Element) { n++ }); err != nil || n != 2001 {
		t.Errorf("the map holds %d elements, %v", n, err)
	}
	tx := w.Begin(nft.Inet)
	if _, err := owners.Delete(w.Conn, tx, h); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if list := w.run("list", "ruleset"); strings.Contains(list, "bob") {
		t.Errorf("something of bob's is left")
	}
}

// TestLastUserFreesTheCounter: what two owners share goes with the second, and its comment comes back.
func TestLastUserFreesTheCounter(t *testing.T) {
	w := newWorld(t)
	for i, owner := range []string{alice, bob} {
		w.commit(func(tx *nft.Tx) {
			tx.AddCounter("local-cni0", "route_localnet was 0")
			owners.Add(tx, nft.Holding{Owner: owner, Elements: []nft.InSet{{Set: local, Elements: []nft.Element{
				{Key: []byte{10, 0, 0, byte(i)}, Object: "local-cni0"}}}}})
		})
	}
	for i, owner := range []string{bob, alice} {
		h, err := owners.Get(w.Conn, owner)
		if err != nil {
			t.Fatal(err)
		}
		tx := w.Begin(nft.Inet)
		freed, err := owners.Delete(w.Conn, tx, h)
		if err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		if len(freed) != i || i == 1 && freed[0].Comment != "route_localnet was 0" {
			t.Errorf("deleting %s has freed %v", owner, freed)
		}
	}
	if list := w.run("list", "counters"); strings.Contains(list, "local-cni0") {
		t.Errorf("the counter is left: %s", list)
	}
}

// TestEmptiedRegister: somebody has emptied the register. What the owners have is found at the elements, and the last
// one takes the register's counter along.
func TestEmptiedRegister(t *testing.T) {
	w := newWorld(t)
	counted := nft.NewRegister(nft.Inet, "counted").Of(setsOf(anySet)).Counted("counted")
	tx := w.Begin(nft.Inet)
	tx.AddTable()
	tx.AddCounter("counted", "")
	tx.AddSet(counted.Set())
	tx.AddSet(anySet)
	counted.Add(tx, holding(alice, 80, 443))
	counted.Add(tx, holding(bob, 53))
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	w.run("flush", "map", "inet", "cni-chain", "counted")
	all, err := counted.Owners(w.Conn, "cni-chain:net/")
	slices.Sort(all)
	if diff := cmp.Diff([]string{alice, bob}, all); diff != "" || err != nil {
		t.Errorf("the owners (-want +got): %v\n%s", err, diff)
	}
	for i, owner := range []string{alice, bob} {
		h, err := counted.Get(w.Conn, owner)
		if err != nil || h == nil || h.Recorded() {
			t.Fatalf("%s has %+v, %v", owner, h, err)
		}
		tx := w.Begin(nft.Inet)
		freed, err := counted.Delete(w.Conn, tx, h)
		if err != nil || len(freed) != i {
			t.Errorf("deleting %s has freed %v, %v", owner, freed, err)
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		if list := w.run("list", "map", "inet", "cni-chain", "any4"); strings.Contains(list, owner) {
			t.Errorf("%s still has something: %s", owner, list)
		}
	}
}
