// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/cni-chain/cni-chain/e2e/faults/inject"
	"github.com/cni-chain/cni-chain/e2e/faults/ledger"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// after is what follows a fault: ways in which a runtime, or nobody but GC, goes on.
type after struct {
	name string
	do   func(a *attempt, link int) error
}

var (
	del  = after{"DEL", func(a *attempt, _ int) error { return a.undo(false) }}
	bare = after{"DEL with the names alone, the namespace gone", func(a *attempt, _ int) error {
		if err := a.ns.Close(); err != nil {
			return err
		}
		return a.undo(true)
	}}
	collect = after{"GC with nobody valid", func(a *attempt, _ int) error { return a.collect() }}
	again   = after{"ADD again, then DEL", addAgain}
)

// addAgain is ADD of the link once more, then of the rest, then DEL. What was killed between its last step and its
// answer is whole: the link then says that the attachment exists (101), and DEL is what the specification asks for.
func addAgain(a *attempt, link int) error {
	for i := link; i < a.links(); i++ {
		got := a.run(call{link: i, command: "ADD"})
		if got.exit != 0 && !(i == link && strings.Contains(got.stdout, `"code": 101`)) {
			return fmt.Errorf("ADD of %s again: %s%s", a.plugin(i), got.stdout, got.stderr)
		}
		if got.exit != 0 {
			break
		}
	}
	return a.undo(false)
}

// run is a run of a test through many points: which of them it tries, and what it counts.
type run struct {
	book   *ledger.Ledger
	chosen func(words ...any) bool
}

// scene is one command of one link.
type scene struct {
	*chain
	link    int
	command string
}

// TestKilled kills each link at each system call of the commands that change something.
func TestKilled(t *testing.T) {
	needInjector(t)
	eachScene(t, []string{"ADD", "DEL", "GC"}, 71, func(t *testing.T, s scene, calls []string, r run) {
		thens := map[string][]after{"ADD": {del, bare, collect, again}, "DEL": {del, bare}, "GC": {collect, bare}}[s.command]
		for _, p := range kills(calls) {
			for _, then := range thens {
				if r.chosen(s.name, s.link, s.command, p, then.name) {
					s.try(t, p, then, r.book)
				}
			}
		}
	})
}

// TestFailedCalls lets each system call of each command fail.
func TestFailedCalls(t *testing.T) {
	needInjector(t)
	commands := []string{"ADD", "CHECK", "DEL", "GC", "STATUS"}
	eachScene(t, commands, 97, func(t *testing.T, s scene, calls []string, r run) {
		each := 1
		if s.name == "dual-stack" {
			each = len(errnos)
		}
		for i, p := range failures(calls, each) {
			then := []after{del, bare}[i%2]
			if r.chosen(s.name, s.link, s.command, p, then.name) {
				s.try(t, p, then, r.book)
			}
		}
	})
}

// sample is how many points of the reference plugins there are for one that is tried: with the programs that they run,
// they have ten times as many as ours, and each takes five times as long.
const sample = 20

// eachScene runs the commands of all links of all chains. A short run tries every stride-th point of them all.
func eachScene(t *testing.T, commands []string, stride int,
	do func(t *testing.T, s scene, calls []string, r run),
) {
	t.Helper()
	every := chooser(stride)
	for _, c := range chains(t) {
		chosen := every
		if c.suite == ledger.Upstream {
			chosen = func(words ...any) bool { return hash(words...)%sample == 0 && every(words...) }
		}
		for link := range c.links() {
			for _, command := range commands {
				t.Run(fmt.Sprintf("%s %s %s", c.name, c.plugin(link), command), func(t *testing.T) {
					// A ledger for each, so that a long run that is stopped has told what it has come to.
					do(t, scene{c, link, command}, measure(t, c, link, command), run{open(t), chosen})
				})
			}
		}
	}
}

// prepare goes as far as the command needs it.
func (s scene) prepare(t *testing.T, a *attempt) {
	t.Helper()
	upTo(t, a, s.link, s.command)
	if err := s.others(a, s.command, true); err != nil {
		t.Fatal(err)
	}
}

