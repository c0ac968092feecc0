// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
)

const slowest = 8 // tests named at the end

// key names a test; Test is "" for the package itself.
type key struct{ Package, Test string }

type timed struct {
	key
	seconds float64
}

type summary struct {
	output   map[key]*strings.Builder
	build    map[string]*strings.Builder // by import path
	parents  map[key]bool                // tests that have subtests
	outcome  map[key]string
	missing  map[string]int // what was skipped for, and how often
	failures int            // packages that failed without a failing test
	slow     []timed
}

func newSummary() *summary {
	return &summary{
		output:  map[key]*strings.Builder{},
		build:   map[string]*strings.Builder{},
		parents: map[key]bool{},
		outcome: map[key]string{},
		missing: map[string]int{},
	}
}

func (s *summary) take(e event, out io.Writer) {
	k := key{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		write(s.build, e.ImportPath, e.Output)
	case "output":
		write(s.output, k, e.Output)
	case "run":
		for i := strings.LastIndexByte(e.Test, '/'); i > 0; i = strings.LastIndexByte(e.Test[:i], '/') {
			s.parents[key{e.Package, e.Test[:i]}] = true
		}
	case "pass", "fail", "skip":
		if e.Test == "" {
			s.packageDone(e, out)
			return
		}
		s.testDone(k, e)
	}
}

func write[K comparable](m map[K]*strings.Builder, k K, text string) {
	if m[k] == nil {
		m[k] = &strings.Builder{}
	}
	m[k].WriteString(text)
}

func (s *summary) testDone(k key, e event) {
	s.outcome[k] = e.Action
	if !s.parents[k] {
		s.slow = append(s.slow, timed{k, e.Elapsed})
	}
	switch e.Action {
	case "skip":
		if !s.parents[k] {
			s.missing[reason(s.text(k))]++
		}
		delete(s.output, k)
	case "pass":
		delete(s.output, k)
	}
}

func (s *summary) text(k key) string {
	if b := s.output[k]; b != nil {
		return b.String()
	}
	return ""
}

var skipLine = regexp.MustCompile(`(?m)^\s+\S+\.go:\d+: (.*)$`)

// reason is what the test said when it skipped: its last logged line.
func reason(output string) string {
	lines := skipLine.FindAllStringSubmatch(output, -1)
	if len(lines) == 0 {
		return "(no reason given)"
	}
	return lines[len(lines)-1][1]
}

// packageDone prints the package's line, and, when it failed, all that it left to say.
func (s *summary) packageDone(e event, out io.Writer) {
	counts, failed := map[string]int{}, []key{}
	for k, outcome := range s.outcome {
		if k.Package != e.Package {
			continue
		}
		if !s.parents[k] {
			counts[outcome]++
		}
		if outcome == "fail" {
			failed = append(failed, k)
		}
	}
	if e.Action == "skip" || e.Action == "pass" && len(counts) == 0 {
		return // no test files
	}
	fmt.Fprintf(out, "%-4s  %-58s %6.1fs  %s\n", label(e.Action), e.Package, e.Elapsed, tally(counts))
	if e.Action != "fail" {
		return
	}
	if len(failed) == 0 {
		s.failures++
	}
	if b := s.build[e.FailedBuild]; b != nil {
		fmt.Fprint(out, indent(b.String()))
	}
	for _, k := range s.leftOutput(e.Package) {
		fmt.Fprint(out, indent(s.text(k)))
	}
}

// leftOutput is whose output has not been dropped: failed tests, tests that never ended, the package.
func (s *summary) leftOutput(pkg string) []key {
	var keys []key
	for k := range s.output {
		if k.Package == pkg {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b key) int { return cmp.Compare(a.Test, b.Test) })
	return keys
}

func label(action string) string {
	if action == "pass" {
		return "ok"
	}
	return "FAIL"
}

func tally(counts map[string]int) string {
	text := fmt.Sprintf("%d passed", counts["pass"])
	for _, c := range []struct{ action, word string }{{"fail", "failed"}, {"skip", "skipped"}} {
		if n := counts[c.action]; n > 0 {
			text += fmt.Sprintf(", %d %s", n, c.word)
		}
	}
	return text
}

func indent(text string) string {
	text = strings.TrimRight(text, "\n")
	if text == "" {
		return ""
	}
	return "      " + strings.ReplaceAll(text, "\n", "\n      ") + "\n"
}

// print is the end of the run; it returns how many failed.
func (s *summary) print(out io.Writer) int {
	slices.SortFunc(s.slow, func(a, b timed) int { return cmp.Compare(b.seconds, a.seconds) })
	fmt.Fprintln(out, "\nslowest:")
	for _, t := range s.slow[:min(slowest, len(s.slow))] {
		fmt.Fprintf(out, "%8.1fs  %s %s\n", t.seconds, t.Package, t.Test)
	}
	if len(s.missing) > 0 {
		fmt.Fprintln(out, "skipped for want of:")
	}
	for _, why := range slices.Sorted(maps.Keys(s.missing)) {
		fmt.Fprintf(out, "%8d   %s\n", s.missing[why], why)
	}
	passed, failed, skipped := s.counts()
	fmt.Fprintf(out, "\n%d passed, %d failed, %d skipped\n", passed, failed, skipped)
	return failed
}

func (s *summary) counts() (passed, failed, skipped int) {
	failedParents := 0
	for k, outcome := range s.outcome {
		switch {
		case outcome == "fail" && s.parents[k]:
			failedParents++
		case s.parents[k]:
		case outcome == "fail":
			failed++
		case outcome == "skip":
			skipped++
		default:
			passed++
		}
	}
	if failed == 0 && failedParents > 0 {
		failed = 1 // a test that failed after its subtests had passed
	}
	return passed, failed + s.failures, skipped
}
