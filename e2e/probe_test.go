// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cni-chain/cni-chain/e2e/harness"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// withProbe is a chain with a probe after the first `at` plugins.
func withProbe(t *testing.T, n *harness.Network, probes map[int]map[string]any) *harness.Network {
	t.Helper()
	var plugins []map[string]any
	for i := 0; i <= len(n.Objects()); i++ {
		if p, ok := probes[i]; ok {
			p["type"] = "probe"
			plugins = append(plugins, p)
		}
		if i < len(n.Objects()) {
			plugins = append(plugins, n.Objects()[i])
		}
	}
	list, err := json.Marshal(map[string]any{"cniVersion": n.List.CNIVersion, "name": n.List.Name, "plugins": plugins})
	must(t, "write the conflist", err)
	return harness.ParseWith(t, string(list), nil, harness.ProbeDir(t))
}

// TestFailAnywhere: whichever plugin of a chain fails, the DEL that follows leaves nothing of those before it.
func TestFailAnywhere(t *testing.T) {
	for _, file := range harness.Conflists(t) {
		whole := harness.Load(t, file)
		for at := range len(whole.Types()) + 1 {
			t.Run(fmt.Sprintf("%s/after %d", whole.List.Name, at), func(t *testing.T) {
				n := withProbe(t, whole, map[int]map[string]any{at: {"fail": "ADD"}})
				harness.NewWorld(t, n)
				a := n.Attach(testnet.NewNS(t), "container-a").With("portMappings", harness.PublishedPorts)
				before := testnet.Take(t, a.NS)
				checkCode(t, "ADD", a.Add(), harness.ProbeCode)
				must(t, "DEL", a.Del())
				if left := harness.LeftByFailed(n, testnet.Diff(before, testnet.Take(t, a.NS))); left != "" {
					t.Errorf("the machine is not what it was:\n%s", left)
				}
			})
		}
	}
}

// TestProbeBetween: a plugin between ours is given what each link has made so far, and afterwards the whole.
func TestProbeBetween(t *testing.T) {
	whole, dir, probes := harness.Load(t, harness.Example("dual-stack")), t.TempDir(), map[int]map[string]any{}
	for at := 1; at <= len(whole.Types()); at++ {
		probes[at] = map[string]any{
			"record": filepath.Join(dir, fmt.Sprint(at)), "capabilities": map[string]bool{"portMappings": true},
		}
	}
	n := withProbe(t, whole, probes)
	harness.NewWorld(t, n)
	a := n.Attach(testnet.NewNS(t), "container-a").With("portMappings", harness.PublishedPorts)
	must(t, "ADD", a.Add())
	must(t, "CHECK", a.Check())
	must(t, "STATUS", n.Status())
	must(t, "GC", n.GC(a))
	must(t, "DEL", a.Del())

	made := []map[string]int{
		1: {"interfaces": 3}, 2: {"interfaces": 3, "ips": 2, "routes": 2}, 3: {"interfaces": 3, "ips": 2, "routes": 2, "dns": 3},
		4: {"interfaces": 3, "ips": 2, "routes": 2, "dns": 3},
	}
	for at := range probes {
		var commands []string
		for _, r := range harness.Records(t, filepath.Join(dir, fmt.Sprint(at))) {
			commands = append(commands, r.Command)
			want := made[at]
			switch r.Command {
			case "CHECK", "DEL":
				want = made[4]
			case "STATUS", "GC":
				want = nil
			}
			if diff := cmp.Diff(want, sizes(r.Stdin["prevResult"])); diff != "" {
				t.Errorf("prevResult of %s after %d links, want -, got +:\n%s", r.Command, at, diff)
			}
		}
		if want := []string{"ADD", "CHECK", "STATUS", "GC", "DEL"}; !slices.Equal(commands, want) {
			t.Errorf("the probe after %d links was called for %q, want %q", at, commands, want)
		}
	}
}

// sizes counts what the parts of a result hold; nil is no result.
func sizes(result any) map[string]int {
	object, ok := result.(map[string]any)
	if !ok {
		return nil
	}
	n := map[string]int{}
	for key := range maps.Keys(object) {
		switch part := object[key].(type) {
		case []any:
			n[key] = len(part)
		case map[string]any:
			if len(part) > 0 {
				n[key] = len(part)
			}
		}
	}
	return n
}
