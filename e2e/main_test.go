// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Package e2e runs whole chains: every example conflist, alone and beside the reference plugins, through libcni and
// through the programs that people use, with traffic, wrong input and a snapshot of the machine around each. What a
// single link does is tested in its folder.
package e2e

import (
	"testing"

	"github.com/cni-chain/cni-chain/e2e/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
