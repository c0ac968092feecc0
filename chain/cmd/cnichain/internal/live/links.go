// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/topology"
	"github.com/cni-chain/cni-chain/shared/owner"
)

// links finds the interfaces of the host that veth-bridge has made or taken: the tag is the alias of the one, and an
// alternative name of the other, with commas, as a "/" may not be in a name.
func (f *finder) links(t *topology.Topology) {
	for _, i := range t.Host.Interfaces {
		if a, ok := f.of(i.Alias); ok {
			a.host(i, "its other end goes with it")
		}
		for _, name := range i.AltNames {
			if a, ok := f.of(strings.Replace(name, ",", "/", 2)); ok {
				a.host(i, "taken off its bridge, and left to the link that made it")
			}
		}
	}
}

func (a *Attachment) host(i *topology.Interface, removed string) {
	a.Host = &Interface{Name: i.Name, Kind: i.Kind, MAC: i.MAC, MTU: i.MTU, Master: i.Master}
	a.piece("interface", i.Name, removed)
	if i.Peer != nil && i.Kind == "veth" {
		a.inside(i.Peer, i.Peer.Interface(i.PeerName))
	}
	switch {
	case i.Master == "":
		a.problem(fmt.Sprintf("%s is on no bridge: somebody has taken it off, or deleted the bridge", i.Name))
	case !i.Up:
		a.problem(fmt.Sprintf("%s is down: ip link set %s up", i.Name, i.Name))
	case !i.Carrier:
		a.problem(fmt.Sprintf("%s has no carrier: the container's end of it is down", i.Name))
	}
}

// inside notes which interface of which namespace is the container's.
func (a *Attachment) inside(s *topology.Space, i *topology.Interface) {
	a.space = s
	if i == nil {
		return
	}
	a.Interface = &Interface{Name: i.Name, Kind: i.Kind, MAC: i.MAC, MTU: i.MTU, Master: i.Master}
	a.Addresses = i.Addresses
	if i.Name != a.IfName {
		a.problem(fmt.Sprintf("the container's interface is called %s, not %s: somebody has renamed it", i.Name, a.IfName))
	}
}

// namespace is one that a record names; device and inode are 0 where the record has only the path.
type namespace struct {
	path          string
	device, inode uint64
}

// exists says whether it is still there, as far as can be told.
func (n namespace) exists() bool {
	var stat unix.Stat_t
	if err := unix.Stat(n.path, &stat); err != nil {
		return err != unix.ENOENT && err != unix.ENOTDIR
	}
	return n.inode == 0 || n.device == stat.Dev && n.inode == stat.Ino
}

// locate finds the container's namespace where no cable leads to it: by what the records say, or else by a leased
// address on an interface of the attachment's name that is joined to this host.
func (a *Attachment) locate(t *topology.Topology) {
	for _, n := range a.netns {
		if a.space == nil {
			a.inNamespace(t, n)
		}
	}
	for _, s := range t.Connected() {
		i := s.Interface(a.IfName)
		if a.space == nil && i != nil && slices.ContainsFunc(i.Addresses, a.leased) {
			a.inside(s, i)
		}
	}
	if a.space != nil {
		a.NetNS = a.space.Path
	}
	if len(a.Addresses) == 0 {
		a.Addresses = a.leases
	}
}

// inNamespace looks for the namespace of a record among those that were found.
func (a *Attachment) inNamespace(t *topology.Topology, n namespace) {
	if n.inode == 0 {
		var stat unix.Stat_t
		if unix.Stat(n.path, &stat) != nil {
			return
		}
		n.device, n.inode = stat.Dev, stat.Ino
	}
	for _, s := range t.Spaces {
		if s.Is(n.device, n.inode) {
			a.inside(s, s.Interface(a.IfName))
		}
	}
}

// leased says whether an address in CIDR notation is leased to the attachment.
func (a *Attachment) leased(cidr string) bool {
	prefix, err := netip.ParsePrefix(cidr)
	return err == nil && slices.Contains(a.leases, prefix.Addr().String())
}

// judge says what is wrong, beyond what was found on the way.
func (a *Attachment) judge() {
	switch {
	case a.space == nil && len(a.netns) > 0 && !slices.ContainsFunc(a.netns, namespace.exists):
		a.problem(fmt.Sprintf("the network namespace %s is gone: the container has ended without a DEL", a.netns[0].path))
	case a.space == nil:
		a.problem(fmt.Sprintf("no network namespace has its %s: the container has ended without a DEL, or is hidden from here",
			a.IfName))
	case a.Interface == nil:
		a.problem(fmt.Sprintf("there is no %s in %s any more", a.IfName, a.space.Path))
	}
	if a.Interface != nil {
		for _, lease := range a.leases {
			if !slices.ContainsFunc(a.Addresses, func(cidr string) bool { return strings.HasPrefix(cidr, lease+"/") }) {
				a.problem(fmt.Sprintf("%s is leased, and not on %s: somebody has removed it", lease, a.IfName))
			}
		}
	}
	slices.SortStableFunc(a.Ports, func(x, y Port) int { return x.HostPort - y.HostPort })
	a.Healthy = len(a.Problems) == 0
}

// HalfMade are interfaces of the host that a killed ADD of the network has left without a tag.
func HalfMade(t *topology.Topology, network string) []string {
	var names []string
	for _, i := range t.Host.Interfaces {
		if mac, ok := parseMAC(i.MAC); ok && i.Kind == "veth" && i.Alias == "" && owner.MadeFor(network, i.Name, mac) {
			names = append(names, i.Name)
		}
	}
	return names
}
