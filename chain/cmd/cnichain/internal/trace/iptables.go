// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"os/exec"
	"slices"
	"strings"
)

// savePrograms print the rules of iptables in its own words. A snapshot has those rules too, but as the expressions
// that iptables makes of them.
var savePrograms = []string{"iptables-save", "ip6tables-save"}

// savedRule is a rule, or a chain, as such a program prints it.
type savedRule struct{ program, table, text string }

// saved are the rules of the host, in their order; nil when the programs are not there, or do not work.
func saved() []savedRule {
	var all []savedRule
	for _, program := range savePrograms {
		if out, err := exec.Command(program).Output(); err == nil {
			all = append(all, parseSaved(program, string(out))...)
		}
	}
	return all
}

func parseSaved(program, out string) []savedRule {
	var all []savedRule
	table := ""
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "*"):
			table = line[1:]
		case strings.HasPrefix(line, ":"): // ":CNI-DN - [0:0]", the counters not wanted
			chain, _, _ := strings.Cut(line[1:], " ")
			all = append(all, savedRule{program, table, "chain " + chain})
		case strings.HasPrefix(line, "-A "):
			all = append(all, savedRule{program, table, line})
		}
	}
	return all
}

// compareSaved are the rules that came or went.
func compareSaved(before, after []savedRule) []Change {
	var changes []Change
	add := func(sign string, from, without []savedRule) {
		rest := slices.Clone(without)
		for _, r := range from {
			if at := slices.Index(rest, r); at >= 0 {
				rest = slices.Delete(rest, at, at+1)
				continue
			}
			changes = append(changes, Change{
				Sign: sign, Place: "host", Kind: "iptables", What: r.text, Minor: strings.HasPrefix(r.text, "chain "),
				Detail: strings.TrimSuffix(r.program, "-save") + " -t " + r.table,
			})
		}
	}
	add("-", before, after)
	add("+", after, before)
	return changes
}

// iptablesTables are the tables of nftables in which iptables keeps what it is told (iptables-nft(8)).
var iptablesTables = []string{"nat", "filter", "mangle", "raw", "security"}

// inWords replaces the changes in such tables by those that iptables prints.
func inWords(changes, words []Change) []Change {
	if len(words) == 0 {
		return changes
	}
	kept := slices.DeleteFunc(slices.Clone(changes), func(c Change) bool {
		return c.Kind == "nftables" && slices.ContainsFunc(iptablesTables, func(table string) bool {
			return c.inTable("ip "+table) || c.inTable("ip6 "+table)
		})
	})
	at := slices.IndexFunc(kept, func(c Change) bool { return c.Place != "host" || c.Kind == "file" })
	if at < 0 {
		at = len(kept)
	}
	return slices.Insert(kept, at, words...)
}

func (c Change) inTable(name string) bool {
	text := c.What + " " + c.Detail + " "
	return strings.Contains(text, "table "+name+" ") || strings.Contains(text, "table "+name+",")
}
