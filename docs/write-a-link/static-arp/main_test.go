// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/cni-chain/cni-chain/chain/chaintest"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

func TestMain(m *testing.M) { testnet.Main(m) }

func TestNeighbours(t *testing.T) {
	ns := testnet.NewNS(t)
	if err := ns.Do(func() error {
		return netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "eth0", Flags: net.FlagUp}})
	}); err != nil {
		t.Fatal(err)
	}
	call := func(command, neighbours string) chaintest.Call {
		return chaintest.Call{Command: command, ContainerID: "c", NetNS: ns.Path, IfName: "eth0", Config: `{
			"cniVersion": "1.0.0", "name": "net", "type": "static-arp", "neighbours": ` + neighbours + `,
			"prevResult": {"cniVersion": "1.0.0", "interfaces": [{"name": "eth0", "sandbox": "` + ns.Path + `"}]}}`}
	}
	world := func(t *testing.T) string {
		t.Helper()
		return testnet.Take(t, ns).String()
	}
	const two = `{"10.88.1.9": "02:00:00:00:00:09", "fd00::9": "02:00:00:00:00:09"}`

	// Whichever step fails, nothing is left; in the end none fails.
	if steps := chaintest.FailEachStep(t, plugin, call("ADD", two), nil, world); steps != 2 {
		t.Errorf("%d steps, want 2", steps)
	}
	chaintest.Run(t, plugin, call("CHECK", two)).OK(t)
	chaintest.Run(t, plugin, call("CHECK", `{"10.88.1.9": "02:00:00:00:00:0a"}`)).Fails(t, 100, "10.88.1.9", "not there")
	chaintest.Run(t, plugin, call("DEL", two)).OK(t)

	// What is wrong is said before anything is done, with its place.
	chaintest.Run(t, plugin, call("ADD", `{"10.88.1.9": "02:00"}`)).Fails(t, 7, "neighbours.10.88.1.9", "02:00")
	chaintest.Run(t, plugin, call("ADD", `{"10.88.1": "02:00:00:00:00:09"}`)).Fails(t, 6, "10.88.1")
}
