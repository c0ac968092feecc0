// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cni-chain/cni-chain/chain/chaintest"
)

const dualPool = `"isDefaultGateway": true, "ipMasq": true, "ipam": {"type": "ip-pool",
	"ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00:1::/64"}]]}`

func TestAddCheckDel(t *testing.T) {
	w := newWorld(t)
	before := w.snapshot()
	result, text := w.add(dualPool)
	if len(result.IPs) != 2 || *result.IPs[0].Interface != 2 || result.Interfaces[2].Mac != containerMAC ||
		result.Interfaces[2].Mtu != 1500 {
		t.Errorf("result: %s", text)
	}
	addresses := w.ip("-o", "addr", "show", "dev", "eth0")
	for _, want := range []string{"inet 10.1.0.2/24 brd 10.1.0.255", "inet6 fd00:1::2/64 scope global"} {
		if !strings.Contains(addresses, want) {
			t.Errorf("%q is missing in\n%s", want, addresses)
		}
	}
	if strings.Contains(addresses, "fd00:1::2/64 scope global tentative") {
		t.Errorf("duplicate address detection was not left out:\n%s", addresses)
	}
	if routes := w.ip("route"); !strings.Contains(routes, "default via 10.1.0.1 dev eth0") {
		t.Errorf("routes:\n%s", routes)
	}
	if routes := w.ip("-6", "route"); !strings.Contains(routes, "default via fd00:1::1 dev eth0") {
		t.Errorf("routes:\n%s", routes)
	}
	w.run("CHECK", dualPool, text).OK(t)
	w.run("DEL", dualPool, text).OK(t)
	w.same(before, network...)
	w.run("DEL", dualPool, text).OK(t)
	w.run("CHECK", dualPool, text).Fails(t, codeCheck, "10.1.0.2/24 is missing", "default of IPv6", "masquerade of 10.1.0.2", "holds no address")
}

func TestFailEachStep(t *testing.T) {
	for name, conf := range map[string]string{
		"dual stack": dualPool,
		"iptables":   strings.Replace(dualPool, `"ipMasq"`, `"ipMasqBackend": "iptables", "ipMasq"`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			steps := chaintest.FailEachStep(t, plugin, w.call("ADD", conf, w.prev()), nil, func(*testing.T) string {
				return w.snapshot().String()
			})
			t.Logf("%d steps", steps)
		})
	}
}

// TestAddTwice: a live attachment is not touched by a second ADD, and keeps its lease.
func TestAddTwice(t *testing.T) {
	w := newWorld(t)
	_, text := w.add(dualPool)
	before := w.snapshot()
	w.run("ADD", dualPool, w.prev()).Fails(t, codeExists, "10.1.0.2/24", "DEL it before")
	if diff := cmp.Diff(before.String(), w.snapshot().String()); diff != "" {
		t.Errorf("the second ADD changed (-before +after):\n%s", diff)
	}
	w.run("CHECK", dualPool, text).OK(t)
	w.run("DEL", dualPool, text).OK(t)
}
