// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/cni-chain/cni-chain/e2e/harness"
)

// tally is a row of the table.
type tally struct {
	points, reached, leaks, hangs, silent int
}

// after is what follows a fault: ways in which a runtime, or nobody but GC, goes on.
type after struct {
	name string
	do   func(a *attempt, link int) error
}

var afters = []after{
	{"DEL", func(a *attempt, _ int) error { return a.undo(false) }},
	{"DEL with the names alone, without the namespace", func(a *attempt, _ int) error {
		if err := a.ns.Close(); err != nil {
			return err
		}
		return a.undo(true)
	}},
	{"GC with nobody valid", func(a *attempt, _ int) error { return a.collect() }},
	{"ADD again", func(a *attempt, link int) error { return again(a, link) }},
}

// again is ADD of the link once more, then of the rest, then DEL. What was killed between its last step and its answer
// is whole: veth-bridge then says that the attachment exists (101), and DEL is what the specification asks for.
func again(a *attempt, link int) error {
	for i := link; i < a.links(); i++ {
		got := a.run(call{link: i, command: "ADD"})
		if got.exit != 0 && !(i == link && strings.Contains(got.stdout, `"code": 101`)) {
			return fmt.Errorf("ADD of link %d again: %s%s", i, got.stdout, got.stderr)
		}
		if got.exit != 0 {
			break
		}
	}
	return a.undo(false)
}

// upstreams are the reference plugins for what dual-stack.conflist does.
const upstreams = `{"cniVersion": "1.0.0", "name": "upstreams", "plugins": [
	{"type": "bridge", "bridge": "cni0", "hairpinMode": true, "isDefaultGateway": true, "ipMasq": true,
	 "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.91.0.0/24"}], [{"subnet": "fd00:91::/64"}]]}},
	{"type": "portmap", "capabilities": {"portMappings": true}}]}`

// TestKilled kills each link at each system call of ADD, and of DEL.
func TestKilled(t *testing.T) {
	needStrace(t)
	t.Run("ours", func(t *testing.T) { killEach(t, load(t, "dual-stack")) })
	if all() {
		c := chainOf(harness.Parse(t, upstreams))
		c.theirs = true
		t.Run("upstream", func(t *testing.T) { killEach(t, c) })
	}
}

func killEach(t *testing.T, c *chain) {
	ways := afters
	if c.theirs {
		ways = afters[:2] // upstream has no GC
	}
	for link := range c.links() {
		for _, command := range []string{"ADD", "DEL"} {
			t.Run(fmt.Sprintf("%v %s", c.net.Objects()[link]["type"], command), func(t *testing.T) {
				kills, _ := points(measure(t, c, link, command))
				var row tally
				for i, p := range kills {
					if chosen(i, 29) {
						try(t, c, link, command, p, ways[i/2%len(ways)], &row)
					}
				}
				row.note(t, "SIGKILL at a system call", fmt.Sprintf("%v %s", c.net.Objects()[link]["type"], command))
			})
		}
	}
}

// TestFailedCalls lets each system call of each command fail.
func TestFailedCalls(t *testing.T) {
	needStrace(t)
	c := load(t, "dual-stack")
	for link := range c.links() {
		for _, command := range []string{"ADD", "CHECK", "DEL"} {
			t.Run(fmt.Sprintf("%v %s", c.net.Objects()[link]["type"], command), func(t *testing.T) {
				_, errs := points(measure(t, c, link, command))
				var row tally
				for i, p := range errs {
					if chosen(i, 67) {
						try(t, c, link, command, p, afters[i/2%2], &row)
					}
				}
				row.note(t, "system call fails", fmt.Sprintf("%v %s", c.net.Objects()[link]["type"], command))
			})
		}
	}
}

// measure counts the system calls of one command of one link.
func measure(t *testing.T, c *chain, link int, command string) map[string]int {
	t.Helper()
	a, _ := begin(t, c)
	upTo(t, a, link, command)
	most := count(t, a, call{link: link, command: command})
	if err := a.undo(false); err != nil {
		t.Fatal(err)
	}
	_ = a.ns.Close()
	return most
}

// upTo attaches as far as the command of the link needs it.
func upTo(t *testing.T, a *attempt, link int, command string) {
	t.Helper()
	if command != "ADD" {
		link = a.links()
	}
	for i := range link {
		if got := a.run(call{link: i, command: "ADD"}); got.exit != 0 {
			t.Fatalf("ADD of link %d: %s%s", i, got.stdout, got.stderr)
		}
	}
}

// try makes one fault and what follows it.
func try(t *testing.T, c *chain, link int, command string, p point, then after, row *tally) {
	t.Helper()
	a, before := begin(t, c)
	defer a.ns.Close()
	upTo(t, a, link, command)
	got := a.run(call{link: link, command: command, wrap: p.wrap()})
	report := t.Errorf
	if c.theirs {
		report = t.Logf
	}
	row.points++
	if got.killed || got.exit != 0 {
		row.reached++
	}
	if got.hang {
		row.hangs++
		report("%s: hangs", p)
	}
	if wrong := document(got); wrong != "" && !got.killed && !got.hang {
		row.silent++
		report("%s: %s", p, wrong)
	}
	if err := then.do(a, link); err != nil {
		report("%s, then %s: %v", p, then.name, err)
	}
	if left := c.left(t, before); left != "" {
		row.leaks++
		report("%s, then %s: left behind:\n%s", p, then.name, left)
		wipe(t, a)
	}
}

// wipe takes away what a fault has left, so that it is not found again.
func wipe(t *testing.T, a *attempt) {
	t.Helper()
	if err := a.undo(true); err != nil {
		t.Log(err)
	}
	if !a.theirs {
		return
	}
	if out, err := exec.Command("nft", "flush", "ruleset").CombinedOutput(); err != nil {
		t.Fatalf("nft flush ruleset: %v: %s", err, out)
	}
	links, err := netlink.LinkList()
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if link.Type() == "veth" {
			_ = netlink.LinkDel(link) // its peer may have taken it along
		}
	}
}
