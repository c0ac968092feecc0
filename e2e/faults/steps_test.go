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
	at := 0
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
				at++
				t.Run(plugin, func(t *testing.T) { failSteps(t, c, link, plugin, at) })
			}
		})
	}
}

func failSteps(t *testing.T, c *chain, link int, plugin string, at int) {
	row := tally{}
	defer func() { row.note(t, "step fails", plugin+" ADD") }()
	for n := 1; ; n++ {
		for _, when := range []string{"", ":after"} {
			if !chosen(at+n, 3) && n > 1 {
				continue
			}
			reached := failStep(t, c, link, fmt.Sprintf("%s:%d%s", plugin, n, when), &row)
			if !reached {
				return
			}
		}
	}
}

// failStep returns whether there was such a step.
func failStep(t *testing.T, c *chain, link int, fault string, row *tally) (reached bool) {
	t.Helper()
	a, _ := begin(t, c)
	defer a.ns.Close()
	upTo(t, a, link, "ADD")
	before := testnet.Take(t, a.ns)
	t.Setenv("CNI_CHAIN_FAULT", fault)
	got := a.run(call{link: link, command: "ADD"})
	t.Setenv("CNI_CHAIN_FAULT", "")
	if reached = strings.Contains(got.stdout, "injected fault"); reached {
		row.points++
		row.reached++
	}
	if reached == (got.exit == 0) {
		t.Errorf("%s: exit status %d: %s%s", fault, got.exit, got.stdout, got.stderr)
	}
	if diff := testnet.Diff(before, testnet.Take(t, a.ns)); reached && uncounted(diff) != "" {
		row.leaks++
		t.Errorf("%s: left behind without a DEL:\n%s", fault, uncounted(diff))
	}
	if err := a.undo(false); err != nil {
		t.Errorf("%s: %v", fault, err)
	}
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
