// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package chain_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/cni-chain/cni-chain/chain"
)

// BenchmarkADD is the frame around a link that does nothing, with configurations from small to that of 1,000 ports.
func BenchmarkADD(b *testing.B) {
	link := files(chain.Anywhere)
	link.Add = func(context.Context, *request) error { return nil }
	for _, ports := range []int{0, 1, 1000} {
		mapping := strings.TrimSuffix(strings.Repeat(`{"hostPort":8080},`, ports), ",")
		args := &chain.CmdArgs{ContainerID: "c", IfName: "eth0", Netns: ownNS, NetnsOverride: "1", StdinData: fmt.Appendf(nil,
			`{"cniVersion":"1.0.0","name":"n","mapping":[%s],"prevResult":{"cniVersion":"1.0.0","interfaces":[{"name":"br0"},
			{"name":"eth0","sandbox":%q}],"ips":[{"address":"10.0.0.2/24","interface":1}],"routes":[{"dst":"0.0.0.0/0"}]}}`, mapping, ownNS)}
		b.Run(fmt.Sprintf("%d ports", ports), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := link.Invoke(b.Context(), "ADD", args); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
