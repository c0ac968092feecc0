// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Command page makes the tables of docs/reliability.md from the lines that the tests of e2e/faults have written, and
// prints them. The page's other text stays as it is.
package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/cni-chain/cni-chain/e2e/faults/ledger"
)

// The tables stand between these lines of the page.
const (
	begin = "<!-- by make faults: begin -->\n"
	end   = "<!-- by make faults: end -->\n"
)

func main() {
	page := flag.String("page", "", "the page to write the tables into; none is printed only")
	flag.Parse()
	if err := run(*page, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "page:", err)
		os.Exit(1)
	}
}

func run(page string, files []string) error {
	var lines []ledger.Line
	for _, name := range files {
		file, err := os.Open(name)
		if err != nil {
			return err
		}
		for d := json.NewDecoder(file); ; {
			var l ledger.Line
			if err := d.Decode(&l); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			lines = append(lines, l)
		}
		if err := file.Close(); err != nil {
			return err
		}
	}
	tables := compare(lines) + "\n" + byLink(lines)
	fmt.Print(tables)
	if page == "" {
		return nil
	}
	data, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(data), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no place for the tables, between %q and %q", page, begin, end)
	}
	return os.WriteFile(page, []byte(before+begin+"\n"+tables+"\n"+end+after), 0o644)
}

// row is a line of a table: the words that name it and what was counted.
type row struct {
	words          []string
	ours, upstream ledger.Tally
}

// rows sums the lines up by the words that the function picks.
func rows(lines []ledger.Line, words func(ledger.Line) []string) []row {
	sums := map[string]*row{}
	for _, l := range lines {
		key := strings.Join(words(l), "\x00")
		if sums[key] == nil {
			sums[key] = &row{words: words(l)}
		}
		if l.Suite == ledger.Ours {
			sums[key].ours.Add(l.Tally)
		} else {
			sums[key].upstream.Add(l.Tally)
		}
	}
	var list []row
	for _, r := range sums {
		list = append(list, *r)
	}
	slices.SortFunc(list, func(a, b row) int {
		return cmp.Or(cmp.Compare(rank(a.words[0]), rank(b.words[0])), slices.Compare(a.words, b.words))
	})
	return list
}

// rank is the place of a kind of fault in the tables.
func rank(fault string) int {
	return slices.Index([]string{ledger.Step, ledger.Killed, ledger.CallFails, ledger.Drift}, fault)
}

// compare is the table of ours beside upstream's.
func compare(lines []ledger.Line) string {
	list := rows(lines, func(l ledger.Line) []string { return []string{l.Fault, l.Command, l.Then} })
	text := "| fault | during | then | ours: points | leaks | stuck | upstream: points | leaks | stuck |\n" +
		"|---|---|---|--:|--:|--:|--:|--:|--:|\n"
	var sum row
	for _, r := range list {
		text += "| " + strings.Join(r.words, " | ") + " | " + few(r.ours) + " | " + few(r.upstream) + " |\n"
		sum.ours.Add(r.ours)
		sum.upstream.Add(r.upstream)
	}
	return text + "| **all** | | | " + few(sum.ours) + " | " + few(sum.upstream) + " |\n"
}

func few(t ledger.Tally) string {
	if t.Points == 0 {
		return "– | – | –"
	}
	return fmt.Sprintf("%d | %d | %d", t.Points, t.Leaks, t.Stuck)
}

// byLink is the table of all plugins, with everything that was counted.
func byLink(lines []ledger.Line) string {
	list := rows(lines, func(l ledger.Line) []string { return []string{l.Fault, l.Suite, l.Link, l.Command} })
	text := "| fault | plugin | command | points | took effect | leaks | hangs | wrong answers | code 999 | stuck |\n" +
		"|---|---|---|--:|--:|--:|--:|--:|--:|--:|\n"
	var ours, upstream ledger.Tally
	for _, r := range list {
		name, sum := r.words[2], r.ours
		if r.words[1] != ledger.Ours {
			name, sum = "upstream "+name, r.upstream
		}
		text += fmt.Sprintf("| %s | %s | %s | %s |\n", r.words[0], name, r.words[3], all(sum))
		ours.Add(r.ours)
		upstream.Add(r.upstream)
	}
	text += "| **all of ours** | | | " + all(ours) + " |\n"
	if upstream.Points > 0 {
		text += "| **all of upstream** | | | " + all(upstream) + " |\n"
	}
	return text
}

func all(t ledger.Tally) string {
	return fmt.Sprintf("%d | %d | %d | %d | %d | %d | %d", t.Points, t.Hit, t.Leaks, t.Hangs, t.Wrong, t.Unnamed, t.Stuck)
}
