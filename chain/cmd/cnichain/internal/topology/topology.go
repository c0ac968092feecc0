// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Package topology reads from the kernel what is connected to what, and draws it. It looks at the host and at the
// namespaces that it is given, and knows nothing of CNI: what else is to stand in a box, such as ports, is the
// caller's.
package topology

import (
	"fmt"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/netns"
)

// Interface is a network interface, loopback left out.
type Interface struct {
	Name string
	// Kind is that of the kernel: veth, bridge.
	Kind  string
	Index int
	// Parent is the index of a veth's other end, in whichever namespace that is.
	Parent int
	// Master is the name of the bridge that the interface is a port of.
	Master string
	// Addresses are in CIDR notation, those of one link (fe80::/10) left out.
	Addresses []string
	// Peer is the space that a veth leads to; nil for one that leads nowhere we look.
	Peer *Space
	// PeerName is the name of the other end there.
	PeerName string
}

// Space is a network namespace: the host or a container.
type Space struct {
	Name       string
	Interfaces []*Interface
	// Notes are further lines for the space's box.
	Notes []string
}

// Topology is a host and the spaces around it.
type Topology struct {
	Host   *Space
	Spaces []*Space
}

// Read reads the host, which is the calling process' namespace, and the namespaces at the paths.
func Read(paths map[string]string, order ...string) (*Topology, error) {
	host, err := netns.Current()
	if err != nil {
		return nil, err
	}
	defer host.Close()
	t := &Topology{}
	if t.Host, err = readSpace("host", host); err != nil {
		return nil, err
	}
	for _, name := range order {
		file, err := netns.Open(paths[name])
		if err != nil {
			return nil, err
		}
		space, err := readSpace(name, file)
		file.Close()
		if err != nil {
			return nil, err
		}
		t.Spaces = append(t.Spaces, space)
	}
	t.connect()
	return t, nil
}

func readSpace(name string, ns *os.File) (*Space, error) {
	space := &Space{Name: name}
	// A socket stays in the namespace that it was opened in, so the rest needs no thread there.
	var handle *netlink.Handle
	err := netns.Do(ns, func() (err error) {
		handle, err = netlink.NewHandle(unix.NETLINK_ROUTE)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open netlink in %s: %w", name, err)
	}
	defer handle.Close()
	links, err := handle.LinkList()
	if err != nil {
		return nil, fmt.Errorf("list interfaces of %s: %w", name, err)
	}
	names := map[int]string{}
	for _, link := range links {
		names[link.Attrs().Index] = link.Attrs().Name
	}
	for _, link := range links {
		attrs := link.Attrs()
		if attrs.RawFlags&unix.IFF_LOOPBACK != 0 {
			continue
		}
		i := &Interface{
			Name: attrs.Name, Kind: link.Type(), Index: attrs.Index, Parent: attrs.ParentIndex, Master: names[attrs.MasterIndex],
		}
		if i.Addresses, err = addresses(handle, link); err != nil {
			return nil, fmt.Errorf("list addresses of %s in %s: %w", i.Name, name, err)
		}
		space.Interfaces = append(space.Interfaces, i)
	}
	return space, nil
}

func addresses(handle *netlink.Handle, link netlink.Link) ([]string, error) {
	list, err := handle.AddrList(link, netlink.FAMILY_ALL)
	if err != nil {
		return nil, err
	}
	var texts []string
	for _, address := range list {
		if !address.IP.IsLinkLocalUnicast() {
			texts = append(texts, address.IPNet.String())
		}
	}
	return texts, nil
}

// connect finds the two ends of every veth between the host and a space: each names the other's index. Indexes are
// those of a namespace, so both have to fit.
func (t *Topology) connect() {
	for _, here := range t.Host.Interfaces {
		for _, space := range t.Spaces {
			for _, there := range space.Interfaces {
				if here.Kind == "veth" && there.Kind == "veth" && here.Parent == there.Index && there.Parent == here.Index {
					here.Peer, here.PeerName = space, there.Name
					there.Peer, there.PeerName = t.Host, here.Name
				}
			}
		}
	}
}
