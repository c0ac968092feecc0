// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"fmt"
	"os"
	"testing"
)

// note logs a row of the table, and appends it to the file FAULTS_TABLE if make asks for it.
func (r tally) note(t *testing.T, kind, what string) {
	t.Helper()
	t.Logf("%s: %s: %d points, %d faults took effect, %d leaks, %d hangs, %d without an error document",
		kind, what, r.points, r.reached, r.leaks, r.hangs, r.silent)
	file := os.Getenv("FAULTS_TABLE")
	if file == "" || r.points == 0 {
		return
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fmt.Fprintf(f, "%s|%s|%d|%d|%d|%d|%d\n", kind, what, r.points, r.reached, r.leaks, r.hangs, r.silent)
}
