// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"os"
	"testing"

	"github.com/cni-chain/cni-chain/e2e/faults/ledger"
)

// open makes the ledger of a test. At the test's end the sum is logged, and the lines are appended to the file
// FAULTS_TABLE if make asks for it.
func open(t *testing.T) *ledger.Ledger {
	t.Helper()
	book := &ledger.Ledger{}
	t.Cleanup(func() {
		t.Logf("%+v", book.Sum())
		if name := os.Getenv("FAULTS_TABLE"); name != "" {
			if err := book.Append(name); err != nil {
				t.Error(err)
			}
		}
	})
	return book
}
