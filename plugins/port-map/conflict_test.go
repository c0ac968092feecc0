// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTakenPort: what another attachment has is refused with its name, and nothing changes.
func TestTakenPort(t *testing.T) {
	tests := []struct {
		name          string
		first, second Mapping
		conditions    []string // of the second
		taken         string   // "" is not taken
	}{
		{name: "same port", first: Mapping{HostPort: 80, ContainerPort: 80}, second: Mapping{HostPort: 80, ContainerPort: 81},
			taken: "tcp port 80 of all addresses"},
		{name: "other protocol", first: Mapping{HostPort: 80, ContainerPort: 80},
			second: Mapping{HostPort: 80, ContainerPort: 80, Protocol: "udp"}},
		{name: "overlapping ranges", first: Mapping{HostPort: 8000, ContainerPort: 80, Range: 100},
			second: Mapping{HostPort: 8099, ContainerPort: 80, Range: 100}, taken: "tcp port 8099 of all addresses"},
		{name: "adjacent ranges", first: Mapping{HostPort: 8000, ContainerPort: 80, Range: 100},
			second: Mapping{HostPort: 8100, ContainerPort: 80, Range: 100}},
		{name: "same address", first: Mapping{HostPort: 80, ContainerPort: 80, HostIP: "192.0.2.1"},
			second: Mapping{HostPort: 80, ContainerPort: 80, HostIP: "192.0.2.1"}, taken: "tcp port 80 of 192.0.2.1"},
		{name: "other address", first: Mapping{HostPort: 80, ContainerPort: 80, HostIP: "192.0.2.1"},
			second: Mapping{HostPort: 80, ContainerPort: 80, HostIP: "192.0.2.2"}},
		{name: "all addresses have it", first: Mapping{HostPort: 80, ContainerPort: 80},
			second: Mapping{HostPort: 80, ContainerPort: 80, HostIP: "192.0.2.1"}, taken: "tcp port 80 of all addresses"},
		{name: "one address has it", first: Mapping{HostPort: 8080, ContainerPort: 80, HostIP: "192.0.2.1"},
			second: Mapping{HostPort: 8000, ContainerPort: 80, Range: 100}, taken: "tcp port 8080 of 192.0.2.1"},
		{name: "one address of IPv6 has it", first: Mapping{HostPort: 8080, ContainerPort: 80, HostIP: "2001:db8::1"},
			second: Mapping{HostPort: 8080, ContainerPort: 80}, taken: "tcp port 8080 of 2001:db8::1"},
		{name: "other family", first: Mapping{HostPort: 80, ContainerPort: 80, HostIP: "0.0.0.0"},
			second: Mapping{HostPort: 80, ContainerPort: 80, HostIP: "::"}},
		{name: "other conditions", first: Mapping{HostPort: 80, ContainerPort: 80},
			second: Mapping{HostPort: 80, ContainerPort: 80, HostIP: "0.0.0.0"}, conditions: []string{"-s", "192.0.2.0/24"}},
	}
	for _, tt := range tests {
		eachBackend(t, tt.name, func(t *testing.T, backend string) {
			b := newBridge(t, "cni0", "10.88.1.1/24", "fd00:88:1::1/64")
			one, two := b.newContainer(), b.newContainer()
			first := map[string]any{"backend": backend}
			one.add(first, tt.first).OK(t)
			before := hostState(t)
			keys := map[string]any{"backend": backend, "conditionsV4": tt.conditions}
			o := two.add(keys, tt.second)
			if tt.taken == "" {
				o.OK(t)
				two.check(keys, tt.second).OK(t)
				one.check(first, tt.first).OK(t)
				return
			}
			o.Fails(t, codeTaken, tt.taken, "eth0 of container "+one.id+" on network cni0")
			if diff := cmp.Diff(before, hostState(t)); diff != "" {
				t.Errorf("the refusal has changed the host:\n%s", diff)
			}
		})
	}
}

// TestTakeOver: an attachment whose namespace is gone loses all it has to the next who wants any of it.
func TestTakeOver(t *testing.T) {
	for _, tt := range []struct {
		name          string
		first, second Mapping
	}{
		{"same port", Mapping{HostPort: 80, ContainerPort: 80}, Mapping{HostPort: 80, ContainerPort: 81}},
		{"one address", Mapping{HostPort: 80, ContainerPort: 80, HostIP: "192.0.2.1"},
			Mapping{HostPort: 80, ContainerPort: 80}},
		{"all addresses", Mapping{HostPort: 80, ContainerPort: 80},
			Mapping{HostPort: 80, ContainerPort: 80, HostIP: "192.0.2.1"}},
	} {
		eachBackend(t, tt.name, func(t *testing.T, backend string) {
			b := newBridge(t, "cni0", "10.88.1.1/24", "fd00:88:1::1/64")
			dead, heir := b.newContainer(), b.newContainer()
			keys := map[string]any{"backend": backend}
			dead.add(keys, tt.first, Mapping{HostPort: 443, ContainerPort: 443}).OK(t)
			must(t, dead.Close())
			o := heir.add(keys, tt.second).OK(t)
			if !strings.Contains(o.Stderr, "network namespace is gone") || !strings.Contains(o.Stderr, dead.id) {
				t.Errorf("the log does not say what was taken over from whom: %s", o.Stderr)
			}
			if rules := ruleset(t); strings.Contains(rules, dead.id) {
				t.Errorf("something of the dead attachment is left:\n%s", rules)
			}
			heir.check(keys, tt.second).OK(t)
		})
	}
}

