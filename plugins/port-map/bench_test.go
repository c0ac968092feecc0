// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"testing"

	"github.com/cni-chain/cni-chain/chain"
)

// BenchmarkAdd adds, in process, attachments with as many ports, and deletes them outside of the measured time.
func BenchmarkAdd(b *testing.B) {
	for _, ports := range []int{1, 1000} {
		b.Run(fmt.Sprintf("%d ports", ports), func(b *testing.B) {
			network := newBridge(b, "cni0", "10.88.1.1/24", "fd00:88:1::1/64")
			first, c := network.newContainer(), network.newContainer()
			var mappings []Mapping
			for i := range ports {
				mappings = append(mappings, Mapping{HostPort: 10000 + i, ContainerPort: 10000 + i})
			}
			first.add(nil, web).OK(b)
			config, err := json.Marshal(c.config(nil, mappings...))
			must(b, err)
			args := &chain.CmdArgs{ContainerID: c.id, Netns: c.Path, IfName: "eth0", StdinData: config}
			for b.Loop() {
				_, err := plugin.Invoke(context.Background(), "ADD", args)
				must(b, err)
				b.StopTimer()
				_, err = plugin.Invoke(context.Background(), "DEL", args)
				must(b, err)
				b.StartTimer()
			}
		})
	}
}

// BenchmarkAddAmong adds one attachment with one port to a host that has many: it is to cost the same.
func BenchmarkAddAmong(b *testing.B) {
	for _, live := range []int{1, 500, 2000} {
		b.Run(fmt.Sprintf("%d attachments", live), func(b *testing.B) {
			network := newBridge(b, "cni0", "10.88.0.1/16", "fd00:88::1/64")
			c := network.newContainer()
			invoke := func(command string, i int) {
				b.Helper()
				c.v4, c.v6 = netip.AddrFrom4([4]byte{10, 88, byte(1 + i/250), byte(1 + i%250)}), netip.Addr{}
				config, err := json.Marshal(c.config(map[string]any{"listeners": listenersIgnore},
					Mapping{HostPort: 10000 + i, ContainerPort: 80}))
				must(b, err)
				_, err = plugin.Invoke(context.Background(), command, &chain.CmdArgs{ContainerID: fmt.Sprintf("c%d", i),
					Netns: c.Path, IfName: "eth0", StdinData: config})
				must(b, err)
			}
			for i := range live {
				invoke("ADD", i)
			}
			b.Cleanup(func() {
				for i := range live {
					invoke("DEL", i)
				}
			})
			for b.Loop() {
				invoke("ADD", live)
				b.StopTimer()
				invoke("DEL", live)
				b.StartTimer()
			}
		})
	}
}
