// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/cni-chain/cni-chain/chain/chaintest"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// TestGolden runs testdata on a host that has bridge br9 and interface tap0, both with a MAC of their own. A case that
// makes an attachment names the MAC of the container's interface; all others follow from the names.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	c := container{ns: testnet.NamedNS(t, "golden"), network: "golden", id: "c1", ifName: "eth0"}
	t.Cleanup(func() { clearHost(t) })
	addBridge(t, "br9", 0, true)
	must(t, netlink.LinkSetHardwareAddr(addTap(t), net.HardwareAddr{2, 0, 0, 0, 0, 0x77}))
	before := testnet.Take(t, c.ns)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			chaintest.RunCase(t, plugin, file, map[string]string{"NS": c.ns.Path}, func(t *testing.T, _ chaintest.Outcome) {
				c.del(t, `"bridge": "br9"`)
				same(t, before, c.ns)
			})
		})
	}
}
