// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"net"

	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"
)

// result reads a result of cniVersion 1.0.0 or later that has nothing but the fields of the library's type, each once.
// ok is false for any other document, which is for the library to read or to refuse. What both read is the same
// (FuzzResult); this takes a tenth of the time.
func (s *scan) result() (r *current.Result, ok bool) {
	r = &current.Result{}
	ok = s.object(func(key string) bool {
		switch key {
		case "cniVersion":
			return s.string(&r.CNIVersion)
		case "interfaces":
			return r.Interfaces == nil && s.list(func() bool { return s.iface(r) })
		case "ips":
			return r.IPs == nil && s.list(func() bool { return s.ip(r) })
		case "routes":
			return r.Routes == nil && s.list(func() bool { return s.route(r) })
		case "dns":
			return r.DNS.IsEmpty() && s.dns(&r.DNS)
		}
		return false
	})
	return r, ok && (r.CNIVersion == "1.0.0" || r.CNIVersion == "1.1.0")
}

func (s *scan) iface(r *current.Result) bool {
	i := &current.Interface{}
	r.Interfaces = append(r.Interfaces, i)
	return s.object(func(key string) bool {
		switch key {
		case "name":
			return s.string(&i.Name)
		case "mac":
			return s.string(&i.Mac)
		case "mtu":
			return s.int(&i.Mtu)
		case "sandbox":
			return s.string(&i.Sandbox)
		case "socketPath":
			return s.string(&i.SocketPath)
		case "pciID":
			return s.string(&i.PciID)
		}
		return false
	})
}

func (s *scan) ip(r *current.Result) bool {
	ip := &current.IPConfig{}
	r.IPs = append(r.IPs, ip)
	return s.object(func(key string) bool {
		switch key {
		case "interface":
			ip.Interface = new(int)
			return s.int(ip.Interface)
		case "address":
			return s.prefix(&ip.Address)
		case "gateway":
			return s.address(&ip.Gateway)
		}
		return false
	})
}

func (s *scan) route(r *current.Result) bool {
	route := &types.Route{}
	r.Routes = append(r.Routes, route)
	return s.object(func(key string) bool {
		switch key {
		case "dst":
			return s.prefix(&route.Dst)
		case "gw":
			return s.address(&route.GW)
		case "mtu":
			return s.int(&route.MTU)
		case "advmss":
			return s.int(&route.AdvMSS)
		case "priority":
			return s.int(&route.Priority)
		case "table":
			route.Table = new(int)
			return s.int(route.Table)
		case "scope":
			route.Scope = new(int)
			return s.int(route.Scope)
		}
		return false
	})
}

func (s *scan) dns(d *types.DNS) bool {
	return s.object(func(key string) bool {
		switch key {
		case "nameservers":
			return s.strings(&d.Nameservers)
		case "domain":
			return s.string(&d.Domain)
		case "search":
			return s.strings(&d.Search)
		case "options":
			return s.strings(&d.Options)
		}
		return false
	})
}

// prefix reads an address with its prefix length.
func (s *scan) prefix(into *net.IPNet) bool {
	var text string
	if !s.string(&text) {
		return false
	}
	n, err := types.ParseCIDR(text)
	if err == nil {
		*into = *n
	}
	return err == nil
}

func (s *scan) address(into *net.IP) bool {
	var text string
	if !s.string(&text) {
		return false
	}
	*into = net.ParseIP(text)
	return *into != nil
}
