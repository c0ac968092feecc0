// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/cni-chain/cni-chain/shared/owner"
)

// TestMasqueradeRaces: first and last attachments of two networks come and go at once. Each finds its own all the time,
// and after the last one nothing is left; there is no lock.
func TestMasqueradeRaces(t *testing.T) {
	for _, backend := range backends {
		t.Run(backend, func(t *testing.T) {
			w := newWorld(t)
			const workers, rounds = 6, 8
			var all sync.WaitGroup
			for i := range workers {
				all.Go(func() {
					o := owner.Owner{Network: fmt.Sprintf("net%d", i%2), ContainerID: fmt.Sprintf("c%d", i), IfName: "eth0"}
					for range rounds {
						if err := cycle(t, backend, o, i); err != nil {
							t.Errorf("%s: %v", o, err)
							return
						}
					}
				})
			}
			all.Wait()
			if got := w.host("nft", "list", "ruleset"); strings.Contains(got, "cni-chain") || strings.Contains(got, "MASQ") {
				t.Errorf("left:\n%s", got)
			}
		})
	}
}

// cycle adds, checks and removes one attachment's masquerade, with a socket of its own each time, as processes have.
func cycle(t *testing.T, backend string, o owner.Owner, i int) error {
	addresses := prefixes(fmt.Sprintf("10.1.0.%d/24", 10+i), fmt.Sprintf("fd00:1::%d/64", 10+i))
	for _, step := range []func(masquerader) error{
		func(m masquerader) error { return m.add(t.Context(), addresses) },
		func(m masquerader) error { return m.check(t.Context(), addresses) },
		func(m masquerader) error { return m.remove(t.Context()) },
	} {
		var m masquerader = &nftMasq{owner: o}
		if backend == backendIPTables {
			m = &iptablesMasq{owner: o, masq: Masq{true, true}}
		}
		if err := step(m); err != nil {
			return err
		}
		if err := m.close(); err != nil {
			return err
		}
	}
	return nil
}
