// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"fmt"
	"slices"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/run"
)

// bar is a link, or a step of it, in the waterfall.
type bar struct {
	name     string
	link     int
	step     bool
	failed   bool
	at, took run.Duration
}

func (b bar) end() run.Duration { return b.at + b.took }

// bars are all of a trace, in the order in which they began.
func bars(t *Trace) []bar {
	var all []bar
	for i, c := range slices.Concat(t.Calls, t.Cleanup) {
		name := fmt.Sprintf("%2d %s", c.Link+1, c.Type)
		if i >= len(t.Calls) {
			name += " DEL"
		}
		all = append(all, bar{name: name, link: c.Link, failed: c.Error != nil, at: c.At, took: c.Took})
		for _, s := range c.Steps {
			if s.At != nil && s.Took != nil {
				all = append(all, bar{s.What, c.Link, true, s.Err != "", c.At + *s.At, *s.Took})
			}
		}
	}
	return all
}
