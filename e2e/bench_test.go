// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cni-chain/cni-chain/e2e/harness"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// upstreamAlone is what our bridge.conflist is measured beside: the same network by the reference plugins.
const upstreamAlone = `{"cniVersion": "1.0.0", "name": "upstream", "plugins": [
	{"type": "bridge", "bridge": "cni-upstream", "hairpinMode": true, "isDefaultGateway": true, "ipMasq": true,
	 "ipam": {"type": "host-local", "subnet": "10.88.90.0/24"}},
	{"type": "portmap", "capabilities": {"portMappings": true}}]}`

// BenchmarkAttach is an ADD and a DEL through libcni, one port mapped, for every example and for upstream alone.
func BenchmarkAttach(b *testing.B) {
	b.Run("upstream", func(b *testing.B) { attach(b, harness.Parse(b, upstreamAlone)) })
	for _, file := range harness.Conflists(b) {
		b.Run(strings.TrimSuffix(filepath.Base(file), ".conflist"), func(b *testing.B) { attach(b, harness.Load(b, file)) })
	}
}

func attach(b *testing.B, n *harness.Network) {
	harness.NewWorld(b, n)
	a := n.Attach(testnet.NewNS(b), "container-a").With("portMappings", harness.PublishedPorts[:1])
	var add, del time.Duration
	for b.Loop() {
		start := time.Now()
		if err := a.Add(); err != nil {
			b.Fatal(err)
		}
		add += time.Since(start)
		start = time.Now()
		if err := a.Del(); err != nil {
			b.Fatal(err)
		}
		del += time.Since(start)
	}
	b.ReportMetric(float64(add.Microseconds())/float64(b.N)/1000, "ms/ADD")
	b.ReportMetric(float64(del.Microseconds())/float64(b.N)/1000, "ms/DEL")
	b.ReportMetric(0, "ns/op")
}
