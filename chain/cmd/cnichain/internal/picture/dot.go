// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package picture

import (
	"fmt"
	"strings"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/topology"
)

// DOT writes the topology in the language of Graphviz (graphviz.org/doc/info/lang.html): a cluster for the host and
// each space, a node for each interface, an edge for each cable, port and parent.
func DOT(t *topology.Topology) string {
	g := &graph{numbers: map[*topology.Interface]int{}}
	g.line(`graph "networks" {`)
	g.line(`  graph [rankdir=TB, fontname="sans-serif", fontsize=12, style="rounded", color="#8c959f"]`)
	g.line(`  node [shape=box, style="rounded,filled", fillcolor="white", color="#8c959f", fontname="monospace", fontsize=10]`)
	g.line(`  edge [color="#57606a"]`)
	for i, s := range append([]*topology.Space{t.Host}, t.Spaces...) {
		g.cluster(i, s)
	}
	for _, s := range append([]*topology.Space{t.Host}, t.Spaces...) {
		for _, i := range s.Interfaces {
			g.edges(s, i)
		}
	}
	g.line("}")
	return g.text.String()
}

type graph struct {
	text    strings.Builder
	numbers map[*topology.Interface]int
}

func (g *graph) line(format string, args ...any) {
	fmt.Fprintf(&g.text, format+"\n", args...)
}

// quote is a string of the language: only a quotation mark means something in it, and a backslash in labels.
func quote(lines ...string) string {
	for i, line := range lines {
		lines[i] = strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(line)
	}
	return `"` + strings.Join(lines, `\n`) + `"`
}

func (g *graph) cluster(number int, s *topology.Space) {
	g.line("  subgraph cluster_%d {", number)
	title := []string{s.Name}
	for _, note := range s.Notes {
		title = append(title, note.String())
	}
	g.line("    label=%s", quote(title...))
	for _, i := range s.Interfaces {
		g.numbers[i] = len(g.numbers)
		shape := ""
		if i.Kind == "bridge" {
			shape = `, fillcolor="#ddf4ff", penwidth=2`
		}
		g.line("    i%d [label=%s%s]", g.numbers[i], quote(append([]string{i.Name + kindOf(i)}, i.Addresses...)...), shape)
	}
	g.line("  }")
}

// kindOf says in brackets what an interface is, where its name does not.
func kindOf(i *topology.Interface) string {
	if i.Kind == "" || i.Kind == "veth" || i.Kind == "device" {
		return ""
	}
	return " (" + strings.TrimSpace(i.Kind+" "+i.Mode) + ")"
}

func (g *graph) edges(s *topology.Space, i *topology.Interface) {
	if master := s.Interface(i.Master); master != nil {
		g.line("  i%d -- i%d", g.numbers[master], g.numbers[i])
	}
	if i.Peer == nil {
		return
	}
	other := i.Peer.Interface(i.PeerName)
	switch {
	case other == nil:
	case i.Kind != "veth":
		g.line("  i%d -- i%d [style=dashed]", g.numbers[other], g.numbers[i])
	case g.numbers[i] < g.numbers[other]: // a cable has two ends and is one edge
		g.line("  i%d -- i%d [penwidth=2]", g.numbers[i], g.numbers[other])
	}
}
