// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package testnet_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/testnet"
)

// nftChange makes changes in one transaction, by the library that the plugins use.
func nftChange(fill func(*nftables.Conn) error) func() error {
	return func() error {
		conn, err := nftables.New()
		if err != nil {
			return err
		}
		if err := fill(conn); err != nil {
			return err
		}
		return conn.Flush()
	}
}

var (
	nftTable = &nftables.Table{Name: "ours", Family: nftables.TableFamilyINet}
	nftChain = &nftables.Chain{
		Name: "post", Table: nftTable, Type: nftables.ChainTypeNAT,
		Hooknum: nftables.ChainHookPostrouting, Priority: nftables.ChainPriorityNATSource,
	}
	nftMap = &nftables.Set{
		Name: "ports", Table: nftTable, IsMap: true, Concatenation: true,
		KeyType:  nftables.MustConcatSetType(nftables.TypeInetProto, nftables.TypeInetService),
		DataType: nftables.MustConcatSetType(nftables.TypeIPAddr, nftables.TypeInetService),
	}
	nftVerdicts = &nftables.Set{
		Name: "jumps", Table: nftTable, IsMap: true, KeyType: nftables.TypeIPAddr, DataType: nftables.TypeVerdict,
	}
)

// element is host port 8080/tcp to 10.0.0.2:80, in the kernel's form: each part fills whole 4 bytes.
func element(comment string) []nftables.SetElement {
	return []nftables.SetElement{{
		Key: []byte{unix.IPPROTO_TCP, 0, 0, 0, 0x1f, 0x90, 0, 0}, Val: []byte{10, 0, 0, 2, 0, 80, 0, 0}, Comment: comment,
	}}
}

func nftRule(comment string, exprs ...expr.Any) *nftables.Rule {
	return &nftables.Rule{
		Table: nftTable, Chain: nftChain, Exprs: exprs,
		UserData: userdata.AppendString(nil, userdata.TypeComment, comment),
	}
}

// twoRules are text as the kernel keeps it, and with what changes by itself: a counter, an anonymous set's name.
func twoRules(c *nftables.Conn) error {
	set := &nftables.Set{Table: nftTable, Anonymous: true, Constant: true, KeyType: nftables.TypeInetService}
	elements := []nftables.SetElement{{Key: []byte{0, 80}}, {Key: []byte{443 >> 8, 443 & 0xff}}}
	if err := c.AddSet(set, elements); err != nil {
		return err
	}
	c.AddRule(nftRule("cni-chain:net/c/eth0",
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_TCP}},
		&expr.Counter{}, &expr.Masq{}))
	c.AddRule(nftRule("other",
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_TCP}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		&expr.Lookup{SourceRegister: 1, SetName: set.Name, SetID: set.ID},
		&expr.Verdict{Kind: expr.VerdictReturn}))
	return nil
}

const (
	masqRule = "rule inet ours post: meta(key=l4proto dreg=1) cmp(sreg=1 op=0 data=0x06) counter masq " +
		`comment "cni-chain:net/c/eth0"`
	setRule = "rule inet ours post: meta(key=l4proto dreg=1) cmp(sreg=1 op=0 data=0x06) " +
		"payload(dreg=1 base=2 offset=2 len=2) lookup(set={443; 80} sreg=1 flags=0) " +
		`immediate(dreg=0 data=return) comment "other"`
)

