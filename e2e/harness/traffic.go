// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"testing"

	"github.com/cni-chain/cni-chain/shared/testnet"
)

// The ports of the tests: a server in every container and on every machine beside the host listens on Service, TCP and
// UDP, and the container's is mapped to the host's Published.
const (
	Service   = 7000
	Published = 8080
)

// PublishedPorts is Published as a runtime passes it, TCP and UDP.
var PublishedPorts = []Port{
	{HostPort: Published, ContainerPort: Service, Protocol: "tcp"},
	{HostPort: Published, ContainerPort: Service, Protocol: "udp"},
}

// Flow is one way that traffic takes: who asks whom, over what, and who must answer.
type Flow struct {
	Name   string
	From   *testnet.NS
	Proto  string // tcp or udp
	To     netip.AddrPort
	Server string // the namespace that answers
	// Source is who the server must believe to talk to; not looked at where it is the zero Addr.
	Source netip.Addr
}

// Run sends it and says what was wrong.
func (f Flow) Run() error {
	answer, err := f.From.Ask(context.Background(), f.Proto, f.To.String())
	switch {
	case err != nil:
		return err
	case answer.Server != f.Server:
		return fmt.Errorf("%s answers, want %s", answer.Server, f.Server)
	case f.Source.IsValid() && answer.Source.Addr() != f.Source:
		return fmt.Errorf("%s sees %s, want %s", f.Server, answer.Source.Addr(), f.Source)
	}
	return nil
}

// Try runs flows as subtests.
func Try(t *testing.T, flows []Flow) {
	t.Helper()
	for _, f := range flows {
		t.Run(f.Name+" "+f.Proto, func(t *testing.T) {
			if err := f.Run(); err != nil {
				t.Error(err)
			}
		})
	}
}

// Serve starts the servers of a namespace, until the test ends.
func Serve(t testing.TB, namespaces ...*testnet.NS) {
	t.Helper()
	for _, ns := range namespaces {
		for _, proto := range []string{"tcp", "udp"} {
			ns.StartServer(t, proto, ":"+strconv.Itoa(Service))
		}
	}
}

// both is the flow over TCP and over UDP.
func both(f Flow) []Flow {
	tcp, udp := f, f
	tcp.Proto, udp.Proto = "tcp", "udp"
	return []Flow{tcp, udp}
}

// Neighbours is the traffic between two containers, both ways, with nothing translated.
func Neighbours(a, b *Attachment) (flows []Flow) {
	for _, from := range a.Addresses() {
		for _, to := range b.Addresses() {
			if from.family() != to.family() {
				continue
			}
			name := from.family() + " %s to %s"
			flows = append(flows, both(Flow{
				Name: fmt.Sprintf(name, "a", "b"), From: a.NS, To: at(to.Addr(), Service), Server: b.NS.Name, Source: from.Addr(),
			})...)
			flows = append(flows, both(Flow{
				Name: fmt.Sprintf(name, "b", "a"), From: b.NS, To: at(from.Addr(), Service), Server: a.NS.Name, Source: to.Addr(),
			})...)
		}
	}
	return flows
}

// Around is the traffic of a container with the host and the network outside: by its address, and as the host where
// the chain masquerades. With a cable the machine at its end is outside, and the host has no part in it.
func (w *World) Around(a *Attachment) (flows []Flow) {
	for _, addr := range a.Addresses() {
		if !addr.Gateway.IsValid() {
			continue
		}
		add := func(name string, from *testnet.NS, to netip.Addr, server string, source netip.Addr) {
			flows = append(flows, both(Flow{
				Name: addr.family() + " " + name, From: from, To: at(to, Service), Server: server, Source: source,
			})...)
		}
		if w.LAN != nil {
			add("a to the network", a.NS, addr.Gateway, w.LAN.Name, addr.Addr())
			add("the network to a", w.LAN, addr.Addr(), a.NS.Name, addr.Gateway)
			continue
		}
		seen, outside := addr.Addr(), w.outside(addr.family())
		if a.Net.On("ipMasq") {
			seen = w.host(addr.family())
		}
		add("host to a", w.Host, addr.Addr(), a.NS.Name, netip.Addr{}) // whichever of its addresses it picks
		add("a to host", a.NS, addr.Gateway, w.Host.Name, addr.Addr())
		add("a to outside", a.NS, outside, w.Outside.Name, seen)
	}
	return flows
}

// Mapped is the traffic to a container's published port: from outside (which the container must see as such), from the
// host by its address and by localhost, from a neighbour and from the container itself.
func (w *World) Mapped(a, neighbour *Attachment) (flows []Flow) {
	for _, addr := range a.Addresses() {
		host := w.host(addr.family())
		add := func(name string, from *testnet.NS, to netip.Addr, source netip.Addr) {
			flows = append(flows, both(Flow{
				Name: addr.family() + " " + name, From: from, To: at(to, Published), Server: a.NS.Name, Source: source,
			})...)
		}
		add("outside to the port", w.Outside.NS, host, w.outside(addr.family()))
		add("host to the port", w.Host, host, netip.Addr{})
		if addr.Addr().Is4() || !a.Net.Has("portmap") && !bridgeNetfilter6() {
			// ::1 is not mapped by upstream's portmap. With br_netfilter nobody can: the answer, translated back while it is
			// still in the bridge, comes in from outside with a loopback source, and the kernel drops it (ip6_rcv_core).
			add("localhost to the port", w.Host, localhost(addr.family()), netip.Addr{})
		}
		add("a to its own port", a.NS, host, netip.Addr{})
		if neighbour != nil {
			add("a neighbour to the port", neighbour.NS, host, netip.Addr{})
			if addr.Gateway.IsValid() {
				add("a neighbour to the port at the gateway", neighbour.NS, addr.Gateway, netip.Addr{})
			}
		}
	}
	return flows
}

func bridgeNetfilter6() bool {
	data, err := os.ReadFile("/proc/sys/net/bridge/bridge-nf-call-ip6tables")
	return err == nil && string(data) == "1\n"
}

func at(addr netip.Addr, port uint16) netip.AddrPort { return netip.AddrPortFrom(addr, port) }

func (w *World) host(family string) netip.Addr {
	if family == "v4" {
		return w.Outside.HostV4
	}
	return w.Outside.HostV6
}

func (w *World) outside(family string) netip.Addr {
	if family == "v4" {
		return w.Outside.V4
	}
	return w.Outside.V6
}

func localhost(family string) netip.Addr {
	if family == "v4" {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.IPv6Loopback()
}
