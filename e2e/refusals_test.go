// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/containernetworking/cni/pkg/types"
	"github.com/vishvananda/netlink"

	"github.com/cni-chain/cni-chain/e2e/harness"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// refusals are chains in which the second container cannot be attached, and what its runtime is told.
var refusals = []struct {
	name, plugins string
	// alone: there is no first container.
	alone   bool
	prepare func(t *testing.T, w *harness.World, b *harness.Attachment)
	code    uint
	says    string
	// del is the code of the DEL that follows, if that cannot be done either.
	del uint
	// status is the code of STATUS at that time, 0 where it succeeds.
	status uint
}{
	{
		name:    "exhausted pool",
		plugins: l2 + `, {"type": "ip-config", "isGateway": true, "ipam": {"type": "ip-pool", "subnet": "10.88.60.0/30"}}`,
		code:    11,
		says:    `10\.88\.60\.\d.*(exhausted|leased)`,
		status:  50,
	},
	{
		name:    "missing IPAM plugin",
		plugins: l2 + `, {"type": "ip-config", "ipam": {"type": "no-such-plugin"}}`,
		alone:   true,
		code:    4,
		says:    `no-such-plugin.*CNI_PATH`,
		// It may have leased an address before it was lost.
		del:    4,
		status: 50,
	},
	{
		name: "taken port",
		plugins: l2 + `, {"type": "ip-config", "isDefaultGateway": true, "ipam": {"type": "ip-pool", "subnet": "10.88.61.0/24"}},
			{"type": "port-map", "capabilities": {"portMappings": true}}`,
		code: 110,
		says: `8080.*container-a`,
	},
	{
		name:    "taken address",
		plugins: l2 + `, {"type": "ip-config", "ipam": {"type": "ip-pool", "subnet": "10.88.62.0/24"}, "capabilities": {"ips": true}}`,
		prepare: func(_ *testing.T, _ *harness.World, b *harness.Attachment) { b.With("ips", []string{"10.88.62.2/24"}) },
		code:    11,
		says:    `10\.88\.62\.2.*container-a`,
	},
	{
		name:    "taken interface name",
		plugins: l2,
		alone:   true,
		prepare: func(t *testing.T, _ *harness.World, b *harness.Attachment) {
			must(t, "make an eth0", b.NS.Do(func() error {
				return netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "eth0"}})
			}))
		},
		code: 101,
		says: `eth0.*exists`,
	},
	{
		name:    "uplink that the host itself uses",
		plugins: `{"type": "veth-bridge", "bridge": "cni-refused", "uplink": "out0"}`,
		alone:   true,
		code:    103,
		says:    `out0.*192\.0\.2\.1`,
		status:  50,
	},
	{
		name:    "bridge name that belongs to something else",
		plugins: `{"type": "veth-bridge", "bridge": "out0"}`,
		alone:   true,
		code:    102,
		says:    `out0.*bridge`,
		status:  50,
	},
}

const l2 = `{"type": "veth-bridge", "bridge": "cni-refused", "hairpinMode": true}`

// TestRefusals: what cannot be done is said with the right code, and the DEL that a runtime sends after a failed ADD
// leaves the machine as it was, the first container's attachment included.
func TestRefusals(t *testing.T) {
	for _, c := range refusals {
		t.Run(c.name, func(t *testing.T) {
			n := harness.Parse(t, fmt.Sprintf(`{"cniVersion": "1.1.0", "name": "refused", "plugins": [%s]}`, c.plugins))
			w := harness.NewWorld(t, n)
			a := n.Attach(testnet.NewNS(t), "container-a").With("portMappings", harness.PublishedPorts)
			b := n.Attach(testnet.NewNS(t), "container-b").With("portMappings", harness.PublishedPorts)
			if c.prepare != nil {
				c.prepare(t, w, b)
			}
			if !c.alone {
				a.MustAdd(t)
			}
			before := testnet.Take(t, a.NS, b.NS)
			err := b.Add()
			checkCode(t, "ADD", err, c.code)
			if err != nil && !regexp.MustCompile(c.says).MatchString(err.Error()) {
				t.Errorf("ADD says %q, want %q", err, c.says)
			}
			checkCode(t, "DEL", b.Del(), c.del)
			if c.del != 0 {
				// With the plugin there it can be done.
				b.Net = harness.Parse(t, strings.ReplaceAll(string(n.List.Bytes), "no-such-plugin", "static"))
				must(t, "DEL after the repair", b.Del())
			}
			if left := harness.Left(n, testnet.Diff(before, testnet.Take(t, a.NS, b.NS))); left != "" {
				t.Errorf("the machine is not what it was:\n%s", left)
			}
			checkCode(t, "STATUS", n.Status(), c.status)
			if !c.alone {
				must(t, "CHECK of the first container", a.Check())
			}
		})
	}
}

func checkCode(t *testing.T, what string, err error, want uint) {
	t.Helper()
	var failure *types.Error
	switch errors.As(err, &failure); {
	case err == nil && want != 0:
		t.Errorf("%s succeeds, want code %d", what, want)
	case err != nil && failure == nil:
		t.Errorf("%s: %v, which is no CNI error", what, err)
	case failure != nil && failure.Code != want:
		t.Errorf("%s has code %d, want %d: %v", what, failure.Code, want, err)
	}
}

// TestDelKnowsNothing: a DEL that has the names alone (no namespace, no result, no capability argument) clears the same
// as one that has everything.
func TestDelKnowsNothing(t *testing.T) {
	for _, file := range harness.Conflists(t) {
		n := harness.Load(t, file)
		if !n.OursOnly() {
			continue
		}
		t.Run(n.List.Name, func(t *testing.T) {
			w := harness.NewWorld(t, n)
			a := process(t, n, "container-a").With("portMappings", harness.PublishedPorts)
			before := testnet.Take(t, w.Outside.NS)
			must(t, "ADD", a.Add())
			must(t, "end the container", a.NS.Close())
			forgetful := harness.Load(t, file) // with an empty cache, as after a crash
			must(t, "DEL", forgetful.Attach(&testnet.NS{}, "container-a").Del())
			if left := harness.Left(n, testnet.Diff(before, testnet.Take(t, w.Outside.NS))); left != "" {
				t.Errorf("the machine is not what it was:\n%s", left)
			}
		})
	}
}
