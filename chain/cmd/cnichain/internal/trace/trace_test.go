// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/run"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

func object(section testnet.Section, key string, fields ...string) testnet.Object {
	o := testnet.Object{Place: "host", Section: section, Key: key}
	for i := 0; i+1 < len(fields); i += 2 {
		o.Fields = append(o.Fields, testnet.Field{Name: fields[i], Value: fields[i+1]})
	}
	return o
}

func came(o testnet.Object) testnet.Change { return testnet.Change{After: &o} }

func went(o testnet.Object) testnet.Change { return testnet.Change{Before: &o} }

func became(before, after testnet.Object) testnet.Change {
	return testnet.Change{Before: &before, After: &after}
}

// lines are changes as text; minor ones in brackets.
func lines(changes []Change) (all []string) {
	for _, c := range changes {
		line := strings.TrimSpace(strings.Join([]string{c.Sign, c.Kind, c.What, "|", c.Detail}, " "))
		if c.Minor {
			line = "(" + line + ")"
		}
		all = append(all, line)
	}
	return all
}

func TestDescribe(t *testing.T) {
	inContainer := object(testnet.Links, "eth0", "kind", "veth")
	inContainer.Place = "blue"
	for _, tt := range []struct {
		name string
		in   []testnet.Change
		want []string
	}{
		{"in order", []testnet.Change{
			came(inContainer), came(object(testnet.Files, "/etc/netns/blue/resolv.conf", "mode", "-rw-r--r--", "size", "20")),
			came(object(testnet.Addresses, "cni0 10.0.0.1/24", "scope", "global")),
			came(object(testnet.Links, "cni0", "kind", "bridge", "flags", "up", "mtu", "1500", "mac", "02:00:00:00:00:01")),
		}, []string{
			"+ link cni0 | bridge, mtu 1500, mac 02:00:00:00:00:01", "+ address 10.0.0.1/24 | on cni0",
			"+ file /etc/netns/blue/resolv.conf | 20 bytes", "+ link eth0 | veth",
		}},
		{"a link that changes", []testnet.Change{became(object(testnet.Links, "eth0", "mtu", "1500"), object(testnet.Links, "eth0", "mtu", "1400"))},
			[]string{"~ link eth0 | mtu 1500 -> 1400"}},
		{"routes", []testnet.Change{
			came(object(testnet.Routes, "ipv4 unicast default via 10.0.0.1 dev eth0 table main proto 193")),
			came(object(testnet.Routes, "ipv4 local 10.0.0.2/32 dev eth0 table local proto kernel scope host")),
			went(object(testnet.Routes, "ipv6 unicast fd00::/64 dev eth0 table 100 proto static metric 5")),
		}, []string{
			"+ route ipv4 default via 10.0.0.1 dev eth0 |", "(+ route ipv4 local 10.0.0.2/32 dev eth0 table local scope host |)",
			"- route ipv6 fd00::/64 dev eth0 table 100 metric 5 |",
		}},
		{"forwarding", []testnet.Change{
			became(object(testnet.Sysctls, "ipv4/ip_forward", "value", "0"), object(testnet.Sysctls, "ipv4/ip_forward", "value", "1")),
			became(object(testnet.Sysctls, "ipv4/conf/lo/forwarding", "value", "0"), object(testnet.Sysctls, "ipv4/conf/lo/forwarding", "value", "1")),
		}, []string{"~ sysctl net.ipv4.ip_forward | 0 -> 1", "(~ sysctl net.ipv4.conf.lo.forwarding | 0 -> 1)"}},
		{"one interface's forwarding", []testnet.Change{
			became(object(testnet.Sysctls, "ipv4/conf/lo/forwarding", "value", "0"), object(testnet.Sysctls, "ipv4/conf/lo/forwarding", "value", "1")),
		}, []string{"~ sysctl net.ipv4.conf.lo.forwarding | 0 -> 1"}},
		{"a table of ours", []testnet.Change{
			came(object(testnet.NFT, "chain inet cni-chain a")), came(object(testnet.NFT, "chain inet cni-chain b")),
			came(object(testnet.NFT, "element inet cni-chain ports-any4 6 . 8080", "data", "10.0.0.2 . 80")),
			came(object(testnet.NFT, "element inet cni-chain ports 52ahfpv7mmjrzrg . 12")),
			came(object(testnet.NFT, `rule inet cni-chain a: counter comment "from outside"`)),
			came(object(testnet.NFT, "table inet cni-chain")), went(object(testnet.NFT, "set inet cni-chain old")),
		}, []string{
			"+ nftables table inet cni-chain | 2 chains, 1 rule", "- nftables in table inet cni-chain | 1 set",
			"(+ nftables chain a | of table inet cni-chain)", "(+ nftables chain b | of table inet cni-chain)",
			"+ nftables element tcp . 8080 -> 10.0.0.2 . 80 | set ports-any4 of table inet cni-chain",
			"(+ nftables element 52ahfpv7mmjrzrg . 12 | set ports of table inet cni-chain)",
			`(+ nftables rule "from outside" | chain a of table inet cni-chain)`,
			"(+ nftables table inet cni-chain |)", "(- nftables set old | of table inet cni-chain)",
		}},
		{"somebody's table", []testnet.Change{
			came(object(testnet.NFT, "table ip nat")), came(object(testnet.NFT, "chain ip nat X", "type", "nat")),
			came(object(testnet.NFT, "rule ip nat X: counter masq")),
		}, []string{
			"+ nftables table ip nat |", "+ nftables chain X | of table ip nat", "+ nftables rule counter masq | chain X of table ip nat",
		}},
		{"files", []testnet.Change{
			came(object(testnet.Files, "/run/cni-chain/pool/net", "mode", "drwx------")),
			came(object(testnet.Files, "/run/cni-chain/pool/net/10.0.0.2", "mode", "-rw-------", "size", "40")),
			came(object(testnet.Files, "/run/cni-chain/pool/net/used-10.0.0.0", "mode", "-rw-------", "size", "4096")),
			became(object(testnet.Files, "/etc/x", "size", "1", "sha256", "a"), object(testnet.Files, "/etc/x", "size", "2", "sha256", "b")),
		}, []string{
			"(+ file /run/cni-chain/pool/net |)", "+ file /run/cni-chain/pool/net/10.0.0.2 | the lease",
			"(+ file /run/cni-chain/pool/net/used-10.0.0.0 |)", "~ file /etc/x | rewritten, 2 bytes",
		}},
		{"others", []testnet.Change{came(object(testnet.TC, "qdisc tbf on eth0", "rate", "10")), came(object(testnet.FDB, "x on y"))},
			[]string{"(+ fdb x on y |)", "+ tc qdisc tbf on eth0 | rate 10"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, lines(Describe(tt.in))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Rules of iptables are told in its words, and not as what it makes of them.
func TestIPTablesInItsWords(t *testing.T) {
	before := parseSaved("iptables-save", "# x\n*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j X\nCOMMIT\n")
	after := parseSaved("iptables-save", "*nat\n:PREROUTING ACCEPT [7:7]\n:Y - [0:0]\n-A PREROUTING -j Y\n-A PREROUTING -j Y\nCOMMIT\n")
	nft := Describe([]testnet.Change{
		came(object(testnet.Links, "eth0")), came(object(testnet.NFT, "chain ip nat Y")), came(object(testnet.NFT, "rule ip nat Y: counter")),
		came(object(testnet.NFT, "rule inet other Y: counter")), came(object(testnet.Files, "/run/x", "size", "1")),
	})
	want := []string{
		"+ link eth0 |", "+ nftables rule counter | chain Y of table inet other",
		"- iptables -A PREROUTING -j X | iptables -t nat", "(+ iptables chain Y | iptables -t nat)",
		"+ iptables -A PREROUTING -j Y | iptables -t nat", "+ iptables -A PREROUTING -j Y | iptables -t nat", "+ file /run/x | 1 bytes",
	}
	if diff := cmp.Diff(want, lines(inWords(nft, compareSaved(before, after)))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(lines(nft), lines(inWords(nft, nil))); diff != "" {
		t.Errorf("without words: %s", diff)
	}
}

const ms = run.Duration(1e6)

func example() *Trace {
	at, took := 2*ms, 3*ms
	return &Trace{
		Record: &run.Record{
			Verb: "add", Network: "net", Conflist: "c.conflist", CNIVersion: "1.0.0", IfName: "eth0", NetNS: "/run/netns/blue",
			ContainerID: "blue", Took: 21 * ms,
			Calls: []*run.Call{
				{Type: "one", Command: "ADD", Took: 8 * ms, Stdin: json.RawMessage(`{}`), Stdout: json.RawMessage(`{}`),
					Steps: []run.Step{{Level: "DEBUG", What: "make it", At: &at, Took: &took}, {Level: "WARN", What: "careful", At: &at}}},
				{Type: "two", Link: 1, Command: "ADD", At: 10 * ms, Took: 10 * ms, Stdin: json.RawMessage(`{}`), Stdout: json.RawMessage(`{}`)},
			},
		},
		Effects: []Effect{
			{Changes: []Change{
				{"+", "host", "link", "cni0", "bridge", false}, {"+", "host", "route", "x", "", true}, {"+", "host", "fdb", "x", "", true},
				{"+", "blue", "link", "eth0", "veth", false},
			}},
			{Link: 1},
		},
	}
}

func TestText(t *testing.T) {
	var out bytes.Buffer
	Text{W: &out}.Write(example())
	want := `
ADD eth0 in blue, network net  (c.conflist, CNI 1.0.0)
 1 one                                                                   8.0 ms
     make it                                                             3.0 ms
     warning: careful
     = the result is handed on as it came
     changed on the host:
     + link      cni0                        bridge
     changed in blue:
     + link      eth0                        veth
       and what follows from it: 1 fdb, 1 route
 2 two                                                                  10.0 ms
     = the result is handed on as it came

when                                               0          10.0 ms     20.0 ms
 1 one                                     8.0 ms  ████████████
     make it                               3.0 ms     ▒▒▒▒
 2 two                                    10.0 ms                 ██████████████

attached: eth0 in blue                                                  21.0 ms
`[1:]
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
	out.Reset()
	Text{W: &out, All: true}.Write(example())
	if !strings.Contains(out.String(), "+ fdb       x\n") || strings.Contains(out.String(), "follows") {
		t.Errorf("all of it:\n%s", &out)
	}
}

// A trace of nothing, as of a STATUS that no plugin was asked, is no fault.
func TestEmptyTrace(t *testing.T) {
	empty := &Trace{Record: &run.Record{Verb: "status", Network: "net"}}
	var out bytes.Buffer
	Text{W: &out}.Write(empty)
	if strings.Contains(out.String(), "when") {
		t.Error(out.String())
	}
	if err := HTML(&out, empty); err != nil {
		t.Error(err)
	}
}

func TestTicks(t *testing.T) {
	for _, total := range []run.Duration{1, 999, 40 * ms / 1000, ms, 7 * ms, 20 * ms, 333 * ms, 90_000 * ms} {
		e := example()
		e.Calls = []*run.Call{{Took: total}}
		if n := len(ticks(e)); total > 9000 && (n < 4 || n > 10) {
			t.Errorf("%v has %d ticks", total, n)
		}
	}
	if ticks(&Trace{Record: &run.Record{}}) != nil {
		t.Error("no time has ticks")
	}
}

func TestResolvConf(t *testing.T) {
	for path, want := range map[string]string{
		"/proc/77/ns/net": "/proc/77/root/etc/resolv.conf", "/run/netns/blue": "", "/proc/self/ns/net": "", "/proc/77/ns/net/x": "",
	} {
		if got := resolvConf(path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}
