// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cni-chain/cni-chain/chain/chaintest"
)

// TestGolden runs the cases of testdata over the versions of the specification, each on a host with nothing but the
// bridge and the container's interface.
func TestGolden(t *testing.T) {
	w := newWorld(t)
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d cases, %v", len(files), err)
	}
	before := w.snapshot()
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			vars := map[string]string{"NS": w.ns.Path, "BRIDGE": w.bridge}
			chaintest.RunCase(t, plugin, file, vars, func(t *testing.T, o chaintest.Outcome) {
				t.Helper()
				if o.Err != nil {
					w.same(before, network...)
				}
				w.run("DEL", `"ipam": {"type": "ip-pool"}`, "").OK(t)
				must(t, os.RemoveAll("/run/cni-chain/pool"))
				w.host("ip", "addr", "flush", "dev", w.bridge, "scope", "global")
				w.same(before, network...)
			})
		})
	}
}
