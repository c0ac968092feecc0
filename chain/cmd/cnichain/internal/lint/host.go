// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/containernetworking/cni/pkg/invoke"
	"github.com/vishvananda/netlink"
)

// Host is what lint asks of the machine that the files are for.
type Host interface {
	// Plugins says whether there are any plugins where they are looked for; without any, none is missed.
	Plugins() bool
	// Versions are the CNI versions that a plugin speaks; found is false when it is not there.
	Versions(plugin string) (versions []string, found bool, err error)
	// Routes are those of the main table.
	Routes() []Route
	// MTU is that of an interface; found is false when there is none of that name.
	MTU(name string) (mtu int, found bool)
	// Uplink is the interface of the default route, "" without one.
	Uplink() string
}

// Route is where packets to a network go.
type Route struct {
	Dst  netip.Prefix
	Link string
}

// Machine is this one.
type Machine struct {
	// Path are the directories with plugins.
	Path []string

	versions map[string]answer
	routes   []Route
	asked    bool
}

type answer struct {
	versions []string
	found    bool
	err      error
}

// Plugins implements Host.
func (m *Machine) Plugins() bool {
	for _, dir := range m.Path {
		for _, known := range []string{"veth-bridge", "bridge", "loopback", "host-local"} {
			if info, err := os.Stat(dir + "/" + known); err == nil && info.Mode().IsRegular() {
				return true
			}
		}
	}
	return false
}

// patience is how long a plugin may take to name its versions.
const patience = 5 * time.Second

// Versions implements Host.
func (m *Machine) Versions(plugin string) (versions []string, found bool, err error) {
	if known, ok := m.versions[plugin]; ok {
		return known.versions, known.found, known.err
	}
	var a answer
	if path, err := invoke.FindInPath(plugin, m.Path); err == nil {
		a.found = true
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		info, err := invoke.GetVersionInfo(ctx, path, &invoke.DefaultExec{RawExec: &invoke.RawExec{}})
		if err != nil {
			a.err = fmt.Errorf("ask %s for its versions: %w", path, err)
		} else {
			a.versions = info.SupportedVersions()
		}
	}
	if m.versions == nil {
		m.versions = map[string]answer{}
	}
	m.versions[plugin] = a
	return a.versions, a.found, a.err
}

// Routes implements Host. A machine that does not tell has none.
func (m *Machine) Routes() []Route {
	if m.asked {
		return m.routes
	}
	m.asked = true
	routes, err := netlink.RouteList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return nil
	}
	for _, r := range routes {
		route := Route{Dst: netip.PrefixFrom(netip.IPv4Unspecified(), 0)} // how some versions of netlink put it: no Dst
		if r.Dst != nil {
			addr, _ := netip.AddrFromSlice(r.Dst.IP)
			bits, _ := r.Dst.Mask.Size()
			route.Dst = netip.PrefixFrom(addr, bits)
		}
		if link, err := netlink.LinkByIndex(r.LinkIndex); err == nil {
			route.Link = link.Attrs().Name
		}
		m.routes = append(m.routes, route)
	}
	return m.routes
}

// MTU implements Host.
func (m *Machine) MTU(name string) (int, bool) {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return 0, false
	}
	return link.Attrs().MTU, true
}

// Uplink implements Host.
func (m *Machine) Uplink() string {
	for _, r := range m.Routes() {
		if r.Dst.Bits() == 0 {
			return r.Link
		}
	}
	return ""
}
