// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/netns"
)

// tries is how often a list of the kernel's is read that changes meanwhile.
const tries = 100

// Read reads the host, which is the calling process' namespace, and the namespaces given.
func Read(places ...Place) (*Topology, error) {
	return read(places, func(_ Place, err error) error { return err })
}

// ReadAll reads the host and every namespace that Find finds, as far as they live until they are read.
func ReadAll() (*Topology, error) {
	places, err := Find()
	if err != nil {
		return nil, err
	}
	return read(places, func(place Place, err error) error {
		_, gone := os.Stat(place.Path)
		if gone != nil || errors.Is(err, netns.ErrNotNetNS) || errors.Is(err, fs.ErrPermission) {
			return nil
		}
		return err
	})
}

// read reads them; unreadable decides which error of a namespace is one of the whole.
func read(places []Place, unreadable func(Place, error) error) (*Topology, error) {
	r := &reader{}
	defer r.close()
	host, err := netns.Current()
	if err != nil {
		return nil, err
	}
	t := &Topology{}
	if t.Host, err = r.read(Place{Name: "host"}, host); err != nil {
		return nil, err
	}
	for _, place := range places {
		file, err := netns.Open(place.Path)
		var space *Space
		if err == nil {
			space, err = r.read(place, file)
		}
		if err == nil {
			t.Spaces = append(t.Spaces, space)
		} else if err := unreadable(place, err); err != nil {
			return nil, err
		}
	}
	if err := r.number(); err != nil {
		return nil, err
	}
	t.connect()
	return t, nil
}

// reader keeps what it has opened until all of it is read.
type reader struct {
	spaces  []*Space
	files   []*os.File
	handles []*netlink.Handle
}

func (r *reader) close() {
	for _, file := range r.files {
		_ = file.Close() // read-only: nothing can be lost
	}
	for _, handle := range r.handles {
		handle.Close()
	}
}

// read reads one namespace, and closes its file in the end.
func (r *reader) read(place Place, ns *os.File) (*Space, error) {
	r.files = append(r.files, ns)
	space := &Space{Name: place.Name, Path: place.Path}
	var stat unix.Stat_t
	if err := unix.Fstat(int(ns.Fd()), &stat); err != nil {
		return nil, fmt.Errorf("look at network namespace %s: %w", place.Name, err)
	}
	space.device, space.inode = stat.Dev, stat.Ino
	// A socket stays in the namespace that it was opened in, so the rest needs no thread there.
	var handle *netlink.Handle
	err := netns.Do(ns, func() (err error) {
		handle, err = netlink.NewHandle(unix.NETLINK_ROUTE)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open netlink in %s: %w", place.Name, err)
	}
	r.handles, r.spaces = append(r.handles, handle), append(r.spaces, space)
	if err := readInterfaces(handle, space); err != nil {
		return nil, fmt.Errorf("list interfaces of %s: %w", place.Name, err)
	}
	return space, nil
}

// number asks each namespace by which numbers it knows the others: the host all, a container the host, and others only
// when an interface of it leads elsewhere.
func (r *reader) number() error {
	for i, space := range r.spaces {
		space.ids = map[*Space]int{}
		for j, other := range r.spaces {
			if i == j || !space.leadsFurther() {
				continue
			}
			id, err := r.handles[i].GetNetNsIdByFd(int(r.files[j].Fd()))
			if err != nil {
				return fmt.Errorf("ask for the ID of namespace %s in %s: %w", other.Name, space.Name, err)
			}
			if id >= 0 {
				space.ids[other] = id
			}
		}
	}
	return nil
}

// leadsFurther says whether an interface leads to a namespace whose number is not known yet.
func (s *Space) leadsFurther() bool {
	known := slices.Collect(maps.Values(s.ids))
	return s.find(func(i *Interface) bool { return i.parentNS >= 0 && !slices.Contains(known, i.parentNS) }) != nil
}

func readInterfaces(handle *netlink.Handle, space *Space) error {
	links, err := whole(handle.LinkList)
	if err != nil {
		return err
	}
	names, byIndex := map[int]string{}, map[int]*Interface{}
	for _, link := range links {
		names[link.Attrs().Index] = link.Attrs().Name
	}
	for _, link := range links {
		if link.Attrs().RawFlags&unix.IFF_LOOPBACK != 0 {
			continue
		}
		i := newInterface(link)
		i.Master = names[link.Attrs().MasterIndex]
		byIndex[i.Index] = i
		space.Interfaces = append(space.Interfaces, i)
	}
	addresses, err := whole(func() ([]netlink.Addr, error) { return handle.AddrList(nil, netlink.FAMILY_ALL) })
	if err != nil {
		return err
	}
	for _, address := range addresses {
		if i := byIndex[address.LinkIndex]; i != nil && !address.IP.IsLinkLocalUnicast() {
			i.Addresses = append(i.Addresses, address.IPNet.String())
		}
	}
	routes, err := whole(func() ([]netlink.Route, error) { return handle.RouteList(nil, netlink.FAMILY_ALL) })
	for _, route := range routes {
		if i := byIndex[route.LinkIndex]; i != nil && isDefault(route) {
			i.Default = true
		}
	}
	return err
}

func isDefault(route netlink.Route) bool {
	if route.Dst == nil {
		return true
	}
	ones, _ := route.Dst.Mask.Size()
	return ones == 0 && route.Dst.IP.IsUnspecified()
}

func newInterface(link netlink.Link) *Interface {
	attrs := link.Attrs()
	i := &Interface{
		Name: attrs.Name, Kind: link.Type(), Index: attrs.Index, Parent: attrs.ParentIndex, MTU: attrs.MTU,
		MAC: attrs.HardwareAddr.String(), Alias: attrs.Alias, AltNames: attrs.AltNames,
		Up: attrs.RawFlags&unix.IFF_UP != 0, Carrier: attrs.RawFlags&unix.IFF_LOWER_UP != 0,
		parentNS: int(int32(attrs.NetNsID)), // -1 comes as an unsigned number
	}
	switch l := link.(type) {
	case *netlink.Macvlan:
		i.Mode = macvlanModes[l.Mode]
	case *netlink.Macvtap:
		i.Mode = macvlanModes[l.Mode]
	case *netlink.IPVlan:
		i.Mode = ipvlanModes[l.Mode]
	case *netlink.Vlan:
		i.VLAN = l.VlanId
	}
	return i
}

// The names that ip-link(8) has for them.
var (
	macvlanModes = map[netlink.MacvlanMode]string{
		netlink.MACVLAN_MODE_BRIDGE: "bridge", netlink.MACVLAN_MODE_PRIVATE: "private", netlink.MACVLAN_MODE_VEPA: "vepa",
		netlink.MACVLAN_MODE_PASSTHRU: "passthru", netlink.MACVLAN_MODE_SOURCE: "source",
	}
	ipvlanModes = map[netlink.IPVlanMode]string{
		netlink.IPVLAN_MODE_L2: "l2", netlink.IPVLAN_MODE_L3: "l3", netlink.IPVLAN_MODE_L3S: "l3s",
	}
)

// whole reads a list, again when it has changed meanwhile.
func whole[T any](read func() ([]T, error)) ([]T, error) {
	for range tries {
		list, err := read()
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			return list, err
		}
	}
	return nil, fmt.Errorf("it changed %d times while it was read: %w", tries, unix.EAGAIN)
}
