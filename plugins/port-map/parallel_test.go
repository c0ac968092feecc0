// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cni-chain/cni-chain/chain/chaintest"
)

// TestAtOnce: of many attachments that want one port at the same time, exactly one gets it.
func TestAtOnce(t *testing.T) {
	const many = 16
	eachBackend(t, "", func(t *testing.T, backend string) {
		b := newBridge(t, "cni0", "10.88.1.1/24", "fd00:88:1::1/64")
		settleBackend(t, b, backend)
		before := hostState(t)
		var containers []*container
		for range many {
			containers = append(containers, b.newContainer())
		}
		keys := map[string]any{"backend": backend}
		// Each its own port, all of them together; then all the same one; then away with them.
		each(containers, func(i int, c *container) {
			chaintest.Run(t, plugin, c.call("ADD", c.config(keys, Mapping{HostPort: 8000 + i, ContainerPort: 80})))
		})
		for i, c := range containers {
			c.check(keys, Mapping{HostPort: 8000 + i, ContainerPort: 80}).OK(t)
		}
		each(containers, func(_ int, c *container) { c.del() })
		got := make([]int, many)
		each(containers, func(i int, c *container) {
			o := chaintest.Run(t, plugin, c.call("ADD", c.config(keys, web)))
			switch {
			case o.Err == nil:
				got[i] = 1
			case o.Err.Code != codeTaken:
				t.Errorf("code %d: %s", o.Err.Code, o.Err.Msg)
			}
		})
		sum := 0
		for _, n := range got {
			sum += n
		}
		if sum != 1 {
			t.Errorf("%d attachments have the port", sum)
		}
		each(containers, func(_ int, c *container) { c.del() })
		if diff := cmp.Diff(before, hostState(t)); diff != "" {
			t.Errorf("left behind:\n%s", diff)
		}
	})
}

// each runs f for all at the same time.
func each(containers []*container, f func(i int, c *container)) {
	var all sync.WaitGroup
	for i, c := range containers {
		all.Go(func() { f(i, c) })
	}
	all.Wait()
}
