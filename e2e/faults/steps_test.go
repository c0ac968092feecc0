// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cni-chain/cni-chain/e2e/faults/ledger"
	"github.com/cni-chain/cni-chain/e2e/harness"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// counted is what a failed ADD may change all the same: how far the walk through a pool's addresses has come.
var counted = regexp.MustCompile(`^[+~] file /run/cni-chain(/pool(/[^/]+(/position)?)?)?: `)

// TestFailedSteps lets each step of each of our links fail, in every example, before and after it took effect. Without
// any DEL, the machine and the container are what they were before the link.
func TestFailedSteps(t *testing.T) {
	if _, err := os.Stat(harness.Bin("faults/ip-config")); err != nil {
		t.Fatal("bin/faults is not built: make build-faults")
	}
	r := run{open(t), chooser(3)}
	for _, file := range harness.Conflists(t) {
		name := strings.TrimSuffix(filepath.Base(file), ".conflist")
		t.Run(name, func(t *testing.T) {
			c := load(t, name)
			c.dirs = append([]string{harness.Bin("faults")}, c.dirs...)
			harness.NewWorld(t, c.net)
			for link, object := range c.net.Objects() {
				plugin := fmt.Sprint(object["type"])
				if !harness.Ours(plugin) {
					continue
				}
				t.Run(plugin, func(t *testing.T) { failSteps(t, scene{c, link, "ADD"}, r) })
			}
		})
	}
}

func failSteps(t *testing.T, s scene, r run) {
	for n := 1; ; n++ {
		for _, when := range []string{"", ":after"} {
			fault := fmt.Sprintf("%s:%d%s", s.plugin(s.link), n, when)
			if !r.chosen(s.name, fault) {
				continue
			}
			if !failStep(t, s, fault, r.book) {
				return
			}
		}
	}
}

// failStep returns whether there was such a step.
func failStep(t *testing.T, s scene, fault string, book *ledger.Ledger) (reached bool) {
	t.Helper()
	a, _ := begin(t, s.chain)
	defer a.ns.Close()
	upTo(t, a, s.link, "ADD")
	before := testnet.Take(t, a.ns)
	t.Setenv("CNI_CHAIN_FAULT", fault)
	got := a.run(call{link: s.link, command: "ADD"})
	t.Setenv("CNI_CHAIN_FAULT", "")
	row := ledger.Tally{Points: 1, Hit: 1}
	if reached = strings.Contains(got.stdout, "injected fault"); !reached {
		row = ledger.Tally{}
	}
	if reached == (got.exit == 0) {
		row.Wrong++
		t.Errorf("%s: exit status %d: %s%s", fault, got.exit, got.stdout, got.stderr)
	}
	if diff := testnet.Diff(before, testnet.Take(t, a.ns)); reached && uncounted(diff) != "" {
		row.Leaks++
		t.Errorf("%s: left behind without a DEL:\n%s", fault, uncounted(diff))
	}
	if err := a.undo(false); err != nil {
		row.Stuck++
		t.Errorf("%s: %v", fault, err)
	}
	words := ledger.Words{Suite: s.suite, Link: s.plugin(s.link), Command: "ADD", Fault: ledger.Step, Then: "nothing"}
	book.Add(words, row)
	return reached
}

// uncounted are the lines of a difference that say that something was left.
func uncounted(diff string) string {
	var left []string
	for _, line := range strings.Split(diff, "\n") {
		if strings.HasPrefix(line, " ") && !counted.MatchString(strings.TrimSpace(line)) {
			left = append(left, line)
		}
	}
	return strings.Join(left, "\n")
}
