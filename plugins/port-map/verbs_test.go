// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cni-chain/cni-chain/chain/chaintest"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

var web = Mapping{HostPort: 8080, ContainerPort: 80}

// TestWithoutMappings: nothing to map is nothing to do.
func TestWithoutMappings(t *testing.T) {
	b := newBridge(t, "cni0", "10.88.1.1/24", "fd00:88:1::1/64")
	c := b.newContainer()
	before := hostState(t)
	var want, got map[string]any
	c.add(nil).OK(t).Result(t, &got)
	chaintest.Outcome{Stdout: text(c.prevResult())}.Result(t, &want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the result is not prevResult:\n%s", diff)
	}
	c.check(nil).OK(t)
	c.del().OK(t)
	if diff := cmp.Diff(before, hostState(t)); diff != "" {
		t.Errorf("the host has changed:\n%s", diff)
	}
}

// TestForwardingOff: who maps ports on a host that does not forward learns why nobody gets there.
func TestForwardingOff(t *testing.T) {
	b := newBridge(t, "cni0", "10.88.1.1/24", "fd00:88:1::1/64")
	setSysctl(t, "net/ipv4/ip_forward", "0")
	c := b.newContainer()
	const says = "does not forward"
	o := c.add(nil, web).OK(t)
	if strings.Count(o.Stderr, says) != 1 || !strings.Contains(o.Stderr, "net/ipv4/ip_forward") {
		t.Errorf("the log does not say it once: %s", o.Stderr)
	}
	local := Mapping{HostPort: 8080, ContainerPort: 80, HostIP: "127.0.0.1"}
	if o := c.add(nil, local).OK(t); strings.Contains(o.Stderr, says) {
		t.Errorf("a port of 127.0.0.1 needs no forwarding: %s", o.Stderr)
	}
}

// TestEveryStepFails: after a failed ADD the host is as it was.
func TestEveryStepFails(t *testing.T) {
	b := newBridge(t, "cni0", "10.88.1.1/24", "fd00:88:1::1/64")
	eachBackend(t, "", func(t *testing.T, backend string) {
		settleBackend(t, b, backend)
		c := b.in(t).newContainer()
		config := c.config(map[string]any{"backend": backend, "conditionsV4": []string{"-s", "10.0.0.0/8"}},
			web, Mapping{HostPort: 53, ContainerPort: 53, Protocol: "udp", HostIP: "2001:db8::1"})
		steps := chaintest.FailEachStep(t, plugin, c.call("ADD", config), nil,
			func(t *testing.T) string { return hostState(t) })
		c.del().OK(t) // of the call that went past the last step
		if steps != 4 {
			t.Errorf("%d steps", steps)
		}
	})
}

// TestLoopbackIsPutBack: route_localnet and the route to ::1 are there from the first user to the last.
func TestLoopbackIsPutBack(t *testing.T) {
	b := newBridge(t, "cni0", "10.88.1.1/24", "fd00:88:1::1/64")
	for _, was := range []string{"0", "1"} {
		eachBackend(t, "was "+was, func(t *testing.T, backend string) {
			b := b.in(t)
			settleBackend(t, b, backend)
			keys := map[string]any{"backend": backend}
			setSysctl(t, "net/ipv4/conf/cni0/route_localnet", was)
			before := hostState(t)
			one, two := b.newContainer(), b.newContainer()
			open := func(want bool) {
				t.Helper()
				value, err := sysctlGet("net/ipv4/conf/cni0/route_localnet")
				must(t, err)
				route, err := hasLoopbackRoute("cni0")
				must(t, err)
				if (value == "1") != (want || was == "1") || route != want {
					t.Errorf("route_localnet is %s, route to ::1 is %v; want open %v", value, route, want)
				}
			}
			one.add(keys, web).OK(t)
			open(true)
			two.add(keys, Mapping{HostPort: 8081, ContainerPort: 80}).OK(t)
			one.del().OK(t)
			open(true)
			two.check(keys, Mapping{HostPort: 8081, ContainerPort: 80}).OK(t)
			two.del().OK(t)
			open(false)
			if diff := cmp.Diff(before, hostState(t)); diff != "" {
				t.Errorf("left behind:\n%s", diff)
			}
		})
	}
}

// TestNeighboursStayOutOfLoopback: with route_localnet on, a container could send to what listens on the host's
// 127.0.0.1.
func TestNeighboursStayOutOfLoopback(t *testing.T) {
	w := newWorld(t)
	victim, err := net.ListenPacket("udp4", "127.0.0.1:7777")
	must(t, err)
	defer victim.Close()
	// A container that wants to may route 127/8 to the host.
	must(t, w.neighbour.Do(func() error {
		command(t, "ip", "route", "flush", "root", "127.0.0.0/8", "table", "local")
		command(t, "ip", "route", "add", "127.0.0.0/8", "via", w.server.bridge.v4.Addr().String(), "dev", "eth0")
		return nil
	}))
	arrives := func() bool {
		t.Helper()
		conn, err := w.neighbour.Dial(context.Background(), "udp4", "127.0.0.1:7777")
		must(t, err)
		defer conn.Close()
		_, err = conn.Write([]byte("x"))
		must(t, err)
		must(t, victim.SetReadDeadline(time.Now().Add(300*time.Millisecond)))
		_, _, err = victim.ReadFrom(make([]byte, 10))
		return err == nil
	}
	setSysctl(t, "net/ipv4/conf/cni0/route_localnet", "1")
	for _, backend := range backends(t) {
		if !arrives() {
			t.Fatal("with route_localnet alone nothing arrives: the test would prove nothing")
		}
		w.server.add(map[string]any{"backend": backend}, web).OK(t)
		if arrives() {
			t.Errorf("%s: a container reaches the host's 127.0.0.1", backend)
		}
		w.server.del().OK(t)
	}
}

