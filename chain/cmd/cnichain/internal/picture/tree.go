// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package picture

import (
	"fmt"
	"strings"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/topology"
)

// Tree writes the topology as a tree, one line for a thing, however large the host is:
//
//	host
//	├─ out0  192.0.2.1/24  ──  outside: eth0  192.0.2.2/24
//	└─ cni0  10.88.1.1/24  (bridge)
//	   ├─ veth3d8z6ao9e88  ──  blue: eth0  10.88.1.2/24
//	   └─ veth3d85wr1erec  ──  green: eth0  10.88.1.3/24
func Tree(t *topology.Topology) string {
	p := arrange(t)
	root := &node{text: t.Host.Name}
	for _, m := range p.above {
		root.add(m.node())
	}
	for _, line := range p.hostLines() {
		root.add(&node{text: line})
	}
	for _, g := range p.groups {
		root.add(g.node())
	}
	var b strings.Builder
	root.write(&b, "", "")
	return b.String()
}

type node struct {
	text  string
	below []*node
}

func (n *node) add(below *node) { n.below = append(n.below, below) }

func (n *node) write(b *strings.Builder, first, rest string) {
	fmt.Fprintf(b, "%s%s\n", first, n.text)
	for i, below := range n.below {
		if i < len(n.below)-1 {
			below.write(b, rest+"├─ ", rest+"│  ")
		} else {
			below.write(b, rest+"└─ ", rest+"   ")
		}
	}
}

func (g group) node() *node {
	if g.bus == nil {
		return g.members[0].node()
	}
	n := &node{text: g.title()}
	for _, m := range g.members {
		n.add(m.node())
	}
	return n
}

// node is the member on one line, with what else there is of the space below.
func (m member) node() *node {
	n := &node{text: m.space.Name + ": " + label(m.inside)}
	if m.end != nil {
		n.text = label(m.end) + "  ──  " + n.text
	}
	if m.again {
		return n
	}
	for _, i := range m.space.Interfaces {
		if i != m.inside {
			n.add(&node{text: label(i) + "  (" + i.Kind + ")"})
		}
	}
	for _, note := range m.space.Notes {
		n.add(&node{text: note.String()})
	}
	return n
}
