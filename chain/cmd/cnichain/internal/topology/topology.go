// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Package topology reads from the kernel what is connected to what: the host, the network namespaces that something on
// it refers to, and their interfaces. It knows nothing of CNI and draws nothing: whose an interface is, and what else
// is to stand in a box, is the caller's; package picture draws.
package topology

import (
	"fmt"
	"slices"
)

// Interface is a network interface, loopback left out.
type Interface struct {
	Name string
	// Kind is that of the kernel: veth, bridge, macvlan, vlan, ...; "device" is hardware.
	Kind string
	// Mode is that of a macvlan or ipvlan: bridge, private, l2, l3.
	Mode string
	// VLAN is the number of a vlan interface.
	VLAN  int
	Index int
	// Parent is the index of a veth's other end, or of the interface that a macvlan, ipvlan or vlan is on.
	Parent int
	// Master is the name of the bridge, or other interface, that this one is a port of.
	Master   string
	MAC      string
	MTU      int
	Alias    string
	AltNames []string
	// Up says that it was switched on, Carrier that the other end was, too.
	Up, Carrier bool
	// Default says that a default route leaves by it.
	Default bool
	// Addresses are in CIDR notation, those of one link (fe80::/10) left out.
	Addresses []string
	// Label is what else there is to say of it, the caller's.
	Label string
	// Peer is the space where Parent is, nil where that is nowhere we look; PeerName its name there.
	Peer     *Space
	PeerName string

	// parentNS is the number by which the interface's space knows that of Parent; -1 is the space itself.
	parentNS int
}

// Note is a further line in a space's box.
type Note struct {
	// Kind is what it is about in a word, "port" or "dns"; it may be "".
	Kind, Text string
}

// Space is a network namespace: the host or a container.
type Space struct {
	Name string
	// Path opens it; "" for the host.
	Path       string
	Interfaces []*Interface
	Notes      []Note

	// device and inode tell namespaces apart (namespaces(7)).
	device, inode uint64
	// ids are the numbers by which it knows others.
	ids map[*Space]int
}

// Is says whether the space is the namespace with that device and inode.
func (s *Space) Is(device, inode uint64) bool { return s.device == device && s.inode == inode }

// Interface is the interface of that name, or nil.
func (s *Space) Interface(name string) *Interface {
	return s.find(func(i *Interface) bool { return i.Name == name })
}

func (s *Space) find(is func(*Interface) bool) *Interface {
	if at := slices.IndexFunc(s.Interfaces, is); at >= 0 {
		return s.Interfaces[at]
	}
	return nil
}

// Topology is a host and the spaces around it.
type Topology struct {
	Host   *Space
	Spaces []*Space
}

// Connected are the spaces that an interface of theirs joins to the host, directly or through another of them.
func (t *Topology) Connected() []*Space {
	reached := map[*Space]bool{t.Host: true}
	for grown := true; grown; {
		grown = false
		for _, s := range t.Spaces {
			if !reached[s] && slices.ContainsFunc(s.Interfaces, func(i *Interface) bool { return reached[i.Peer] }) {
				reached[s], grown = true, true
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(t.Spaces), func(s *Space) bool { return !reached[s] })
}

// connect finds where the other end of each interface is, or the interface that it is on.
func (t *Topology) connect() {
	all := append([]*Space{t.Host}, t.Spaces...)
	for _, here := range all {
		for _, i := range here.Interfaces {
			for _, there := range all {
				if i.Parent == 0 || i.Peer != nil || !i.leadsTo(here, there) {
					continue
				}
				if other := there.find(func(o *Interface) bool { return i.isOn(o) }); other != nil {
					i.Peer, i.PeerName = there, other.Name
				}
			}
		}
	}
}

// leadsTo says whether the interface's parent can be in that space: by the number that its own space has for it.
func (i *Interface) leadsTo(here, there *Space) bool {
	if i.parentNS < 0 {
		return here == there
	}
	id, known := here.ids[there]
	return known && id == i.parentNS
}

// isOn says whether the other interface, in the right space, is the parent. The ends of a veth name each other.
func (i *Interface) isOn(other *Interface) bool {
	return other.Index == i.Parent && (i.Kind != "veth" || other.Kind == "veth" && other.Parent == i.Index)
}

// String is the note on a line of text: "dns   192.0.2.53".
func (n Note) String() string {
	if n.Kind == "" {
		return n.Text
	}
	return fmt.Sprintf("%-4s  %s", n.Kind, n.Text)
}
