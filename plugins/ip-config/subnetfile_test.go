// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// writeRange writes what flanneld writes of a host's range; "" is that it has none yet.
func writeRange(t *testing.T, path, subnet string) {
	t.Helper()
	if subnet == "" {
		must(t, os.RemoveAll(path))
		return
	}
	text := fmt.Sprintf("FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=%s\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=false\n", subnet)
	must(t, os.WriteFile(path, []byte(text), 0o600))
}

// TestRangeFromFlannel follows a host's range from before flanneld has one until after it has got another: what is
// masqueraded is not what goes to other hosts, the way there has the MTU of the tunnel, and a container of the first
// range stays what it is.
func TestRangeFromFlannel(t *testing.T) {
	for _, backend := range backends {
		t.Run(backend, func(t *testing.T) {
			w := newWorld(t)
			other := &world{t: t, ns: testnet.NewNS(t), bridge: w.bridge, id: "c2"}
			path := filepath.Join(t.TempDir(), "subnet.env")
			conf := fmt.Sprintf(`"isDefaultGateway": true, "ipMasq": true, "ipMasqBackend": %q,
				"ipam": {"type": "ip-pool", "subnetFile": %q}`, backend, path)
			before := w.snapshot()
			w.run("STATUS", conf, "").Fails(t, chain.CodeNotAvailable, path+" is not there")
			w.run("ADD", conf, w.prev()).Fails(t, chain.CodeTryAgain, path+" is not there")
			w.same(before)

			writeRange(t, path, "10.244.3.1/24")
			w.run("STATUS", conf, "").OK(t)
			_, first := w.add(conf)
			for _, want := range []string{"default via 10.244.3.1 ", "10.244.0.0/16 via 10.244.3.1 dev eth0 proto 193 mtu 1450"} {
				if routes := w.ip("route"); !strings.Contains(routes, want) {
					t.Errorf("no route %q in\n%s", want, routes)
				}
			}
			rules := w.host("nft", "list", "ruleset")
			if !strings.Contains(rules, "10.244.0.0/16") || strings.Contains(rules, "10.244.3.0/24") {
				t.Errorf("masqueraded is not what leaves 10.244.0.0/16, but:\n%s", rules)
			}

			writeRange(t, path, "10.244.9.1/24")
			other.connect("veth1", "eth0", "02:00:00:00:00:06")
			_, second := other.add(conf)
			for _, want := range []string{"10.244.3.1/24", "10.244.9.1/24"} {
				if addresses := w.host("ip", "addr", "show", w.bridge); !strings.Contains(addresses, want) {
					t.Errorf("no gateway %s on the bridge:\n%s", want, addresses)
				}
			}
			w.run("CHECK", conf, first).OK(t)
			other.run("CHECK", conf, second).OK(t)

			writeRange(t, path, "")
			other.run("DEL", conf, "").OK(t)
			w.run("DEL", conf, "").OK(t)
			w.same(before, append(network, "veth1")...)
		})
	}
}
