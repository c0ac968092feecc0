// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Package picture draws a topology: as text, as a tree, as SVG, and in the language of Graphviz. It looks at nothing
// but the topology that it is given.
package picture

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/topology"
)

// plan says what stands where, before anybody asks how it is drawn.
type plan struct {
	host *topology.Space
	// above are the spaces that a default route of the host leads to: the world.
	above []member
	// devices are interfaces of the host that lead to no space and carry nothing: its uplinks.
	devices []*topology.Interface
	// groups have members; idle are bridges without.
	groups, idle []group
}

// group is an interface of the host and what hangs on it.
type group struct {
	// bus is a bridge, or what macvlans and the like are on; nil for a space that is joined to the host by a cable alone.
	bus     *topology.Interface
	members []member
	// ports are further ports of a bridge that lead to no space: its uplinks.
	ports []*topology.Interface
}

// member is an interface of a space.
type member struct {
	space  *topology.Space
	inside *topology.Interface
	// end is the other end on the host; nil for an interface that is on the bus itself.
	end *topology.Interface
	// again says that the space is a member of an earlier group, where the rest of it stands.
	again bool
}

func arrange(t *topology.Topology) plan {
	p := plan{host: t.Host}
	direct := group{}
	for _, i := range t.Host.Interfaces {
		switch g := groupOf(t, i); {
		case i.Master != "" && isPort(t, i):
		case len(g.members) > 0:
			p.groups = append(p.groups, g)
		case i.Kind == "bridge":
			p.idle = append(p.idle, g)
		case i.Kind == "veth" && i.Peer == t.Host && i.Parent < i.Index:
			// A cable from the host to itself is told by its first end.
		case i.Peer == nil || i.Peer == t.Host:
			p.devices = append(p.devices, i)
		case i.Default:
			p.above = append(p.above, memberOf(i))
		default:
			direct.members = append(direct.members, memberOf(i))
		}
	}
	for i := range direct.members {
		p.groups = append(p.groups, group{members: direct.members[i : i+1]})
	}
	p.sort(t)
	return p
}

// isPort says whether the interface is drawn with its master.
func isPort(t *topology.Topology, i *topology.Interface) bool {
	master := t.Host.Interface(i.Master)
	return master != nil && master.Kind == "bridge"
}

// groupOf is what hangs on an interface of the host.
func groupOf(t *topology.Topology, bus *topology.Interface) group {
	g := group{bus: bus}
	for _, i := range t.Host.Interfaces {
		switch {
		case bus.Kind != "bridge" || i.Master != bus.Name:
		case i.Peer != nil && i.Peer != t.Host:
			g.members = append(g.members, memberOf(i))
		default:
			g.ports = append(g.ports, i)
		}
	}
	for _, s := range t.Spaces {
		for _, i := range s.Interfaces {
			if i.Kind != "veth" && i.Peer == t.Host && i.PeerName == bus.Name {
				g.members = append(g.members, member{space: s, inside: i})
			}
		}
	}
	return g
}

func memberOf(end *topology.Interface) member {
	return member{space: end.Peer, inside: end.Peer.Interface(end.PeerName), end: end}
}

// sort gives the members of a group the order of the spaces, and marks spaces that stand in a group before.
func (p *plan) sort(t *topology.Topology) {
	order := func(a, b member) int {
		return cmp.Compare(slices.Index(t.Spaces, a.space), slices.Index(t.Spaces, b.space))
	}
	slices.SortStableFunc(p.above, order)
	for _, g := range p.groups {
		slices.SortStableFunc(g.members, order)
	}
	seen := map[*topology.Space]bool{}
	for _, m := range p.above {
		seen[m.space] = true
	}
	for _, g := range p.groups {
		for i := range g.members {
			g.members[i].again = seen[g.members[i].space]
			seen[g.members[i].space] = true
		}
	}
}

// title is the bus with its addresses and what it is; "" without one.
func (g group) title() string {
	if g.bus == nil {
		return ""
	}
	return label(g.bus) + "  " + g.about()
}

// about says in brackets what the bus is.
func (g group) about() string {
	var words []string
	if g.bus.Kind == "bridge" {
		words = append(words, "bridge")
	} else if i := g.members[0].inside; i != nil && i.Kind != "" {
		words = append(words, strings.TrimSpace(i.Kind+" "+i.Mode))
	}
	if g.bus.Label != "" {
		words = append(words, g.bus.Label)
	}
	for _, port := range g.ports {
		words = append(words, "port "+port.Name)
	}
	return "(" + strings.Join(words, ", ") + ")"
}

// lines is what there is to say about a space: its interfaces, then notes. A member that is there again has but its
// interface.
func (m member) lines() []string {
	if m.again {
		return []string{label(m.inside)}
	}
	var lines []string
	for _, i := range m.space.Interfaces {
		lines = append(lines, label(i))
	}
	for _, note := range m.space.Notes {
		lines = append(lines, note.String())
	}
	return lines
}

// label is an interface with its addresses.
func label(i *topology.Interface) string {
	if i == nil {
		return ""
	}
	return strings.TrimSpace(i.Name + "  " + strings.Join(i.Addresses, " "))
}

// device is an interface of the host that leads elsewhere.
func device(i *topology.Interface) string {
	about := i.Kind
	switch {
	case i.Kind == "vlan" && i.PeerName != "":
		about = fmt.Sprintf("vlan %d on %s", i.VLAN, i.PeerName)
	case i.PeerName != "":
		about += " to " + i.PeerName
	case i.Default:
		about = "uplink"
	}
	return label(i) + "  (" + about + ")"
}
