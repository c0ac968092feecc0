// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
)

// iptables is the backend for hosts whose other software manages iptables, or whose kernel has no nftables. It runs two
// programs a family and command, however much there is to change: iptables-save to see what is there, and
// iptables-restore --noflush, which changes a table at once. coreos/go-iptables is left out: it runs one program for
// each rule and another to find its version.
type iptables struct {
	family family
}

// lines are the rules and chains of iptables as iptables-save prints them.
type lines struct {
	chains map[string]bool     // "nat CHAIN"
	rules  map[string][]string // of a table, "-A CHAIN ..."
}

// binary is the name of one of the programs.
func (i iptables) binary(what string) string {
	if i.family == v4 {
		return "iptables-" + what
	}
	return "ip6tables-" + what
}

// run runs a program.
func (i iptables) run(ctx context.Context, what, input string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, i.binary(what), args...)
	cmd.Stdin = strings.NewReader(input)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		said := strings.ReplaceAll(strings.TrimSpace(stderr.String()), "\n", "; ")
		return "", fmt.Errorf("run %s: %w: %s", i.binary(what), err, said)
	}
	return stdout.String(), nil
}

// works says whether the host has the programs.
func (i iptables) works() bool {
	_, err := exec.LookPath(i.binary("restore"))
	return err == nil
}

// save reads all rules.
func (i iptables) save(ctx context.Context) (lines, error) {
	out, err := i.run(ctx, "save", "")
	return parseSaved(out), err
}

// parseSaved reads what iptables-save prints.
func parseSaved(out string) lines {
	l := lines{chains: map[string]bool{}, rules: map[string][]string{}}
	table := ""
	for _, line := range strings.Split(out, "\n") {
		switch {
		case strings.HasPrefix(line, "*"):
			table = line[1:]
		case strings.HasPrefix(line, ":"):
			chain, _, _ := strings.Cut(line[1:], " ")
			l.chains[table+" "+chain] = true
		case strings.HasPrefix(line, "-A "):
			l.rules[table] = append(l.rules[table], line)
		}
	}
	return l
}

// changes are lines for iptables-restore, by table.
type changes map[string][]string

func (c changes) add(table string, lines ...string) { c[table] = append(c[table], lines...) }

// inOrder puts what deletes first: rules, then what is in chains, then chains. iptables-nft leaves the deletion of a
// rule out when its chain is flushed later, and then finds chains in use that the rule led to.
func inOrder(lines []string) []string {
	var sorted, rest []string
	for _, kind := range []string{"-D ", "-F ", "-X "} {
		for _, line := range lines {
			if strings.HasPrefix(line, kind) {
				sorted = append(sorted, line)
			}
		}
	}
	for _, line := range lines {
		if !strings.HasPrefix(line, "-D ") && !strings.HasPrefix(line, "-F ") && !strings.HasPrefix(line, "-X ") {
			rest = append(rest, line)
		}
	}
	return append(sorted, rest...)
}

// restore makes the changes; table by table, each at once. --wait is for xtables.lock of iptables-legacy.
func (i iptables) restore(ctx context.Context, c changes, more ...string) error {
	var input strings.Builder
	// raw first: it has the guard that must be there before anything is open.
	for _, table := range []string{"raw", "nat"} {
		if len(c[table]) > 0 {
			fmt.Fprintf(&input, "*%s\n%s\nCOMMIT\n", table, strings.Join(inOrder(c[table]), "\n"))
		}
	}
	if input.Len() == 0 {
		return nil
	}
	_, err := i.run(ctx, "restore", input.String(), append([]string{"--wait", "--noflush"}, more...)...)
	return err
}

// fields takes a rule apart as iptables-restore does, so that rules can be compared whatever is quoted.
func fields(rule string) []string {
	var all []string
	var word strings.Builder
	quoted, in := false, false
	for j := 0; j < len(rule); j++ {
		c := rule[j]
		switch {
		case quoted && c == '\\' && j+1 < len(rule):
			j++
			word.WriteByte(rule[j])
		case c == '"':
			quoted, in = !quoted, true
		case c == ' ' && !quoted:
			if in {
				all = append(all, word.String())
			}
			word.Reset()
			in = false
		default:
			word.WriteByte(c)
			in = true
		}
	}
	if in {
		all = append(all, word.String())
	}
	return all
}

// has says whether a rule is there.
func (l lines) has(table, rule string) bool {
	want := fields(rule)
	return slices.ContainsFunc(l.rules[table], func(r string) bool { return slices.Equal(fields(r), want) })
}

// of are the rules of a chain.
func (l lines) of(table, chain string) []string {
	var found []string
	for _, r := range l.rules[table] {
		if strings.HasPrefix(r, "-A "+chain+" ") {
			found = append(found, r)
		}
	}
	return found
}

// option is the word behind an option of a rule.
func option(rule []string, name string) string {
	at := slices.Index(rule, name)
	if at < 0 || at+1 >= len(rule) {
		return ""
	}
	return rule[at+1]
}

// delete turns a rule that was listed into its deletion.
func deleteRule(rule string) string { return "-D" + strings.TrimPrefix(rule, "-A") }

// quote writes a comment for iptables-restore.
func quote(comment string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(comment) + `"`
}

var errNoIPTables = errors.New("neither nftables nor iptables works on this host")
