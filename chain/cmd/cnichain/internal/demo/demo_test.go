// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cni-chain/cni-chain/shared/testnet"
)

func TestMain(m *testing.M) { testnet.Main(m) }

func TestPing(t *testing.T) {
	outside := testnet.NewOutside(t)
	times, err := ping(context.Background(), outside.NS, outside.HostV4, 2)
	if err != nil || len(times) != 2 {
		t.Errorf("%v %v", times, err)
	}
	if _, err := ping(context.Background(), testnet.NewNS(t), outside.HostV4, 1); err == nil {
		t.Error("a namespace without interfaces pinged")
	}
}

func TestEchoMessage(t *testing.T) {
	for _, data := range []string{"", "x", "cni-chain", "even"} {
		message := echoMessage(0x1234, 7, data)
		// RFC 1071: the checksum of a message with its checksum is 0.
		if sum := checksum(message); sum != 0 {
			t.Errorf("%q: checksum over all is %#x", data, sum)
		}
		reply := bytes.Clone(message)
		reply[0] = echoReply
		if !answers(reply, message) || answers(message, message) || answers(reply[:4], message) {
			t.Errorf("%q: the reply is not told from other messages", data)
		}
	}
	if answers(echoMessage(1, 2, "a"), echoMessage(1, 3, "a")) {
		t.Error("another sequence number was taken")
	}
}

func TestResolvConf(t *testing.T) {
	ns := testnet.NewNS(t)
	if err := os.MkdirAll("/etc/netns/"+ns.Name, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := nameServer("192.0.2.2"); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(hostResolvConf)
	if err != nil {
		t.Fatal(err)
	}
	const want = "nameserver 192.0.2.99\n"
	if err := os.WriteFile("/etc/netns/"+ns.Name+"/resolv.conf", []byte(want), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := resolvConf(ns)
	if err != nil || got != want {
		t.Errorf("got %q, %v", got, err)
	}
	after, err := os.ReadFile(hostResolvConf)
	if diff := cmp.Diff(string(before), string(after)); diff != "" || err != nil {
		t.Errorf("the host's changed: %v %s", err, diff)
	}
}

func TestResolvConfWithoutFile(t *testing.T) {
	if _, err := resolvConf(testnet.NewNS(t)); err == nil {
		t.Error("no file was no error")
	}
}

func TestUnexplained(t *testing.T) {
	diff := `host:
  + link cni0: kind bridge
  + address cni0 10.88.1.1/24: scope global
  + link cni01: kind bridge
  + link veth0: master cni0
  ~ sysctl ipv4/ip_forward: value 0 -> 1
  ~ sysctl ipv4/conf/cni0/forwarding: value 0 -> 1
  ~ sysctl ipv4/conf/out0/route_localnet: value 0 -> 1
  + file /run/cni-chain/pool/net/position: mode -rw-------
  + file /run/cni-chain/pool/net/10.0.0.1: mode -rw-------
  - address out0 192.0.2.1/24: scope global
blue:
  + file /etc/netns/blue/resolv.conf: mode -rw-r--r--
`
	want := []string{
		"+ link cni01: kind bridge",
		"+ link veth0: master cni0",
		"~ sysctl ipv4/conf/out0/route_localnet: value 0 -> 1",
		"+ file /run/cni-chain/pool/net/10.0.0.1: mode -rw-------",
		"- address out0 192.0.2.1/24: scope global",
		"+ file /etc/netns/blue/resolv.conf: mode -rw-r--r--",
	}
	if d := cmp.Diff(want, unexplained(diff, "cni0", "net")); d != "" {
		t.Error(d)
	}
}

func TestItem(t *testing.T) {
	var out bytes.Buffer
	s := &story{out: &out}
	s.item("   ─ name ", strings.Repeat("word ", 16)+"end")
	want := "   ─ name " + strings.TrimSpace(strings.Repeat("word ", 14)) + "\n" +
		strings.Repeat(" ", 10) + "word word end\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestChain(t *testing.T) {
	c, err := Chain()
	if err != nil || len(c.List.Plugins) != 4 {
		t.Errorf("%v %v", c, err)
	}
}
