// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package chaintest

import (
	"context"
	"testing"

	current "github.com/containernetworking/cni/pkg/types/100"

	"github.com/cni-chain/cni-chain/chain"
)

type config struct {
	Name string `json:"ifname"`
}

// mtu is a link that adds an interface with a field of 1.1.
var mtu = &chain.Plugin[config]{
	Name: "mtu", Place: chain.Later,
	Add: func(_ context.Context, r *chain.Request[config]) error {
		r.Result.Interfaces = append(r.Result.Interfaces, &current.Interface{Name: r.Conf.Name, Mtu: 1400, Sandbox: r.NetNS})
		return nil
	},
	Del:   func(context.Context, *chain.Request[config]) error { return nil },
	Check: func(context.Context, *chain.Request[config]) error { return nil },
}

func TestGolden(t *testing.T) {
	Golden(t, mtu, "testdata/*.txtar", map[string]string{"NS": "/proc/self/ns/net"})
}

// TestProtocolIsHeldTo: what a runtime could not read is noticed.
func TestProtocolIsHeldTo(t *testing.T) {
	for _, c := range []struct {
		name, cmd, stdout string
		exit              int
		ok                bool
	}{
		{"result", "ADD", `{"cniVersion":"1.1.0"}`, 0, true},
		{"error", "ADD", `{"cniVersion":"1.1.0","code":7,"msg":"x"}`, 1, true},
		{"silence", "DEL", ``, 0, true},
		{"two documents", "ADD", `{"cniVersion":"1.1.0"}{"cniVersion":"1.1.0","code":8,"msg":"x"}`, 1, false},
		{"error without a version", "ADD", `{"code":7,"msg":"x"}`, 1, false},
		{"error with exit 0", "ADD", `{"cniVersion":"1.1.0","code":7,"msg":"x"}`, 0, false},
		{"result with exit 1", "ADD", `{"cniVersion":"1.1.0"}`, 1, false},
		{"talkative DEL", "DEL", `{"cniVersion":"1.1.0"}`, 0, false},
		{"nothing", "ADD", ``, 0, false},
	} {
		o := Outcome{Exit: c.exit, Stdout: c.stdout}
		if err := o.holdToProtocol(c.cmd); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
