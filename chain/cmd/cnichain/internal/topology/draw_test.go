// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDraw(t *testing.T) {
	blue := space("blue", 3, "10.88.1.2/24")
	green := space("green", 4, "10.88.1.3/24")
	green.Notes = []string{"serves a page on :80"}
	outside := space("outside", 1, "192.0.2.2/24")
	topology := &Topology{
		Host: &Space{Name: "host", Notes: []string{"tcp 8080 -> 10.88.1.3:80"}, Interfaces: []*Interface{
			{Name: "out0", Kind: "veth", Index: 1, Parent: 2, Addresses: []string{"192.0.2.1/24"}},
			{Name: "cni0", Kind: "bridge", Index: 5, Addresses: []string{"10.88.1.1/24"}},
			{Name: "veth0abcdefghij", Kind: "veth", Index: 3, Parent: 2, Master: "cni0"},
			{Name: "veth1abcdefghij", Kind: "veth", Index: 4, Parent: 2, Master: "cni0"},
		}},
		Spaces: []*Space{blue, green, outside},
	}
	topology.connect()
	want := `
  ┌─ outside ──────────┐
  │ eth0  192.0.2.2/24 │
  └────┬───────────────┘
┌──────┴─ host ──────────────────────────────────────────────┐
│     out0  192.0.2.1/24                                     │
│  tcp 8080 -> 10.88.1.3:80                                  │
│                                                            │
│  cni0  10.88.1.1/24  (bridge)                              │
│  ════╤═══════════════════════╤═══════════════════════════  │
│     veth0abcdefghij         veth1abcdefghij                │
└──────┬───────────────────────┬─────────────────────────────┘
  ┌────┴─ blue ────────┐  ┌────┴─ green ─────────┐
  │ eth0  10.88.1.2/24 │  │ eth0  10.88.1.3/24   │
  │                    │  │ serves a page on :80 │
  └────────────────────┘  └──────────────────────┘
`[1:]
	if diff := cmp.Diff(want, topology.Draw()); diff != "" {
		t.Errorf("%s\n%s", topology.Draw(), diff)
	}
}

// space is a namespace with an eth0 whose other end has the index parent.
func space(name string, parent int, address string) *Space {
	return &Space{Name: name, Interfaces: []*Interface{
		{Name: "eth0", Kind: "veth", Index: 2, Parent: parent, Addresses: []string{address}},
	}}
}

func TestDrawWithoutNeighbours(t *testing.T) {
	topology := &Topology{Host: &Space{Name: "host"}}
	want := `
┌─ host ─────────────────────────────────────────────────────┐
└────────────────────────────────────────────────────────────┘
`[1:]
	if diff := cmp.Diff(want, topology.Draw()); diff != "" {
		t.Error(diff)
	}
}
