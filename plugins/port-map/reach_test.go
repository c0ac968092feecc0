// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/cni-chain/cni-chain/shared/testnet"
)

// world is a host with two networks, a machine outside, and a server whose ports are mapped.
type world struct {
	outside                  *testnet.Outside
	host                     *testnet.NS
	server, neighbour, other *container
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{outside: testnet.NewOutside(t), host: testnet.HostNS(t)}
	one := newBridge(t, "cni0", "10.88.1.1/24", "fd00:88:1::1/64")
	two := newBridge(t, "cni1", "10.88.2.1/24", "fd00:88:2::1/64")
	w.server, w.neighbour, w.other = one.newContainer(), one.newContainer(), two.newContainer()
	for _, network := range []string{"tcp", "udp"} {
		_, stop, err := w.server.Serve(network, ":80")
		must(t, err)
		t.Cleanup(stop)
	}
	w.settle(t)
	return w
}

// settle waits until all addresses are usable: those that the kernel gives links itself take a second or two to be.
func (w *world) settle(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for _, client := range []*testnet.NS{w.outside.NS, w.host, w.neighbour.NS, w.other.NS} {
		for _, addr := range []netip.Addr{w.server.v4, w.server.v6} {
			for {
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				_, err := client.Ask(ctx, "tcp", netip.AddrPortFrom(addr, 80).String())
				cancel()
				if err == nil {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("the network does not work without port-map: %v", err)
				}
			}
		}
	}
}

// cell is one question of the matrix.
type cell struct {
	from    string
	family  family
	network string
}

// ask connects from a place to the host's port and says how it went: "ok" when the server saw the client's own address,
// "masq" when it saw one of the host's.
func (w *world) ask(c cell, port int) string {
	client, addr := w.host, w.outside.HostV4
	if c.family == v6 {
		addr = w.outside.HostV6
	}
	own := map[family]netip.Addr{}
	switch c.from {
	case "outside":
		client, own = w.outside.NS, map[family]netip.Addr{v4: w.outside.V4, v6: w.outside.V6}
	case "host":
		own = map[family]netip.Addr{v4: w.outside.HostV4, v6: w.outside.HostV6}
	case "localhost":
		addr = c.family.loopback()
	case "itself":
		client = w.server.NS
	case "neighbour":
		client, own = w.neighbour.NS, map[family]netip.Addr{v4: w.neighbour.v4, v6: w.neighbour.v6}
	case "network":
		client, own = w.other.NS, map[family]netip.Addr{v4: w.other.v4, v6: w.other.v6}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	answer, err := client.Ask(ctx, c.network, netip.AddrPortFrom(addr, uint16(port)).String())
	switch {
	case err != nil:
		return "-"
	case answer.Server != w.server.Name:
		return "wrong server " + answer.Server
	case answer.Source.Addr().Unmap() == own[c.family]:
		return "ok"
	case w.hostAddress(answer.Source.Addr().Unmap()):
		return "masq"
	}
	return "from " + answer.Source.String()
}

func (w *world) hostAddress(a netip.Addr) bool {
	return a == w.server.bridge.v4.Addr() || a == w.server.bridge.v6.Addr()
}

var places = []string{"outside", "host", "localhost", "itself", "neighbour", "network"}

// TestReachability asks from every place, for each family, protocol, backend, setting of br_netfilter, and with a
// mapping of all addresses or of single ones, and prints the answers as a table.
func TestReachability(t *testing.T) {
	w := newWorld(t)
	var table strings.Builder
	fmt.Fprintf(&table, "%-10s%-11s%-8s%-6s%-5s", "backend", "bridge-nf", "hostIP", "IP", "")
	for _, place := range places {
		fmt.Fprintf(&table, "%-11s", place)
	}
	for _, backend := range backends(t) {
		for _, nf := range []string{"0", "1"} {
			if !setBridgeNF(t, nf) {
				continue
			}
			for _, single := range []bool{false, true} {
				w.reach(t, &table, backend, nf, single)
			}
		}
	}
	t.Logf("ok: reached, and the server sees the client's own address; masq: reached, and it sees the host's\n%s",
		table.String())
}

// reach fills the rows of one setting.
func (w *world) reach(t *testing.T, table *strings.Builder, backend, nf string, single bool) {
	var mappings []Mapping
	for _, proto := range []string{"tcp", "udp"} {
		m := Mapping{HostPort: 8080, ContainerPort: 80, Protocol: proto}
		if !single {
			mappings = append(mappings, m)
			continue
		}
		for _, addr := range []netip.Addr{w.outside.HostV4, w.outside.HostV6, v4.loopback(), v6.loopback()} {
			m.HostIP = addr.String()
			mappings = append(mappings, m)
		}
	}
	keys := map[string]any{"backend": backend}
	w.server.add(keys, mappings...).OK(t)
	w.server.check(keys, mappings...).OK(t)
	for _, f := range []family{v4, v6} {
		for _, network := range []string{"tcp", "udp"} {
			fmt.Fprintf(table, "\n%-10s%-11s%-8v%-6s%-5s", backend, nf, single, fmt.Sprintf("v%d", f), network)
			for _, place := range places {
				c := cell{place, f, fmt.Sprintf("%s%d", network, f)}
				got, want := w.ask(c, 8080), expected(backend, nf, c)
				fmt.Fprintf(table, "%-11s", got)
				if got != want {
					t.Errorf("%s, bridge-nf-call-iptables %s, hostIP %v: from %s over %s: %s, want %s",
						backend, nf, single, place, c.network, got, want)
				}
			}
		}
	}
	w.server.del().OK(t)
	for _, f := range []family{v4, v6} {
		if got := w.ask(cell{"outside", f, fmt.Sprintf("tcp%d", f)}, 8080); got != "-" {
			t.Errorf("%s: after DEL a connection from outside over IPv%d is %s", backend, f, got)
		}
	}
}

// expected is what a place is to get: the client's own address wherever the container can answer it past the host.
func expected(backend, nf string, c cell) string {
	switch {
	case c.from == "localhost" && c.family == v6 && nf == "1":
		return "-" // the kernel drops the reply, see loopback.go
	case c.from == "localhost", c.from == "itself":
		return "masq"
	case c.from == "neighbour" && (nf == "0" || backend == backendIPTables):
		return "masq" // with br_netfilter the bridge itself translates the reply
	}
	return "ok"
}

// setBridgeNF sets whether bridged packets pass netfilter; false when the kernel has no br_netfilter.
func setBridgeNF(t *testing.T, value string) bool {
	t.Helper()
	for _, name := range []string{"iptables", "ip6tables"} {
		path := "net/bridge/bridge-nf-call-" + name
		if _, err := sysctlGet(path); err != nil {
			if value == "1" {
				t.Logf("no br_netfilter: %v", err)
			}
			return value == "0"
		}
		setSysctl(t, path, value)
	}
	return true
}

// backends are those that the machine has.
func backends(t *testing.T) []string {
	t.Helper()
	if !(iptables{v4}).works() || !(iptables{v6}).works() {
		testnet.Lacks(t, "iptables-restore")
	}
	return []string{backendNFTables, backendIPTables}
}
