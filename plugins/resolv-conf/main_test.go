// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"testing"

	"github.com/cni-chain/cni-chain/shared/testnet"
)

// machineHasNetns: /etc/netns was there, empty, before the tests, as on a machine where it has been used.
var machineHasNetns bool

func TestMain(m *testing.M) {
	testnet.Main(m, func() error {
		_, err := os.Stat("/etc/netns")
		machineHasNetns = err == nil
		return nil
	})
}
