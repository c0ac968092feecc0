// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package runtimes

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

// The columns of the table, which are the subtests of each row.
const (
	attach  = "attach"
	port    = "port"
	dns     = "DNS"
	restart = "restart"
	cleanup = "cleanup"
)

var columns = []string{attach, port, dns, restart, cleanup}

// table is what came of all rows.
type table struct {
	sync.Mutex
	rows []*row
}

var matrix table

// row is a runtime with a conflist. A column without an outcome is one that the tests before it kept from running.
type row struct {
	t                 *testing.T
	runtime, conflist string
	cells             map[string]string
	notes             []string
}

// newRow starts a row, which the test is about.
func newRow(t *testing.T, runtime, conflist string) *row {
	t.Helper()
	r := &row{t: t, runtime: runtime, conflist: conflist, cells: map[string]string{}}
	matrix.Lock()
	defer matrix.Unlock()
	matrix.rows = append(matrix.rows, r)
	return r
}

// try runs what a column stands for, and ends the row when it fails: what follows builds on it.
func (r *row) try(column string, test func(t *testing.T)) {
	r.t.Helper()
	r.cells[column] = "**fails**"
	if !r.t.Run(column, test) {
		r.t.FailNow()
	}
	r.cells[column] = "yes"
}

// remark adds to what the table says of a column.
func (r *row) remark(column, format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf("%s, %s: %s", r.runtime, column, fmt.Sprintf(format, args...)))
}

// not says why a column does not apply.
func (r *row) not(column, reason string) {
	r.cells[column] = "–"
	r.remark(column, "%s", reason)
}

// skip is for a runtime that cannot run here.
func (r *row) skip(reason string) {
	for _, c := range columns {
		r.cells[c] = "skipped"
	}
	r.notes = append(r.notes, fmt.Sprintf("%s is skipped: %s", r.runtime, reason))
}

// markdown is the table with its notes.
func (m *table) markdown() string {
	m.Lock()
	defer m.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "| runtime | conflist | %s |\n|---|---|%s\n", strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
	var notes []string
	for _, r := range m.rows {
		fmt.Fprintf(&b, "| %s | `%s` |", r.runtime, r.conflist)
		for _, c := range columns {
			cell := r.cells[c]
			if cell == "" {
				cell = "not reached"
			}
			fmt.Fprintf(&b, " %s |", cell)
		}
		b.WriteByte('\n')
		for _, note := range r.notes {
			if !slices.Contains(notes, note) {
				notes = append(notes, note)
			}
		}
	}
	if len(notes) > 0 {
		b.WriteByte('\n')
	}
	for _, note := range notes {
		fmt.Fprintf(&b, "- %s\n", note)
	}
	return b.String()
}

// The lines of the page between which the table is written.
const (
	begin = "<!-- begin: written by make runtimes -->\n"
	end   = "<!-- end -->\n"
)

// writeTo puts the table into a page.
func (m *table) writeTo(page string) error {
	data, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	before, rest, found := strings.Cut(string(data), begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		return fmt.Errorf("write the table into %s: its two markers are missing", page)
	}
	return os.WriteFile(page, []byte(before+begin+"\n"+m.markdown()+"\n"+end+after), 0o644)
}
