// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// natTable is the network's part of the table nat, as iptables-save prints it.
type natTable struct {
	chain bool     // the network's chain is there
	rules []string // of that chain, "-A CHAIN ..."
	jumps []string // of other chains, to it
}

// save reads the table nat of a family.
func (m *iptablesMasq) save(ctx context.Context, is4 bool) (natTable, error) {
	var nat natTable
	out, err := runIPTables(ctx, is4, "save", "", "-t", "nat")
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, ":"+m.chain()+" "):
			nat.chain = true
		case strings.HasPrefix(line, "-A "+m.chain()+" "):
			nat.rules = append(nat.rules, line)
		case strings.HasSuffix(line, " -j "+m.chain()):
			nat.jumps = append(nat.jumps, line)
		}
	}
	return nat, err
}

// restore makes the changes at once. --wait is for the lock of iptables-legacy.
func (m *iptablesMasq) restore(ctx context.Context, is4 bool, changes []string) error {
	if len(changes) == 0 {
		return nil
	}
	input := "*nat\n" + strings.Join(changes, "\n") + "\nCOMMIT\n"
	_, err := runIPTables(ctx, is4, "restore", input, "--wait", "--noflush")
	return err
}

// runIPTables runs iptables-WHAT or ip6tables-WHAT.
func runIPTables(ctx context.Context, is4 bool, what, input string, args ...string) (string, error) {
	program := "ip6tables-" + what
	if is4 {
		program = "iptables-" + what
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdin = strings.NewReader(input)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("run %s: %w%s", program, err, quoted(stderr.Bytes()))
	}
	return stdout.String(), nil
}

// tagIn is the comment of a rule, "" for none. A tag has no space.
func tagIn(rule string) string {
	_, rest, ok := strings.Cut(rule, " --comment ")
	if !ok {
		return ""
	}
	tag, _, _ := strings.Cut(rest, " ")
	if inner, ok := strings.CutPrefix(tag, `"`); ok {
		tag = strings.TrimSuffix(inner, `"`)
	}
	return strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(tag)
}

// quote writes a comment for iptables-restore.
func quote(comment string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(comment) + `"`
}

// deletion makes of a rule that was listed its deletion.
func deletion(rule string) string { return "-D" + strings.TrimPrefix(rule, "-A") }
