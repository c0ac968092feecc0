// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package runtimes

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/e2e/harness"
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
	notes             []note
}

// note is a remark on a column, which gets its number.
type note struct{ column, text string }

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
func (r *row) remark(column, text string) { r.notes = append(r.notes, note{column, text}) }

// not says why a column does not apply.
func (r *row) not(column, reason string) {
	r.cells[column] = "–"
	r.remark(column, reason)
}

// skip is for a runtime that cannot run here.
func (r *row) skip(reason string) {
	for _, c := range columns {
		r.cells[c] = "skipped"
		r.remark(c, reason)
	}
}

// markdown is the table with its notes.
func (m *table) markdown() string {
	m.Lock()
	defer m.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "| runtime | conflist | %s |\n|---|---|%s\n", strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
	var notes []string // each text once
	for _, r := range m.rows {
		fmt.Fprintf(&b, "| %s | `%s` |", r.runtime, r.conflist)
		for _, c := range columns {
			fmt.Fprintf(&b, " %s |", r.cell(c, &notes))
		}
		b.WriteByte('\n')
	}
	if len(notes) > 0 {
		b.WriteByte('\n')
	}
	for i, text := range notes {
		fmt.Fprintf(&b, "%d. %s\n", i+1, text)
	}
	fmt.Fprintf(&b, "\n%s\n", versions())
	return b.String()
}

// cell is the outcome of a column, with the numbers of its notes.
func (r *row) cell(column string, notes *[]string) string {
	text := r.cells[column]
	if text == "" {
		text = "not reached"
	}
	for _, n := range r.notes {
		if n.column != column {
			continue
		}
		number := slices.Index(*notes, n.text)
		if number < 0 {
			number = len(*notes)
			*notes = append(*notes, n.text)
		}
		text += fmt.Sprintf(" (%d)", number+1)
	}
	return text
}

// versions tells what the table is of.
func versions() string {
	var list []string
	for _, program := range []string{"containerd", "runc", "podman"} {
		out, err := exec.Command(program, "--version").Output()
		line, _, _ := strings.Cut(string(out), "\n")
		if words := strings.Fields(line); err == nil && len(words) > 2 { // "runc version 1.1.5", "containerd github.com/… 1.6.20"
			list = append(list, program+" "+words[2])
		}
	}
	if modules, err := os.ReadFile(filepath.Join(harness.Root(), "e2e/runtimes/go.mod")); err == nil {
		for _, m := range regexp.MustCompile(`containerd/(go-cni) (v\S+)`).FindAllStringSubmatch(string(modules), -1) {
			list = append(list, m[1]+" "+m[2])
		}
	}
	var kernel unix.Utsname
	if unix.Uname(&kernel) == nil {
		release, _, _ := strings.Cut(unix.ByteSliceToString(kernel.Release[:]), "-")
		list = append(list, "Linux "+release)
	}
	return "Seen with " + strings.Join(list, ", ") + "."
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
