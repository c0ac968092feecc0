// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Package ledger counts what tests of faults have tried and what came of it. Tests keep it, the command page makes
// tables of it.
package ledger

import (
	"encoding/json"
	"os"
	"sync"
)

// The suites of plugins that are compared.
const (
	Ours     = "ours"
	Upstream = "upstream"
)

// Kinds of faults.
const (
	Step      = "a step fails"
	Killed    = "SIGKILL at a system call"
	CallFails = "a system call fails"
	Drift     = "something is changed behind the link's back"
)

// Words name a line.
type Words struct {
	// Suite is whose plugins: Ours or Upstream.
	Suite string
	// Link is the plugin, Command what it was doing.
	Link, Command string
	// Fault is what kind of fault, Then what followed it.
	Fault, Then string
}

// Tally counts.
type Tally struct {
	Points  int // tried
	Hit     int // of these, the fault happened
	Leaks   int // something was left
	Hangs   int // no answer in time
	Wrong   int // a failure without an error document
	Unnamed int // an error with the code 999
	Stuck   int // what followed failed
}

// Add adds another's counts.
func (t *Tally) Add(o Tally) {
	t.Points += o.Points
	t.Hit += o.Hit
	t.Leaks += o.Leaks
	t.Hangs += o.Hangs
	t.Wrong += o.Wrong
	t.Unnamed += o.Unnamed
	t.Stuck += o.Stuck
}

// Line is what is written for one line.
type Line struct {
	Words
	Tally
}

// Ledger is a list of lines. The zero Ledger is empty.
type Ledger struct {
	mu    sync.Mutex
	lines map[Words]*Tally
}

// Add counts at a line.
func (l *Ledger) Add(words Words, counts Tally) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lines == nil {
		l.lines = map[Words]*Tally{}
	}
	if l.lines[words] == nil {
		l.lines[words] = &Tally{}
	}
	l.lines[words].Add(counts)
}

// Sum is what was counted in all.
func (l *Ledger) Sum() (sum Tally) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.lines {
		sum.Add(*t)
	}
	return sum
}

// Append writes the lines, as JSON, to the end of a file.
func (l *Ledger) Append(name string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	file, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	for words, t := range l.lines {
		data, err := json.Marshal(Line{words, *t})
		if err == nil {
			_, err = file.Write(append(data, '\n')) // one write, as several processes append at once
		}
		if err != nil {
			_ = file.Close()
			return err
		}
	}
	return file.Close()
}
