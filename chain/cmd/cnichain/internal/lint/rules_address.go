// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"fmt"
	"net/netip"
	"path/filepath"
)

var addressRules = []Rule{
	{
		Code: "CC060", Severity: Error, Title: "ranges that overlap",
		Why: "Two ranges of the conflist have an address in common. host-local and ip-pool refuse that within one network; " +
			"where two plugins lease the same address, two containers get it.",
		Check: checkRangesOverlap,
	},
	{
		Code: "CC061", Severity: Error, Title: "a range that is none",
		Why: "The first address is behind the last, or one of them, or the gateway, is not in the subnet. The IPAM plugin refuses " +
			"it, or no container reaches its gateway.",
		Check: checkRangeBounds,
	},
	{
		Code: "CC062", Severity: Warning, Title: "networks that overlap",
		Why: "Another conflist of the directory gives out some of the same addresses. With both networks in use on one host, the " +
			"routes of one hide the other. Networks that name the same \"pool\" of ip-pool are left out.",
		Check: checkNetworksOverlap,
	},
	{
		Code: "CC063", Severity: Warning, Title: "a subnet that the host routes elsewhere",
		Why: "The host has a route for some of these addresses: a VPN, another network, its own LAN. What containers are sent " +
			"there, or what the host is sent from there, takes the wrong way.",
		Check: checkHostRoutes,
	},
	{
		Code: "CC064", Severity: Warning, Title: "one bridge, two networks",
		Why: "Another conflist of the directory has the same bridge with another gateway in the same family. The second network " +
			"to be used fails, because the bridge has an address already, or, with forceAddress, breaks the first.",
		Check: checkSharedBridge,
	},
}

func checkRangesOverlap(p *pass) {
	ranges := p.File.ranges()
	for i, r := range ranges {
		for _, other := range ranges[:i] {
			if r.overlaps(other) {
				position := other.link.Doc.Position(other.at.At().Start)
				p.link(r.link, r.at, advice{hint: "give each a part of its own, with rangeStart and rangeEnd, or another subnet"},
					"%s overlaps %s in line %d", r.subnet, other.subnet, position.Line)
				break
			}
		}
	}
}

func checkRangeBounds(p *pass) {
	for _, r := range p.File.ranges() {
		if r.first.Is4() == r.last.Is4() && r.last.Less(r.first) {
			p.link(r.link, r.node.Get("rangeEnd"), advice{}, "the range ends at %s before it starts at %s", r.last, r.first)
		}
		for _, key := range []string{"rangeStart", "rangeEnd", "gateway"} {
			addr, err := netip.ParseAddr(r.node.Str(key))
			if err == nil && !r.subnet.Contains(addr.Unmap()) {
				p.link(r.link, r.node.Get(key), advice{}, "%q is %s, which is not in %s", key, addr, r.subnet)
			}
		}
	}
}

func checkNetworksOverlap(p *pass) {
	for _, r := range p.File.ranges() {
		for _, other := range p.File.before(p.All) {
			for _, theirs := range other.ranges() {
				if !r.overlaps(theirs) || r.pool != "" && r.pool == theirs.pool {
					continue
				}
				a := advice{hint: "give it another subnet"}
				if r.link.IPAMType == "ip-pool" && theirs.link.IPAMType == "ip-pool" {
					a = advice{"give it another subnet, or both networks the same pool", fmt.Sprintf(`"pool": %q`, other.name())}
				}
				p.link(r.link, r.at, a, "%s overlaps %s of %s", r.subnet, theirs.subnet, filepath.Base(other.Name))
			}
		}
	}
}

// before are the files of the directory that come before this one: of two that do not go together, the later is told.
func (f *File) before(all []*File) []*File {
	for i, other := range all {
		if other == f {
			return all[:i]
		}
	}
	return nil
}

func checkHostRoutes(p *pass) {
	if p.Host == nil || p.File.shared() {
		return
	}
	bridge, _ := p.File.bridge()
	for _, r := range p.File.ranges() {
		for _, route := range p.Host.Routes() {
			elsewhere := route.Link != bridge && !route.Dst.IsSingleIP() // ptp has a route to each container
			if elsewhere && route.Dst.Bits() > 0 && route.Dst.Overlaps(r.subnet) && !linkLocal(route.Dst) {
				p.link(r.link, r.at, advice{hint: "give the network another subnet"},
					"%s overlaps the host's route to %s by %s", r.subnet, route.Dst, route.Link)
				break
			}
		}
	}
}

// linkLocal networks are on every interface.
func linkLocal(p netip.Prefix) bool { return p.Addr().IsLinkLocalUnicast() || p.Addr().IsMulticast() }

// gateways are the addresses that the network puts on its bridge, by family.
func (f *File) gateways() map[bool]netip.Addr {
	found := map[bool]netip.Addr{}
	for _, r := range f.ranges() {
		if !r.link.set("isGateway") && !r.link.set("isDefaultGateway") {
			continue
		}
		gateway := r.gateway
		if !gateway.IsValid() {
			gateway = r.subnet.Addr().Next()
		}
		if _, ok := found[gateway.Is4()]; !ok {
			found[gateway.Is4()] = gateway
		}
	}
	return found
}

func checkSharedBridge(p *pass) {
	bridge, link := p.File.bridge()
	if bridge == "" {
		return
	}
	own := p.File.gateways()
	for _, other := range p.File.before(p.All) {
		if theirs, _ := other.bridge(); theirs != bridge {
			continue
		}
		for family, gateway := range other.gateways() {
			if mine, ok := own[family]; ok && mine != gateway {
				n := link.Node.Get("bridge")
				if n == nil {
					n = link.Node
				}
				p.link(link, n, advice{"give it another bridge", fmt.Sprintf(`"bridge": "cni-%.11s"`, p.File.name())},
					"the bridge %s has the gateway %s in %s, and %s here", bridge, gateway, filepath.Base(other.Name), mine)
			}
		}
	}
}