// TestAddressOfADeadContainer: the next container with the same address takes over, although it maps another port.
func TestAddressOfADeadContainer(t *testing.T) {
	b := newBridge(t, "cni0", "10.88.1.1/24", "fd00:88:1::1/64")
	dead := b.newContainer()
	dead.add(nil, Mapping{HostPort: 80, ContainerPort: 80}).OK(t)
	must(t, dead.Close())
	b.next4, b.next6 = b.v4.Addr(), b.v6.Addr()
	heir := b.newContainer()
	heir.add(nil, Mapping{HostPort: 81, ContainerPort: 80}).OK(t)
	if rules := ruleset(t); strings.Contains(rules, dead.id) {
		t.Errorf("something of the dead attachment is left:\n%s", rules)
	}
	heir.check(nil, Mapping{HostPort: 81, ContainerPort: 80}).OK(t)
}

// TestAddressOfALivingContainer: two attachments cannot have one address.
func TestAddressOfALivingContainer(t *testing.T) {
	b := newBridge(t, "cni0", "10.88.1.1/24", "fd00:88:1::1/64")
	one := b.newContainer()
	one.add(nil, Mapping{HostPort: 80, ContainerPort: 80}).OK(t)
	two := b.newContainer()
	two.v4 = one.v4
	two.add(nil, Mapping{HostPort: 81, ContainerPort: 80}).Fails(t, codeAddress, one.id, "10.88.1.2")
	one.check(nil, Mapping{HostPort: 80, ContainerPort: 80}).OK(t)
}

// TestAddAgain: what a killed ADD has left, or one that is made again, is replaced.
func TestAddAgain(t *testing.T) {
	eachBackend(t, "", func(t *testing.T, backend string) {
		b := newBridge(t, "cni0", "10.88.1.1/24", "fd00:88:1::1/64")
		settleBackend(t, b, backend)
		before := hostState(t)
		c := b.newContainer()
		keys := map[string]any{"backend": backend}
		c.add(keys, Mapping{HostPort: 80, ContainerPort: 80, Range: 3}).OK(t)
		want := hostState(t)
		c.add(keys, Mapping{HostPort: 80, ContainerPort: 80, Range: 3}).OK(t)
		if diff := cmp.Diff(want, hostState(t)); diff != "" {
			t.Errorf("the same ADD again (-first +second):\n%s", diff)
		}
		keys["conditionsV4"] = []string{"-s", "10.0.0.0/8"}
		c.add(keys, Mapping{HostPort: 81, ContainerPort: 80}, Mapping{HostPort: 82, ContainerPort: 80, HostIP: "192.0.2.1"}).
			OK(t)
		if rules := ruleset(t); strings.Contains(rules, "tcp . 80 ") || strings.Contains(rules, "80:82") {
			t.Errorf("something of the first ADD is left:\n%s", rules)
		}
		c.del().OK(t)
		if diff := cmp.Diff(before, hostState(t)); diff != "" {
			t.Errorf("left behind:\n%s", diff)
		}
	})
}

// TestTwoNetworks: the same container on two networks has two attachments, and DEL of one leaves the other alone.
func TestTwoNetworks(t *testing.T) {
	eachBackend(t, "", func(t *testing.T, backend string) {
		one := newBridge(t, "cni0", "10.88.1.1/24", "fd00:88:1::1/64")
		two := newBridge(t, "cni1", "10.88.2.1/24", "fd00:88:2::1/64")
		a, b := one.newContainer(), two.newContainer()
		b.id = a.id
		keys := map[string]any{"backend": backend}
		a.add(keys, Mapping{HostPort: 80, ContainerPort: 80}).OK(t)
		b.add(keys, Mapping{HostPort: 81, ContainerPort: 80}).OK(t)
		a.check(keys, Mapping{HostPort: 80, ContainerPort: 80}).OK(t)
		b.del().OK(t)
		a.check(keys, Mapping{HostPort: 80, ContainerPort: 80}).OK(t)
	})
}
