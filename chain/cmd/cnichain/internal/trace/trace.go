// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Package trace tells what each link of a chain changed on the host and in the container, and where the time went: as
// text, and as a page for a browser. It looks at the machine between the links, from outside, so it works with any
// plugin; what somebody else changes at the same time, it takes for the link's.
package trace

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/account"
	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/run"
	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/topology"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// Trace is the account of a verb with what it changed, and the document of "trace -o json". Its keys are an interface:
// they are added to, not changed.
type Trace struct {
	*run.Record
	// Effects are those of Calls and then of Cleanup, one for each.
	Effects []Effect `json:"effects"`
	// Problems say what could not be looked at.
	Problems []string `json:"problems,omitempty"`

	before, after *topology.Topology
}

// Effect is what one call changed.
type Effect struct {
	Link    int      `json:"link"`
	Changes []Change `json:"changes,omitempty"`
}

// Watcher takes a snapshot before the first link and after each.
type Watcher struct {
	// Files are further directories and files to look at.
	Files []string

	trace *Trace
	scope testnet.Scope
	last  *testnet.Snapshot
	rules []savedRule
}

var _ run.Watcher = (*Watcher)(nil)

// trees are where plugins keep files: ours, the directories of "ip netns", and upstream's.
var trees = []string{"/run/cni-chain", "/etc/netns", "/var/lib/cni"}

// Before is called by package run.
func (w *Watcher) Before(r *run.Record) {
	w.trace = &Trace{}
	w.scope = testnet.Scope{Trees: append(append([]string{}, trees...), w.Files...)}
	if r.NetNS != "" {
		if file := resolvConf(r.NetNS); file != "" {
			w.scope.Trees = append(w.scope.Trees, file)
		}
		// A namespace that is gone, as on a DEL, has nothing to look at.
		if ns, err := testnet.Open(account.Namespace(r.NetNS), r.NetNS); err == nil {
			w.scope.Namespaces = []*testnet.NS{ns}
		}
	}
	w.last, w.rules = w.snap(), saved()
	w.trace.before = w.look()
}

// resolvConf is the file of a process' root directory, for a namespace in the form /proc/PID/ns/net.
func resolvConf(netns string) string {
	parts := strings.Split(netns, "/")
	if len(parts) != 5 || parts[1] != "proc" || parts[3] != "ns" {
		return ""
	}
	if _, err := strconv.Atoi(parts[2]); err != nil {
		return ""
	}
	return "/proc/" + parts[2] + "/root/etc/resolv.conf"
}

// After is called by package run.
func (w *Watcher) After(c *run.Call) {
	effect := Effect{Link: c.Link}
	if now := w.snap(); now != nil && w.last != nil {
		rules := saved()
		effect.Changes = inWords(Describe(testnet.Changes(w.last, now)), compareSaved(w.rules, rules))
		w.last, w.rules = now, rules
	}
	w.trace.Effects = append(w.trace.Effects, effect)
}

// Finish makes the trace of the record. A verb that has run no plugin has no effects.
func (w *Watcher) Finish(r *run.Record) *Trace {
	if w.trace == nil {
		w.Before(r)
	}
	w.trace.Record = r
	w.trace.after = w.look()
	for _, ns := range w.scope.Namespaces {
		_ = ns.Close() // the namespace is somebody else's; only our handle goes
	}
	return w.trace
}

func (w *Watcher) snap() *testnet.Snapshot {
	snapshot, err := testnet.Snap(w.scope)
	if err != nil {
		w.problem(err)
		return nil
	}
	return snapshot
}

func (w *Watcher) look() *topology.Topology {
	t, err := topology.ReadAll()
	if err != nil {
		w.problem(err)
		return nil
	}
	return t
}

func (w *Watcher) problem(err error) {
	text := fmt.Sprintf("some of this host could not be looked at: %v", err)
	for _, p := range w.trace.Problems {
		if p == text {
			return
		}
	}
	w.trace.Problems = append(w.trace.Problems, text)
}

// effect is what a call changed.
func (t *Trace) effect(index int) Effect {
	if index < len(t.Effects) {
		return t.Effects[index]
	}
	return Effect{}
}
