// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package digest_test

import (
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/cni-chain/cni-chain/shared/digest"
)

// FuzzSum: it is what crypto/sha256 gives.
func FuzzSum(f *testing.F) {
	for n := range 200 { // across the ends of three blocks
		f.Add(strings.Repeat("é", n/2) + strings.Repeat("x", n%2))
	}
	f.Fuzz(func(t *testing.T, text string) {
		if got, want := digest.Sum(text), sha256.Sum256([]byte(text)); got != want {
			t.Errorf("Sum(%q) = %x, want %x", text, got, want)
		}
	})
}
