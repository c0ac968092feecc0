// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package multihost

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// table is what reached whom: rows of cells, "ok" or what went wrong.
type table struct {
	rows []tableRow
}

type tableRow struct {
	from, to, family string
	cells            []string
}

// kinds are the columns.
var kinds = []string{"ping", "tcp", "big packet", "mapped port"}

// reach is filled by TestThreeHosts and printed at the end of the run.
var reach table

// add notes what the kinds of traffic from one host to the other came to.
func (t *table) add(from, to, family string, errs ...error) {
	row := tableRow{from: from, to: to, family: family}
	for _, err := range errs {
		cell := "ok"
		if err != nil {
			cell = "FAILED"
		}
		row.cells = append(row.cells, cell)
	}
	t.rows = append(t.rows, row)
}

func (t *table) String() string {
	if len(t.rows) == 0 {
		return ""
	}
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "from\tto\t\t%s\n", strings.Join(kinds, "\t"))
	for _, row := range t.rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", row.from, row.to, row.family, strings.Join(row.cells, "\t"))
	}
	_ = w.Flush()
	return text.String()
}
