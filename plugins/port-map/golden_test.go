// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/cni-chain/cni-chain/chain/chaintest"
)

// TestGolden runs the cases of testdata. Beside the sections of chaintest.Golden, a case has "rules": what is in the
// kernel afterwards, as nft and iptables-save print it; "ruleset" is the same with all chains. The container is on the
// bridge cni0 and has 10.88.1.2 and fd00:88:1::2.
func TestGolden(t *testing.T) {
	b := newBridge(t, "cni0", "10.88.1.1/24", "fd00:88:1::1/64")
	c := b.newContainer()
	files, err := filepath.Glob("testdata/*.txtar")
	must(t, err)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			chaintest.RunCase(t, plugin, file, map[string]string{"NS": c.Path}, func(t *testing.T, _ chaintest.Outcome) {
				compareRules(t, file)
				config := map[string]any{"cniVersion": "1.1.0", "name": "net", "type": "port-map"}
				chaintest.RunContext(context.Background(), t, plugin, chaintest.Call{Command: "DEL", Config: config,
					ContainerID: "c1", IfName: "eth0"}).OK(t)
			})
		})
	}
}

// compareRules compares the kernel with the case, or writes the case with -update.
func compareRules(t *testing.T, file string) {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	must(t, err)
	for i, f := range archive.Files {
		if f.Name != "rules" && f.Name != "ruleset" {
			continue
		}
		got := listing(t, f.Name == "ruleset")
		if flag.Lookup("update").Value.String() == "true" {
			archive.Files[i].Data = []byte(got)
			must(t, os.WriteFile(file, txtar.Format(archive), 0o644))
		} else if diff := cmp.Diff(string(f.Data), got); diff != "" {
			t.Errorf("section %s of %s (-want +got):\n%s", f.Name, file, diff)
		}
	}
}

var (
	netnsNote  = regexp.MustCompile(`netns \d+ \d+ \S+?"`)
	setBlock   = regexp.MustCompile(`(?s)\t(?:set|map|counter) [^\n]* \{\n.*?\n\t\}\n\n?`)
	chainBlock = regexp.MustCompile(`(?s)\tchain [^\n]* \{\n(?:.*?\n)?\t\}\n`)
)

// listing is all rules in an order that does not change: elements of hash tables have none.
func listing(t *testing.T, whole bool) string {
	t.Helper()
	var out strings.Builder
	rules := command(t, "nft", "list", "ruleset", "inet")
	for _, block := range setBlock.FindAllString(rules, -1) {
		out.WriteString(listSet(block, whole))
	}
	for _, block := range chainBlock.FindAllString(rules, -1) {
		if whole || strings.Contains(block, "ports-if") {
			out.WriteString(strings.ReplaceAll(strings.TrimSpace(block), "\n\t", "\n") + "\n")
		}
	}
	for _, program := range []string{"iptables-save", "ip6tables-save"} {
		for _, line := range strings.Split(command(t, program), "\n") {
			if strings.HasPrefix(line, "-A ") {
				out.WriteString(strings.TrimSuffix(program, "-save") + " " + line + "\n")
			}
		}
	}
	return netnsNote.ReplaceAllString(out.String(), `netns $$DEV $$INODE $$NS"`)
}

// listSet is a set, or a counter, with its elements.
func listSet(block string, whole bool) string {
	lines := strings.Split(strings.TrimSpace(block), "\n")
	name := strings.TrimSuffix(lines[0], " {")
	if strings.HasPrefix(name, "counter") {
		for _, line := range lines {
			if text, ok := strings.CutPrefix(strings.TrimSpace(line), "comment "); ok {
				name += ": " + text
			}
		}
		return name + "\n"
	}
	elements := elementsOf(block)
	if len(elements) == 0 && !whole {
		return ""
	}
	slices.Sort(elements)
	return strings.Join(append([]string{name}, elements...), "\n\t") + "\n"
}

// elementsOf are the elements of a set as nft prints them, one or several a line.
func elementsOf(block string) []string {
	_, list, ok := strings.Cut(block, "elements = { ")
	if !ok {
		return nil
	}
	list, _, _ = strings.Cut(list, " }\n")
	var elements []string
	for _, e := range regexp.MustCompile(`,\s*\n\s+|", `).Split(list, -1) {
		e = strings.TrimSpace(e)
		if strings.Count(e, `"`)%2 == 1 {
			e += `"`
		}
		elements = append(elements, e)
	}
	return elements
}
