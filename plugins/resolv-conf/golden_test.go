// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/cni-chain/cni-chain/chain/chaintest"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

func TestGolden(t *testing.T) {
	ns := testnet.NamedNS(t, "golden")
	vars := map[string]string{
		"NS":   ns.Path,
		"HOST": hostFile(t, "nameserver 127.0.0.1\nnameserver 192.0.2.53\nsearch host.example\noptions edns0\n"),
		"STUB": hostFile(t, "nameserver 127.0.0.1\n"),
	}
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			before := world(t)
			chaintest.RunCase(t, plugin, file, vars, func(t *testing.T, _ chaintest.Outcome) {
				attachment{"net", "c1", "eth0", "", ""}.ok(t, "DEL")
				unchanged(t, before)
			})
		})
	}
}
