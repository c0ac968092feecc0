// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/containernetworking/cni/pkg/types"
	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/chain"
)

// address is an address of the container with its subnet, and the router there.
type address struct {
	prefix  netip.Prefix
	gateway netip.Addr // not valid where there is none
	// network is what the subnet is a part of, where the other parts are on other hosts; else not valid.
	network netip.Prefix
}

// home is the address with the network that it is not masqueraded in.
func (a address) home() netip.Prefix {
	if a.network.IsValid() {
		return netip.PrefixFrom(a.prefix.Addr(), a.network.Bits())
	}
	return a.prefix
}

// route is a route of the container. table nil is main, scope nil is what the kernel would choose.
type route struct {
	dst                   netip.Prefix
	gw                    netip.Addr
	mtu, advmss, priority int
	table, scope          *int
	onlink                bool // the gateway is in none of the interface's subnets, but on its link
}

// answer is what IPAM gave.
type answer struct {
	addresses []address
	routes    []route
	dns       types.DNS
}

// found is what the container's namespace has before the link changes it.
type found struct {
	subnets  []netip.Prefix // of the interface's addresses
	default4 bool           // there is a default route in table main
	default6 bool
}

// plan is what the link is going to make. It is a matter of the configuration, IPAM's answer and what was found alone.
type plan struct {
	addresses []address
	// asked are the routes as they were asked for, for the result; routes are those for the kernel, gateways filled in.
	asked, routes []route
	gateways      []netip.Prefix // for the bridge
	masq          []netip.Prefix // addresses to masquerade, with their subnets or networks
	forward4      bool
	forward6      bool
}

func (p *plan) hasIPv6() bool {
	return slices.ContainsFunc(p.addresses, func(a address) bool { return a.prefix.Addr().Is6() })
}

// makePlan decides on everything.
func makePlan(c *Config, static []address, got answer, has found) (*plan, error) {
	p := &plan{addresses: append(slices.Clone(got.addresses), static...)}
	if len(p.addresses) == 0 {
		return nil, chain.Invalid("ipam", string(c.IPAM),
			`there is no address for the container: name an IPAM plugin in "ipam", or give "addresses"`)
	}
	for i := range p.addresses {
		if err := p.complete(c, i); err != nil {
			return nil, err
		}
	}
	p.asked = slices.Clone(got.routes)
	for i, r := range c.Routes {
		parsed, err := r.parse(fmt.Sprintf("routes[%d]", i))
		if err != nil {
			return nil, err
		}
		p.asked = append(p.asked, parsed)
	}
	if c.IsDefaultGateway {
		p.addDefaults(has)
	}
	for _, r := range p.asked {
		if r = p.resolve(r, has.subnets); !slices.ContainsFunc(p.routes, r.same) {
			p.routes = append(p.routes, r)
		}
	}
	return p, nil
}

// complete finds the gateway of the i-th address and what else follows from it.
func (p *plan) complete(c *Config, i int) error {
	a := &p.addresses[i]
	ip := a.prefix.Addr()
	for _, other := range p.addresses[:i] {
		if other.prefix.Addr() == ip {
			return chain.Errorf(chain.CodeConfig, "address %s is there twice: IPAM and \"addresses\" name it", ip)
		}
	}
	if c.hasGateway() && !a.gateway.IsValid() {
		if a.prefix.IsSingleIP() {
			return chain.Errorf(chain.CodeConfig, "address %s has no gateway, and its subnet no room for one: "+
				"name the gateway in IPAM's configuration or in \"addresses\"", a.prefix)
		}
		a.gateway = a.prefix.Masked().Addr().Next()
	}
	if c.hasGateway() && a.gateway == ip {
		return chain.Errorf(chain.CodeConfig, "address %s is the container's, but the gateway's too (isGateway takes the "+
			"first of the subnet): keep it out of IPAM's range, or name another gateway", ip)
	}
	p.use(c, *a)
	return nil
}

// use notes what an address needs on the host.
func (p *plan) use(c *Config, a address) {
	ip := a.prefix.Addr()
	masq := c.IPMasq.of(ip) && !ip.IsLinkLocalUnicast()
	if masq {
		p.masq = append(p.masq, a.home())
	}
	if masq || c.hasGateway() {
		p.forward4 = p.forward4 || ip.Is4()
		p.forward6 = p.forward6 || ip.Is6()
	}
	gateway := netip.PrefixFrom(a.gateway, a.prefix.Bits())
	if c.hasGateway() && a.gateway.IsValid() && !slices.Contains(p.gateways, gateway) {
		p.gateways = append(p.gateways, gateway)
	}
}