// others is the command of the links that come before this one's, or after it: for DEL the other way round.
func (s scene) others(a *attempt, command string, before bool) error {
	var links []int
	for i := range a.links() {
		if i != s.link && (i < s.link) == (before == (command != "DEL")) {
			links = append(links, i)
		}
	}
	if command == "ADD" && before || command == "CHECK" || command == "STATUS" {
		return nil
	}
	for _, i := range links {
		if got := a.run(call{link: i, command: command}); got.exit != 0 || got.hang {
			return fmt.Errorf("%s of %s: %s%s", command, a.plugin(i), got.stdout, got.stderr)
		}
	}
	return nil
}

// try makes one fault and what follows it.
func (s scene) try(t *testing.T, p inject.Fault, then after, book *ledger.Ledger) {
	t.Helper()
	a, before := begin(t, s.chain)
	defer a.ns.Close()
	s.prepare(t, a)
	found := testnet.Take(t, a.ns)
	got := a.run(call{link: s.link, command: s.command, fault: &p})
	succeeded := got.exit == 0 && !got.Killed && !got.hang
	words := ledger.Words{Suite: s.suite, Link: s.plugin(s.link), Command: s.command, Then: then.name}
	words.Fault = ledger.CallFails
	if p.What == inject.Kill {
		words.Fault = ledger.Killed
	}
	row := ledger.Tally{Points: 1}
	defer func() { book.Add(words, row) }()
	if got.Hit {
		row.Hit++
	}
	// say counts, and fails the test if it is about our links.
	say := func(count *int, format string, args ...any) {
		*count++
		if s.suite == ledger.Ours {
			t.Errorf("%s, then %s: "+format, append([]any{p, then.name}, args...)...)
		}
	}
	switch wrong := wrongAnswer(got); {
	case got.hang:
		say(&row.Hangs, "hangs: %s", got.stderr)
	case wrong != "":
		say(&row.Wrong, "%s", wrong)
	case unnamed(got):
		say(&row.Unnamed, "%s", got.stdout)
	}
	if s.suite == ledger.Ours && s.command == "ADD" && !succeeded && !got.Killed {
		if kept := uncounted(testnet.Diff(found, testnet.Take(t, a.ns))); kept != "" {
			t.Errorf("%s: left behind without a DEL:\n%s\nby %s%s", p, kept, got.stdout, got.stderr)
		}
	}
	if err := s.follow(a, then, succeeded); err != nil {
		say(&row.Stuck, "%v", err)
	}
	if left := s.left(t, before); left != "" {
		say(&row.Leaks, "left behind:\n%s", left)
		wipe(t, a)
	}
}

// follow is what comes after the command: when it has said that it succeeded, the others'. A DEL or a GC that says so
// is not made again.
func (s scene) follow(a *attempt, then after, succeeded bool) error {
	if !succeeded {
		return then.do(a, s.link)
	}
	if err := s.others(a, s.command, false); err != nil {
		return fmt.Errorf("%s said that it succeeded: %w", s.command, err)
	}
	if s.command == "DEL" || s.command == "GC" {
		return nil
	}
	if s.command == "ADD" {
		for i := range a.links() {
			if got := a.run(call{link: i, command: "CHECK"}); got.exit != 0 {
				return fmt.Errorf("ADD said that it succeeded, CHECK of %s: %s%s", a.plugin(i), got.stdout, got.stderr)
			}
		}
	}
	if then.name == again.name {
		then = del
	}
	return then.do(a, s.link)
}

// upTo attaches as far as the command of the link needs it.
func upTo(t *testing.T, a *attempt, link int, command string) {
	t.Helper()
	if command != "ADD" {
		link = a.links()
	}
	for i := range link {
		if got := a.run(call{link: i, command: "ADD"}); got.exit != 0 {
			t.Fatalf("ADD of %s: %s%s", a.plugin(i), got.stdout, got.stderr)
		}
	}
}

// wipe takes away what a fault has left, so that it is not found again.
func wipe(t *testing.T, a *attempt) {
	t.Helper()
	if err := a.undo(true); err != nil {
		t.Log(err)
	}
	if out, err := exec.Command("nft", "flush", "ruleset").CombinedOutput(); err != nil {
		t.Fatalf("nft flush ruleset: %v: %s", err, out)
	}
	if a.iptables() {
		makeBuiltin(t)
	}
	if err := os.RemoveAll("/etc/netns/victim"); err != nil {
		t.Fatal(err)
	}
	_ = os.Remove("/etc/netns") // unless there is something in it
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
