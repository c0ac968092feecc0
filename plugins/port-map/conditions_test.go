// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"testing"

	"github.com/cni-chain/cni-chain/shared/testnet"
)

// TestConditionsDecide: who passes the conditions gets the mapping, and networks with other conditions, or none, keep
// theirs.
func TestConditionsDecide(t *testing.T) {
	w := newWorld(t)
	second := testnet.NewOutside(t)
	_, stop, err := w.other.Serve("tcp", ":80")
	must(t, err)
	t.Cleanup(stop)
	eachBackend(t, "", func(t *testing.T, backend string) {
		server, other := w.server.in(t), w.other.in(t)
		from := func(condition string) map[string]any {
			return map[string]any{"backend": backend, "conditionsV4": []string{condition},
				"conditionsV6": []string{"ip6 saddr 2001:db8::/64"}}
		}
		server.add(from("-s "+w.outside.V4.String()), web).OK(t)
		other.add(from("ip saddr != "+w.outside.V4.String()), Mapping{HostPort: 8080, ContainerPort: 80, HostIP: "0.0.0.0"}).
			OK(t)
		for _, client := range []struct {
			*testnet.Outside
			want string
		}{{w.outside, w.server.Name}, {second, w.other.Name}} {
			answer, err := client.Ask(t.Context(), "tcp4", fmt.Sprintf("%s:8080", w.outside.HostV4))
			if err != nil || answer.Server != client.want {
				t.Errorf("from %s answers %q, want %q: %v", client.V4, answer.Server, client.want, err)
			}
		}
		answer, err := w.outside.Ask(t.Context(), "tcp6", fmt.Sprintf("[%s]:8080", w.outside.HostV6))
		if err != nil || answer.Server != w.server.Name {
			t.Errorf("over IPv6 answers %q: %v", answer.Server, err)
		}
		if got := w.ask(cell{"outside", v4, "tcp4"}, 8080); got != "ok" {
			t.Errorf("the source is not kept: %s", got)
		}
	})
}

// TestMasqueradeAllAndNone: what masqAll and snat say is done.
func TestMasqueradeAllAndNone(t *testing.T) {
	w := newWorld(t)
	setBridgeNF(t, "0")
	for _, tt := range []struct {
		name string
		keys map[string]any
		want map[string]string
	}{
		{"masqAll", map[string]any{"masqAll": true},
			map[string]string{"outside": "masq", "localhost": "masq", "itself": "masq", "neighbour": "masq", "network": "masq"}},
		{"no snat", map[string]any{"snat": false},
			map[string]string{"outside": "ok", "localhost": "-", "itself": "-", "neighbour": "-", "network": "ok"}},
	} {
		eachBackend(t, tt.name, func(t *testing.T, backend string) {
			tt.keys["backend"] = backend
			w.server.in(t).add(tt.keys, web).OK(t)
			for place, want := range tt.want {
				if got := w.ask(cell{place, v4, "tcp4"}, 8080); got != want {
					t.Errorf("from %s: %s, want %s", place, got, want)
				}
			}
		})
	}
}
