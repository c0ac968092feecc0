// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/trace"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// changed are the changes of the i-th call that matter, without what differs from run to run.
func changed(t *testing.T, document string, i int) (list []string) {
	t.Helper()
	var got trace.Trace
	if err := json.Unmarshal([]byte(document), &got); err != nil {
		t.Fatalf("%v\n%s", err, document)
	}
	if len(got.Problems) > 0 {
		t.Errorf("problems: %q", got.Problems)
	}
	for _, c := range got.Effects[i].Changes {
		if !c.Minor {
			text := strings.Join([]string{c.Sign, c.Place, c.Kind, c.What, c.Detail}, " ")
			list = append(list, strings.TrimSpace(regexp.MustCompile(`mac [0-9a-f:]+`).ReplaceAllString(text, "mac MAC")))
		}
	}
	return list
}

// What each link of the example chain changes, and what its DEL takes back.
func TestTrace(t *testing.T) {
	h := newHost(t)
	testnet.NamedNS(t, "blue")
	added := h.chain("trace", "bridge.conflist", "add", "blue", "--port", "8080:80", "-o", "json")
	for i, want := range [][]string{
		{
			"+ host link cni0 bridge, mtu 1500, mac MAC",
			"+ host link veth3d8z6ao9e88 veth, mtu 1500, mac MAC, port of cni0",
			"+ blue link eth0 veth, mtu 1500, mac MAC",
		},
		{
			"+ host address 10.88.1.1/24 on cni0",
			"~ host sysctl net.ipv4.ip_forward 0 -> 1",
			"+ host nftables table inet cni-chain 1 chain, 1 rule, 2 sets, 2 counters",
			"+ host nftables element 10.88.1.2 set masq-bridge-10.88.1.0/24 of table inet cni-chain",
			"+ host file /run/cni-chain/pool/bridge/10.88.1.2 the lease",
			"+ blue address 10.88.1.2/24 on eth0",
			"+ blue route ipv4 default via 10.88.1.1 dev eth0",
			"~ blue sysctl net.ipv4.conf.eth0.arp_notify 0 -> 1",
		},
		{"+ host file /etc/netns/blue/resolv.conf 196 bytes"},
	} {
		got := changed(t, added, i)
		if i == 2 { // as long as the host's own file
			got = []string{regexp.MustCompile(`\d+ bytes`).ReplaceAllString(strings.Join(got, "\n"), "196 bytes")}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("link %d: %s", i+1, diff)
		}
	}
	contains(t, strings.Join(changed(t, added, 3), "\n"), "~ host sysctl net.ipv4.conf.cni0.route_localnet 0 -> 1",
		"+ host nftables element tcp . 8080 -> 10.88.1.2 . 80 set ports-any4 of table inet cni-chain")
	deleted := h.chain("trace", "bridge.conflist", "del", "blue", "-o", "json")
	want := []string{
		"- host link veth3d8z6ao9e88 veth, mtu 1500, mac MAC, port of cni0", "- blue link eth0 veth, mtu 1500, mac MAC",
	}
	if diff := cmp.Diff(want, changed(t, deleted, 3)); diff != "" {
		t.Error(diff)
	}
}

func TestTraceText(t *testing.T) {
	h := newHost(t)
	testnet.NamedNS(t, "blue")
	text := h.chain("trace", "bridge.conflist", "add", "blue", "--port", "8080:80")
	contains(t, text, " 2 ip-config", "     changed on the host:\n     + address   10.88.1.1/24                on cni0\n",
		"     changed in blue:\n", "and what follows from it: ", "\nwhen  ", "█", "▒", "attached: eth0 in blue")
	contains(t, h.chain("trace", "bridge.conflist", "check", "blue"), "in order: eth0 in blue")
	contains(t, h.chain("trace", "bridge.conflist", "status"), "ready: network bridge")
	contains(t, h.chain("trace", "bridge.conflist", "del", "blue", "--all"), "- route     ipv4 local 10.88.1.2/32 dev eth0 table local")
}

// pageOf writes the page of a trace of the whole example chain, with containers beside it.
func pageOf(t *testing.T) (file string) {
	t.Helper()
	h := newHost(t)
	for _, name := range []string{"blue", "green", "red"} {
		testnet.NamedNS(t, name)
	}
	h.chain("add", "bridge.conflist", "blue")
	h.chain("add", "dual-stack.conflist", "red", "--port", "8443:443")
	file = filepath.Join(t.TempDir(), "trace.html")
	h.chain("trace", "bridge.conflist", "add", "green", "--port", "8080:80", "--html", file)
	t.Cleanup(func() {
		h.chain("gc", "bridge.conflist")
		h.chain("gc", "dual-stack.conflist")
	})
	return file
}

// The page has all that the text has, and asks for nothing: no script, no address, no file.
func TestTracePage(t *testing.T) {
	page := read(t, pageOf(t))
	contains(t, page, `<section id="topology">`, `<svg xmlns="http://www.w3.org/2000/svg"`, `class="new"`, `<section id="waterfall">`,
		"veth-bridge", "make veth veth", "set ports-any4 of table inet cni-chain", "default-src 'none'")
	without := strings.ReplaceAll(page, "http://www.w3.org/2000/svg", "") // a name, not an address
	for _, word := range []string{"<script", "javascript:", "http:", "https:", "src=", "@import", "url(", " on=", "onload"} {
		if strings.Contains(strings.ToLower(without), word) {
			t.Errorf("it has %q", word)
		}
	}
	decoder := xml.NewDecoder(strings.NewReader(page))
	decoder.Strict, decoder.AutoClose, decoder.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	for {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("no HTML: %v", err)
		}
	}
}

// A trace of a chain that fails tells of the cleanup, too, and has the error on the page.
func TestTraceOfAFailure(t *testing.T) {
	b := newBench(t, "1.0.0", "", `, "refuse": "<b>no</b>"`)
	file := filepath.Join(t.TempDir(), "trace.html")
	code, stdout, _ := b.run("trace", "add", b.list, b.ns.Name, "--html", file)
	if code != 1 {
		t.Errorf("exit status %d", code)
	}
	contains(t, stdout, " 2 probe FAILED", "DEL, to leave nothing of it:", " 1 probe DEL", "add failed at link 2, probe")
	contains(t, read(t, file), `<p class="verdict bad">failed</p>`, "&lt;b&gt;no&lt;/b&gt;", "plugins[1].refuse")
}
