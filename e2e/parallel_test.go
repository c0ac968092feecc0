// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"

	"github.com/cni-chain/cni-chain/e2e/harness"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// TestManyAtOnce: runtimes attach containers in parallel. Thirty come at once where nothing exists yet, and none gets
// another's address or port; they go at once, too, and leave nothing.
func TestManyAtOnce(t *testing.T) {
	const many = 30
	n := harness.Load(t, harness.Example("dual-stack"))
	w := harness.NewWorld(t, n)
	var all []*harness.Attachment
	for i := range many {
		a := n.Attach(testnet.NewNS(t), fmt.Sprintf("container-%d", i))
		harness.Serve(t, a.NS)
		all = append(all, a.With("portMappings", []harness.Port{
			{HostPort: harness.Published + i, ContainerPort: harness.Service, Protocol: "tcp"},
		}))
	}
	before := testnet.Take(t)
	each := func(what string, do func(*harness.Attachment) error) {
		var group sync.WaitGroup
		for _, a := range all {
			group.Go(func() {
				if err := do(a); err != nil {
					t.Errorf("%s %s: %v", what, a.Runtime.ContainerID, err)
				}
			})
		}
		group.Wait()
	}
	each("ADD", (*harness.Attachment).Add)
	if !t.Failed() {
		each("CHECK", (*harness.Attachment).Check)
		distinct(t, w, all)
	}
	each("DEL", (*harness.Attachment).Del)
	if left := harness.Left(n, testnet.Diff(before, testnet.Take(t))); left != "" {
		t.Errorf("the machine is not what it was:\n%s", left)
	}
}

// distinct: every container has addresses of its own, and answers at its own port.
func distinct(t *testing.T, w *harness.World, all []*harness.Attachment) {
	t.Helper()
	holder := map[netip.Addr]string{}
	for i, a := range all {
		for _, addr := range a.Addresses() {
			if other, taken := holder[addr.Addr()]; taken {
				t.Errorf("%s and %s both have %s", other, a.Runtime.ContainerID, addr.Addr())
			}
			holder[addr.Addr()] = a.Runtime.ContainerID
		}
		port := netip.AddrPortFrom(w.Outside.HostV4, uint16(harness.Published+i)).String()
		if answer := w.Outside.MustAsk(t, "tcp", port); answer.Server != a.NS.Name {
			t.Errorf("%s answers at %s, want %s", answer.Server, port, a.NS.Name)
		}
	}
}
