// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package testnet_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cni-chain/cni-chain/shared/testnet"
)

func TestOutside(t *testing.T) {
	host, outside := testnet.HostNS(t), testnet.NewOutside(t)
	other := testnet.NewOutside(t)
	if other.V4 == outside.V4 || other.HostLink == outside.HostLink {
		t.Errorf("two machines outside are the same: %v", other)
	}
	for _, network := range []string{"tcp", "udp"} {
		port := outside.StartServer(t, network, ":0")
		hostPort := host.StartServer(t, network, ":0")
		tests := map[string]struct {
			from           *testnet.NS
			source, target netip.Addr
			port           uint16
			server         string
		}{
			"host to outside, v4": {host, outside.HostV4, outside.V4, port, outside.Name},
			"host to outside, v6": {host, outside.HostV6, outside.V6, port, outside.Name},
			"outside to host, v4": {outside.NS, outside.V4, outside.HostV4, hostPort, "host"},
			"outside to host, v6": {outside.NS, outside.V6, outside.HostV6, hostPort, "host"},
			"second address, v4":  {outside.NS, outside.V4, other.HostV4, hostPort, "host"},
			"second address, v6":  {outside.NS, outside.V6, other.HostV6, hostPort, "host"},
			"loopback, v4":        {host, loopback4, loopback4, hostPort, "host"},
			"loopback, v6":        {host, netip.IPv6Loopback(), netip.IPv6Loopback(), hostPort, "host"},
		}
		for name, test := range tests {
			t.Run(network+" "+name, func(t *testing.T) {
				target := netip.AddrPortFrom(test.target, test.port)
				answer := test.from.MustAsk(t, network, target.String())
				answer.Source = netip.AddrPortFrom(answer.Source.Addr(), 0)
				answer.Echo = ""
				want := testnet.Answer{Server: test.server, Source: netip.AddrPortFrom(test.source, 0), Target: target}
				if diff := cmp.Diff(want, answer, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
					t.Errorf("answer (-want +got):\n%s", diff)
				}
			})
		}
	}
}

var loopback4 = netip.MustParseAddr("127.0.0.1")

func TestOutsideGoesWithTheTest(t *testing.T) {
	testnet.Need(t)
	before := testnet.Take(t)
	t.Run("inner", func(t *testing.T) { testnet.NewOutside(t) })
	if diff := testnet.Diff(before, testnet.Take(t)); diff != "" {
		t.Errorf("left behind:\n%s", diff)
	}
}

func TestAskNobody(t *testing.T) {
	ns := testnet.NewNS(t)
	if err := ns.Up("lo"); err != nil {
		t.Fatal(err)
	}
	for _, network := range []string{"tcp", "udp"} {
		t.Run(network+" refused", func(t *testing.T) {
			if _, err := ns.Ask(t.Context(), network, "127.0.0.1:9"); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("udp silent", func(t *testing.T) {
		silent := silentUDP(t, ns)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if _, err := ns.Ask(ctx, "udp", silent); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("by name", func(t *testing.T) {
		if _, err := ns.Ask(t.Context(), "tcp", "localhost:9"); err == nil {
			t.Error("no error")
		}
	})
}

// silentUDP opens a port that takes packets and never answers.
func silentUDP(t *testing.T, ns *testnet.NS) string {
	t.Helper()
	var conn net.PacketConn
	err := ns.Do(func() (err error) { conn, err = net.ListenPacket("udp4", "127.0.0.1:0"); return err })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.LocalAddr().String()
}

func TestAskOverKeepsTheFlow(t *testing.T) {
	host := testnet.HostNS(t)
	port := host.StartServer(t, "udp", "127.0.0.1:0")
	conn, err := host.Dial(t.Context(), "udp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for range 2 {
		answer, err := testnet.AskOver(t.Context(), conn)
		if err != nil || answer.Source.String() != conn.LocalAddr().String() {
			t.Errorf("answer %v, %v; asked from %s", answer, err, conn.LocalAddr())
		}
	}
}

func TestFetch(t *testing.T) {
	outside := testnet.NewOutside(t)
	stop, err := outside.ServeHTTP(":80", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprintf(w, "hello %s", r.RemoteAddr[:len("192.0.2.1")])
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	host := testnet.HostNS(t)
	page, err := host.Fetch(t.Context(), "http://192.0.2.2/")
	if err != nil || page != "hello 192.0.2.1" {
		t.Errorf("page %q, %v", page, err)
	}
	if _, err := host.Fetch(t.Context(), "http://192.0.2.2/other"); err == nil {
		t.Error("a page that is not there: no error")
	}
}
