// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package chaintest

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cni-chain/cni-chain/chain/internal/fault"
)

// FailEachStep makes the call again and again, each time with another of its steps ([chain.Request.Do]) failed: once
// before the step takes effect and once after. Each time the call must fail and the world, as the function shows it,
// must be what it was before. It returns the number of steps, which is never 0. setup, which may be nil, runs before
// each call, and the world is looked at after it.
func FailEachStep(t *testing.T, link Link, call Call, setup func(*testing.T), world func(*testing.T) string) int {
	t.Helper()
	for n := 1; ; n++ {
		for _, after := range []bool{false, true} {
			plan := &fault.Plan{Step: n, After: after}
			name := fmt.Sprintf("step %d fails before it took effect", n)
			if after {
				name = fmt.Sprintf("step %d fails after it took effect", n)
			}
			t.Run(name, func(t *testing.T) { failOnce(t, link, call, plan, setup, world) })
			if !plan.Reached {
				if n == 1 {
					t.Fatal("the call makes no step")
				}
				return n - 1
			}
		}
	}
}

// failOnce makes one call under the plan. Where the plan's step does not come any more, the call is beyond the last
// one and is not looked at.
func failOnce(t *testing.T, link Link, call Call, plan *fault.Plan, setup func(*testing.T),
	world func(*testing.T) string,
) {
	if setup != nil {
		setup(t)
	}
	before := world(t)
	o := RunContext(fault.With(t.Context(), plan), t, link, call)
	if !plan.Reached {
		return
	}
	if o.Exit == 0 {
		t.Errorf("the call succeeds although a step of it failed")
	}
	if diff := cmp.Diff(before, world(t)); diff != "" {
		t.Errorf("left behind (-before +after):\n%s", diff)
	}
}