func nftChanges() []change {
	return []change{
		{name: "table", do: nftChange(func(c *nftables.Conn) error { c.AddTable(nftTable); return nil }),
			want: []string{"+ nft table inet ours"}},
		{name: "chain", do: nftChange(func(c *nftables.Conn) error { c.AddChain(nftChain); return nil }),
			want: []string{"+ nft chain inet ours post: type nat, hook 4, priority 100, policy accept"}},
		{name: "rules", do: nftChange(twoRules), want: []string{"+ nft " + masqRule, "+ nft " + setRule}},
		{name: "the same rules again, in other order", do: nftChange(func(c *nftables.Conn) error {
			c.FlushChain(nftChain)
			return twoRules(c)
		})},
		{name: "order of rules", do: moveFirstRule, want: []string{"~ nft chain inet ours post: order of rules changed"}},
		{name: "rule removed", do: removeFirstRule, want: []string{"- nft " + setRule}},
		{name: "map", do: nftChange(func(c *nftables.Conn) error {
			return c.AddSet(nftMap, element("cni-chain:net/c/eth0"))
		}),
			want: []string{
				"+ nft element inet ours ports 6 . 8080: data 10.0.0.2 . 80, comment cni-chain:net/c/eth0",
				"+ nft set inet ours ports: flags map|concat, key 781, data 461",
			}},
		{name: "comment of an element", do: nftChange(func(c *nftables.Conn) error {
			if err := c.SetDeleteElements(nftMap, element("")); err != nil {
				return err
			}
			return c.SetAddElements(nftMap, element("somebody else"))
		}), want: []string{
			"~ nft element inet ours ports 6 . 8080: comment cni-chain:net/c/eth0 -> somebody else",
		}},
		{name: "element removed", do: nftChange(func(c *nftables.Conn) error {
			return c.SetDeleteElements(nftMap, element(""))
		}),
			want: []string{"- nft element inet ours ports 6 . 8080: data 10.0.0.2 . 80, comment somebody else"}},
		{name: "verdicts", do: nftChange(func(c *nftables.Conn) error {
			return c.AddSet(nftVerdicts, []nftables.SetElement{{
				Key: []byte{10, 0, 0, 1}, VerdictData: &expr.Verdict{Kind: expr.VerdictDrop},
			}})
		}), want: []string{
			"+ nft element inet ours jumps 10.0.0.1: data drop", "+ nft set inet ours jumps: flags map, key 7, data 4294967040",
		}},
		{name: "table removed", do: nftChange(dropTable),
			some: []string{"- nft table inet ours", "- nft chain inet ours post: ", "- nft set inet ours ports: "}},
	}
}

func moveFirstRule() error {
	return nftChange(func(c *nftables.Conn) error {
		rules, err := c.GetRules(nftTable, nftChain)
		if err != nil {
			return err
		}
		c.AddRule(&nftables.Rule{Table: nftTable, Chain: nftChain, Exprs: rules[0].Exprs, UserData: rules[0].UserData})
		return c.DelRule(rules[0])
	})()
}

func removeFirstRule() error {
	return nftChange(func(c *nftables.Conn) error {
		rules, err := c.GetRules(nftTable, nftChain)
		if err != nil {
			return err
		}
		return c.DelRule(rules[0])
	})()
}

func TestDiffOfLegacyIPTables(t *testing.T) {
	ns := testnet.NewNS(t)
	if _, err := exec.LookPath("iptables-legacy"); err != nil {
		testnet.Lacks(t, "iptables-legacy")
	}
	if _, err := os.ReadFile("/proc/net/ip_tables_names"); err != nil {
		testnet.Lacks(t, "a readable list of legacy tables")
	}
	run := func(args string) error {
		return ns.Do(exec.Command("iptables-legacy", strings.Fields(args)...).Run)
	}
	before := testnet.Take(t, ns)
	if err := run("-t nat -A POSTROUTING -s 10.0.0.0/8 -j MASQUERADE"); err != nil {
		testnet.Lacks(t, "legacy iptables in the kernel")
	}
	if diff := testnet.Diff(before, testnet.Take(t, ns)); !strings.Contains(diff,
		"\n  + iptables rule ip nat: -A POSTROUTING -s 10.0.0.0/8 -j MASQUERADE\n") {
		t.Errorf("Diff:\n%s", diff)
	}
	middle := testnet.Take(t, ns)
	if err := run("-t nat -I POSTROUTING -d 10.0.0.0/8 -j RETURN"); err != nil {
		t.Fatal(err)
	}
	want := ns.Name + ":\n  + iptables rule ip nat: -A POSTROUTING -d 10.0.0.0/8 -j RETURN\n"
	if diff := testnet.Diff(middle, testnet.Take(t, ns)); diff != want {
		t.Errorf("Diff:\n%s", diff)
	}
}

func TestSnapshotMakesNoIPTables(t *testing.T) {
	ns := testnet.NewNS(t)
	first := testnet.Take(t, ns)
	for _, object := range first.Only(testnet.NFT, testnet.IPTables).Objects() {
		if object.Place == ns.Name {
			t.Errorf("a new namespace has %s", object)
		}
	}
	if diff := testnet.Diff(first, testnet.Take(t, ns)); diff != "" {
		t.Errorf("taking a snapshot changed\n%s", diff)
	}
}

func masqueradeAll(c *nftables.Conn) error {
	c.AddTable(nftTable)
	c.AddChain(nftChain)
	c.AddRule(nftRule("all", &expr.Masq{}))
	return nil
}

func dropTable(c *nftables.Conn) error {
	c.DelTable(nftTable)
	return nil
}