// TestUDPFlowsFollow: packets of one flow go to the container that has the port now, before, during and after.
func TestUDPFlowsFollow(t *testing.T) {
	w := newWorld(t)
	_, stop, err := w.neighbour.Serve("udp", ":80")
	must(t, err)
	t.Cleanup(stop)
	for i, addr := range []netip.Addr{w.outside.HostV4, w.outside.HostV6} {
		eachBackend(t, fmt.Sprintf("IPv%d", 4+2*i), func(t *testing.T, backend string) {
			keys := map[string]any{"backend": backend}
			m := Mapping{HostPort: 5353, ContainerPort: 80, Protocol: "udp"}
			conn, err := w.outside.Dial(context.Background(), "udp", netip.AddrPortFrom(addr, 5353).String())
			must(t, err)
			defer conn.Close()
			ask := func(want *container) {
				t.Helper()
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				answer, err := testnet.AskOver(ctx, conn)
				if want == nil {
					if err == nil {
						t.Errorf("an answer from %s", answer.Server)
					}
					return
				}
				if err != nil || answer.Server != want.Name {
					t.Errorf("answer from %q, want %q: %v", answer.Server, want.Name, err)
				}
			}
			ask(nil)
			server, neighbour := w.server.in(t), w.neighbour.in(t)
			server.add(keys, m).OK(t)
			ask(w.server)
			server.del().OK(t)
			ask(nil)
			neighbour.add(keys, m).OK(t)
			ask(w.neighbour)
		})
	}
}

// TestListeners: a program that listens on the port is noticed, on all addresses or on the one that is mapped.
func TestListeners(t *testing.T) {
	b := newBridge(t, "cni0", "10.88.1.1/24", "fd00:88:1::1/64")
	host := testnet.HostNS(t)
	tests := []struct {
		network, listen string
		mapping         Mapping
		noticed         bool
	}{
		{"tcp4", "0.0.0.0:8080", web, true},
		{"tcp4", "127.0.0.1:8080", web, true},
		{"tcp", ":8080", web, true},
		{"tcp6", "[::1]:8080", web, true},
		{"tcp4", "10.88.1.1:8080", Mapping{HostPort: 8080, ContainerPort: 80, HostIP: "10.88.1.1"}, true},
		{"tcp4", "10.88.1.1:8080", Mapping{HostPort: 8080, ContainerPort: 80, HostIP: "127.0.0.1"}, false},
		{"tcp4", "0.0.0.0:8080", Mapping{HostPort: 8080, ContainerPort: 80, HostIP: "10.88.1.1"}, true},
		{"tcp4", "0.0.0.0:8081", web, false},
		{"udp4", "0.0.0.0:8080", web, false},
		{"udp4", "0.0.0.0:8080", Mapping{HostPort: 8080, ContainerPort: 80, Protocol: "UDP"}, true},
		{"udp6", "[fd00:88:1::1]:8080", Mapping{HostPort: 8080, ContainerPort: 80, Protocol: "udp",
			HostIP: "fd00:88:1::1"}, true},
		{"tcp4", "10.88.1.1:8080", Mapping{HostPort: 8000, ContainerPort: 80, Range: 100}, true},
		{"udp", ":8080", Mapping{HostPort: 8000, ContainerPort: 80, Range: 100, Protocol: "udp"}, true},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s %s, %s", tt.network, tt.listen, text(tt.mapping)), func(t *testing.T) {
			_, stop, err := host.Serve(tt.network, tt.listen)
			must(t, err)
			defer stop()
			c := b.in(t).newContainer()
			refused := c.add(map[string]any{"listeners": "refuse"}, tt.mapping)
			warned := c.add(map[string]any{"listeners": "warn"}, tt.mapping).OK(t)
			ignored := c.add(map[string]any{"listeners": "ignore"}, tt.mapping).OK(t)
			const says = "listens on a mapped port"
			if (refused.Err != nil) != tt.noticed || strings.Contains(warned.Stderr, says) != tt.noticed {
				t.Errorf("noticed is not %v: %v, %s", tt.noticed, refused.Err, warned.Stderr)
			}
			if tt.noticed {
				refused.Fails(t, codeListening, "8080", "listeners")
			}
			if strings.Contains(ignored.Stderr, says) {
				t.Errorf("not ignored: %s", ignored.Stderr)
			}
		})
	}
}
