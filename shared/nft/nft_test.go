// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package nft_test

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/nft"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

func TestMain(m *testing.M) { testnet.Main(m) }

var (
	anySet = &nft.Set{Name: "any4", Key: []nft.Type{nft.InetProto, nft.InetService},
		Data: []nft.Type{nft.IPv4Addr, nft.InetService}}
	local   = &nft.Set{Name: "local4", Key: []nft.Type{nft.IPv4Addr}, Objects: true}
	pairs   = &nft.Set{Name: "pairs", Key: []nft.Type{nft.IfName, nft.EtherAddr}}
	verdict = &nft.Set{Name: "verdict", Key: []nft.Type{nft.IfName}, Verdicts: true}
	owners  = nft.NewRegister(nft.Inet, "ports").Of(setsOf(anySet, local))
)

func setsOf(sets ...*nft.Set) func() []*nft.Set { return func() []*nft.Set { return sets } }

func base(tx *nft.Tx) {
	tx.AddTable()
	for _, s := range []*nft.Set{anySet, local, pairs, verdict, owners.Set()} {
		tx.AddSet(s)
	}
}

func mapping(port uint16) nft.Element {
	return nft.Element{Key: nft.Join(nft.Proto(unix.IPPROTO_TCP), nft.Port(port)),
		Data: nft.Join([]byte{10, 0, 0, 5}, nft.Port(80))}
}

// world is a namespace of its own with a Conn to it.
type world struct {
	*nft.Conn
	ns *testnet.NS
	t  *testing.T
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{ns: testnet.NewNS(t), t: t}
	err := w.ns.Do(func() (err error) {
		w.Conn, err = nft.Open()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

// run is the nft command in the namespace.
func (w *world) run(args ...string) string {
	w.t.Helper()
	cmd := exec.Command("nft", args...)
	var out []byte
	err := w.ns.Do(func() (err error) {
		out, err = cmd.CombinedOutput()
		return err
	})
	if err != nil {
		w.t.Fatalf("nft %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func (w *world) commit(change func(*nft.Tx)) {
	w.t.Helper()
	if err := w.Apply(nft.Inet, owners.Set(), base, change); err != nil {
		w.t.Fatal(err)
	}
}

func TestCounterCountsItsUsers(t *testing.T) {
	w := newWorld(t)
	user := func(last byte) nft.Element { return nft.Element{Key: []byte{10, 0, 0, last}, Object: "local-cni0"} }
	w.commit(func(tx *nft.Tx) {
		tx.AddCounter("local-cni0", "route_localnet was 0")
		tx.AddElements(local, user(1))
	})
	w.commit(func(tx *nft.Tx) {
		tx.AddCounter("local-cni0", "something else")
		tx.AddElements(local, user(2))
	})
	got, err := w.Counters(nft.Inet, "local-cni0", "local-cni1")
	if err != nil {
		t.Fatal(err)
	}
	want := []*nft.Object{{Name: "local-cni0", Comment: "route_localnet was 0", Use: 2}, nil}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	tx := w.Begin(nft.Inet)
	tx.DeleteElements(local, user(1))
	tx.DeleteCounter("local-cni0")
	if err := tx.Commit(); !errors.Is(err, unix.EBUSY) {
		t.Errorf("deleting a counter in use: %v", err)
	}
	tx = w.Begin(nft.Inet)
	tx.DeleteElements(local, user(1), user(2))
	tx.DeleteCounter("local-cni0")
	if err := tx.Commit(); err != nil {
		t.Error(err)
	}
}

func TestErrorsNameTheObject(t *testing.T) {
	w := newWorld(t)
	w.commit(func(tx *nft.Tx) { tx.AddChain(nft.Chain{Name: "c"}) })
	tests := []struct {
		name   string
		change func(*nft.Tx)
		want   string
	}{
		{"chain", func(tx *nft.Tx) { tx.DeleteChain("no") }, "delete chain no: no such file or directory"},
		{"element", func(tx *nft.Tx) { tx.DeleteElements(anySet, mapping(1), mapping(2)) },
			"delete element of set any4: tcp . 1: no such file or directory"},
		{"rule", func(tx *nft.Tx) {
			tx.AddRule("c", nft.Rule{Exprs: []nft.Expr{nft.Jump("no")}, Comment: "x"})
		}, "add rule to chain c (x): no such file or directory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tx := w.Begin(nft.Inet)
			tt.change(tx)
			if err := tx.Commit(); fmt.Sprint(err) != tt.want {
				t.Errorf("error is %q, want %q", err, tt.want)
			}
		})
	}
}

// TestNamesAsNFTListsThem: nft takes names for numbers in the host's byte order and has to be told so.
func TestNamesAsNFTListsThem(t *testing.T) {
	w := newWorld(t)
	links := &nft.Set{Name: "links", Key: []nft.Type{nft.IfName}}
	w.commit(func(tx *nft.Tx) {
		tx.AddSet(links)
		tx.EnsureElements(links, nft.Element{Key: nft.Name("cni0")})
		tx.EnsureElements(links, nft.Element{Key: nft.Name("cni0")})
		tx.AddElements(pairs, nft.Element{Key: nft.Join(nft.Name("cni0"), []byte{2, 1, 2, 3, 4, 5})})
	})
	list := w.run("list", "ruleset")
	for _, want := range []string{`elements = { "cni0" }`, `"cni0" . 02:01:02:03:04:05`} {
		if !strings.Contains(list, want) {
			t.Errorf("nft list ruleset lacks %s:\n%s", want, list)
		}
	}
}

func TestRules(t *testing.T) {
	w := newWorld(t)
	w.commit(func(tx *nft.Tx) {
		tx.AddChain(nft.Chain{Name: "c"})
		for _, comment := range []string{"one", "two"} {
			tx.AddRule("c", nft.Rule{Comment: comment})
		}
	})
	rules, err := w.Rules(nft.Inet, "c")
	if err != nil || len(rules) != 2 || rules[0].Comment != "one" {
		t.Fatalf("%v, %v", rules, err)
	}
	tx := w.Begin(nft.Inet)
	tx.DeleteRule("c", rules[0].Handle)
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if rules, err = w.Rules(nft.Inet, "c"); err != nil || len(rules) != 1 || rules[0].Comment != "two" {
		t.Errorf("%v, %v", rules, err)
	}
	if rules, err = w.Rules(nft.Inet, "no"); err != nil || len(rules) != 0 {
		t.Errorf("rules of no chain: %v, %v", rules, err)
	}
}
