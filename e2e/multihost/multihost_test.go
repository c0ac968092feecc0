// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package multihost

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/containernetworking/cni/pkg/types"

	"github.com/cni-chain/cni-chain/e2e/harness"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// published is the host port of a container, as a runtime passes it.
var published = harness.Port{HostPort: harness.Published, ContainerPort: harness.Service, Protocol: "tcp"}

// inhabited starts flanneld on the hosts, with two containers on each: a client, and a server whose port is mapped. One
// after the other, as two that start at once may draw the same range of one family.
func (s *site) inhabited(t *testing.T) (clients, servers []*harness.Attachment) {
	t.Helper()
	for _, h := range s.hosts {
		h.startFlanneld(t)
		h.ready(t)
	}
	s.joined(t)
	for _, h := range s.hosts {
		clients = append(clients, h.runContainer(t, "client-"+h.name))
		servers = append(servers, h.runContainer(t, "server-"+h.name, published))
	}
	return clients, servers
}

// joined waits until every host has heard of every other's ranges.
func (s *site) joined(t *testing.T) {
	t.Helper()
	for _, h := range s.hosts {
		for _, other := range s.hosts {
			for _, subnet := range other.subnets(t) {
				if h == other {
					continue
				}
				eventually(t, h.name+" has a route to "+other.name, func() error { return h.routes(subnet) })
			}
		}
	}
}

// TestThreeHosts: containers of every host reach those of every host, and their mapped ports at their hosts; the last
// host masquerades by the chain, the others by flanneld.
func TestThreeHosts(t *testing.T) {
	s := newSite(t, "a", "b", "c")
	s.hosts[2].chainMasquerades(t)
	notReady(t, s.hosts[0])
	clients, servers := s.inhabited(t)
	for i, from := range s.hosts {
		for j, to := range s.hosts {
			for family := range 2 {
				t.Run(from.name+" to "+to.name+" over IPv"+strconv.Itoa(4+2*family), func(t *testing.T) {
					mtu := cable
					if i != j {
						mtu = tunnel(t, from)
					}
					s.reaches(t, from, to, clients[i], servers[j], family, mtu)
				})
			}
		}
	}
	t.Run("outside", func(t *testing.T) { s.outside(t, clients, servers) })
	for i, h := range s.hosts {
		must(t, "DEL", errors.Join(clients[i].Del(), servers[i].Del()))
		h.clean(t)
	}
}

// tunnel is the MTU that flanneld tells.
func tunnel(t *testing.T, h *host) int {
	t.Helper()
	mtu, err := strconv.Atoi(h.env(t, "FLANNEL_MTU"))
	must(t, "FLANNEL_MTU", err)
	return mtu
}

// reaches is every kind of traffic from a container on one host to one on another, in one family.
func (s *site) reaches(t *testing.T, from, to *host, a, b *harness.Attachment, family, mtu int) {
	t.Helper()
	source, target := addresses(a)[family], addresses(b)[family]
	hosts := []netip.Addr{to.v4, to.v6}
	// The other host sees the first's address: what leaves the network of containers is masqueraded.
	seen := []netip.Addr{from.v4, from.v6}[family]
	if from == to {
		seen = netip.Addr{}
	}
	errs := []error{
		ping(a.NS, target),
		ask(a.NS, netip.AddrPortFrom(target, harness.Service), b.NS.Name, source),
		big(a.NS, target, mtu),
		ask(a.NS, netip.AddrPortFrom(hosts[family], harness.Published), b.NS.Name, seen),
	}
	for i, err := range errs {
		if err != nil {
			t.Errorf("%s: %v", kinds[i], err)
		}
	}
	reach.add(from.name, to.name, "IPv"+strconv.Itoa(4+2*family), errs...)
}

// outside: a machine that has no part in the network gets answers from mapped ports, and is seen there as itself;
// containers that call it are seen as their hosts.
func (s *site) outside(t *testing.T, clients, servers []*harness.Attachment) {
	port := s.lan.StartServer(t, "tcp", ":0")
	for i, h := range s.hosts {
		for family, at := range []netip.Addr{h.v4, h.v6} {
			lan := []netip.Addr{lanV4.Addr(), lanV6.Addr()}[family]
			for name, err := range map[string]error{
				"to the mapped port": ask(s.lan, netip.AddrPortFrom(at, harness.Published), servers[i].NS.Name, lan),
				"from a container":   ask(clients[i].NS, netip.AddrPortFrom(lan, port), s.lan.Name, at),
			} {
				if err != nil {
					t.Errorf("outside, %s of %s: %v", name, h.name, err)
				}
			}
		}
	}
}