// addDefaults adds a default route for each family that has a gateway and no default route.
func (p *plan) addDefaults(has found) {
	have4, have6 := has.default4, has.default6
	for _, r := range p.asked {
		if r.dst.Bits() == 0 && r.inMain() {
			have4 = have4 || r.dst.Addr().Is4()
			have6 = have6 || r.dst.Addr().Is6()
		}
	}
	if gw := p.gateway(true); gw.IsValid() && !have4 {
		p.asked = append(p.asked, route{dst: netip.PrefixFrom(netip.IPv4Unspecified(), 0), gw: gw})
	}
	if gw := p.gateway(false); gw.IsValid() && !have6 {
		p.asked = append(p.asked, route{dst: netip.PrefixFrom(netip.IPv6Unspecified(), 0), gw: gw})
	}
}

// gateway is the first gateway of the family.
func (p *plan) gateway(is4 bool) netip.Addr {
	for _, a := range p.addresses {
		if a.gateway.IsValid() && a.gateway.Is4() == is4 {
			return a.gateway
		}
	}
	return netip.Addr{}
}

// resolve makes of a route as asked for one for the kernel: without a gateway it takes the family's first, unless its
// scope says that the destination is on the link itself (SPEC.md, section ADD Success, "gw").
func (p *plan) resolve(r route, subnets []netip.Prefix) route {
	if !r.gw.IsValid() && (r.scope == nil || *r.scope < int(unix.RT_SCOPE_LINK)) {
		r.gw = p.gateway(r.dst.Addr().Is4())
	}
	if !r.gw.IsValid() || r.gw.IsLinkLocalUnicast() && r.gw.Is6() {
		return r
	}
	near := func(s netip.Prefix) bool { return s.Contains(r.gw) }
	r.onlink = !slices.ContainsFunc(subnets, near) &&
		!slices.ContainsFunc(p.addresses, func(a address) bool { return near(a.prefix) })
	return r
}

func (r route) inMain() bool {
	return r.table == nil || *r.table == 0 || *r.table == unix.RT_TABLE_MAIN
}

// same says whether the kernel would take the two routes for one.
func (r route) same(o route) bool {
	return r.dst == o.dst && r.gw == o.gw && r.priority == o.priority && value(r.table) == value(o.table)
}

func value(n *int) int {
	if n == nil || *n == 0 {
		return unix.RT_TABLE_MAIN
	}
	return *n
}

func (r route) String() string {
	text := r.dst.String()
	if r.dst.Bits() == 0 {
		text = "default of IPv6"
		if r.dst.Addr().Is4() {
			text = "default of IPv4"
		}
	}
	if r.gw.IsValid() {
		text += " via " + r.gw.String()
	}
	if !r.inMain() {
		text += fmt.Sprintf(" in table %d", *r.table)
	}
	return text
}

// static are the addresses that the link itself has to give: the configured ones, or, where there is no IPAM plugin to
// ask, those that runtime or user want instead (capability ips, then args, then CNI_ARGS; upstream's static does so).
func (c *Config) static(args map[string]string) ([]address, error) {
	var configured []address
	for i, a := range c.Addresses {
		parsed, err := a.parse(fmt.Sprintf("addresses[%d]", i))
		if err != nil {
			return nil, err
		}
		configured = append(configured, parsed)
	}
	name, err := c.ipamType()
	if err != nil || name != "" {
		return configured, err
	}
	var path string
	var wanted []string
	switch {
	case len(c.RuntimeConfig.IPs) > 0:
		path, wanted = "runtimeConfig.ips", c.RuntimeConfig.IPs
	case len(c.Args.CNI.IPs) > 0:
		path, wanted = "args.cni.ips", c.Args.CNI.IPs
	case args["IP"] != "":
		path, wanted = "CNI_ARGS IP", strings.Split(args["IP"], ",")
	default:
		return configured, nil
	}
	var list []address
	for _, text := range wanted {
		a, err := within(text, configured)
		if err != nil {
			return nil, chain.Invalid(path, text, "%v", err)
		}
		list = append(list, a)
	}
	return list, nil
}

// within reads an address that is asked for; one in the subnet of a configured address has its prefix length and
// gateway.
func within(text string, configured []address) (address, error) {
	bare, _, _ := strings.Cut(text, "/")
	ip, err := netip.ParseAddr(bare)
	if err != nil {
		return address{}, fmt.Errorf("an IP address is needed, like 10.0.0.5/24")
	}
	a := address{}
	for _, c := range configured {
		if c.prefix.Contains(ip) {
			a = address{prefix: netip.PrefixFrom(ip, c.prefix.Bits()), gateway: c.gateway}
		}
	}
	if strings.Contains(text, "/") {
		if a.prefix, err = netip.ParsePrefix(text); err != nil {
			return address{}, fmt.Errorf("an IP address with its prefix length is needed, like 10.0.0.5/24")
		}
	}
	if !a.prefix.IsValid() {
		return address{}, fmt.Errorf("the prefix length is missing (10.0.0.5/24), " +
			"and no configured address is in the same subnet")
	}
	return a, a.validate()
}