// notReady: before flanneld has a range, the host says so to its runtime, and an ADD leaves nothing.
func notReady(t *testing.T, h *host) {
	t.Helper()
	if !h.missing() {
		t.Fatalf("%s has %s already", h.name, subnetEnv)
	}
	const notAvailable, tryAgain = 50, 11
	early := h.net.Attach(testnet.NewContainer(t, "").NS, "early")
	for _, c := range []struct {
		what string
		err  error
		code uint
	}{{"STATUS", h.net.Status(), notAvailable}, {"ADD", early.Add(), tryAgain}} {
		var said *types.Error
		if !errors.As(c.err, &said) || said.Code != c.code || !strings.Contains(said.Msg, subnetEnv) {
			t.Errorf("%s before flanneld: %v, want code %d and the file", c.what, c.err, c.code)
		}
	}
	must(t, "DEL", early.Del())
	h.clean(t)
}

// TestFlanneldRestarts: nothing that lives notices whether flanneld runs, ends when asked or is killed, and new
// containers get their addresses all the while.
func TestFlanneldRestarts(t *testing.T) {
	s := newSite(t, "a", "b")
	clients, servers := s.inhabited(t)
	a := s.hosts[0]
	before := a.subnets(t)
	var lines []*line
	for family := range 2 {
		lines = append(lines, call(t, clients[0].NS, addresses(servers[1])[family]),
			call(t, clients[1].NS, addresses(servers[0])[family]))
	}
	hold := func(when string) {
		t.Helper()
		for _, l := range lines {
			l.holds(t, when)
		}
	}
	hold("before")
	a.flannel.stop(syscall.SIGTERM)
	hold("while flanneld is down")
	s.speaks(t, a.runContainer(t, "meanwhile"), servers[1])
	a.startFlanneld(t)
	a.ready(t)
	hold("after the restart")
	s.speaks(t, a.runContainer(t, "afterwards"), servers[1])
	a.restart(t, syscall.SIGKILL)
	hold("after a kill")
	s.speaks(t, a.runContainer(t, "after-a-kill"), servers[1])
	if after := a.subnets(t); after[0] != before[0] || after[1] != before[1] {
		t.Errorf("the ranges were %v and are %v", before, after)
	}
}

// speaks: the first container reaches the second, in each family.
func (s *site) speaks(t *testing.T, a, b *harness.Attachment) {
	t.Helper()
	for family, source := range addresses(a) {
		target := addresses(b)[family]
		if err := ask(a.NS, netip.AddrPortFrom(target, harness.Service), b.NS.Name, source); err != nil {
			t.Errorf("%s to %s: %v", a.NS.Name, b.NS.Name, err)
		}
	}
}

// TestRangeRenewed: the range of a host is changed in etcd under its containers. New ones are of the new range and
// reach everybody; one of the old range still reaches its own host's and the world, and is deleted as ever.
func TestRangeRenewed(t *testing.T) {
	s := newSite(t, "a", "b")
	s.hosts[0].chainMasquerades(t)
	clients, servers := s.inhabited(t)
	a := s.hosts[0]
	before := a.subnets(t)
	s.configure(t, otherHalf)
	a.restart(t, syscall.SIGTERM)
	after := a.subnets(t)
	if after[0].Overlaps(before[0]) {
		t.Fatalf("%s still has %v", a.name, after)
	}
	must(t, "STATUS", a.net.Status())
	fresh := a.runContainer(t, "fresh")
	if got := addresses(fresh)[0]; !after[0].Contains(got) {
		t.Errorf("the new container has %s, not of %s", got, after[0])
	}
	s.joined(t)
	s.speaks(t, fresh, servers[1])
	s.speaks(t, servers[1], fresh)
	s.speaks(t, fresh, servers[0])
	s.speaks(t, servers[0], fresh)
	port := s.lan.StartServer(t, "tcp", ":0")
	must(t, "the old container calls the world",
		ask(clients[0].NS, netip.AddrPortFrom(lanV4.Addr(), port), s.lan.Name, a.v4))
	must(t, "the world calls the old container's port",
		ask(s.lan, netip.AddrPortFrom(a.v4, harness.Published), servers[0].NS.Name, lanV4.Addr()))
	must(t, "CHECK of an old container", clients[0].Check())
	must(t, "DEL of the old containers", errors.Join(clients[0].Del(), servers[0].Del()))
	s.speaks(t, fresh, servers[1])
	must(t, "DEL of the new one", fresh.Del())
	a.clean(t)
}
