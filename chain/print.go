// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"encoding/json"
	"net"
	"strconv"
	"strings"

	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"
)

// printer writes a document as json.MarshalIndent does with four blanks, without reflection. Members come in the order
// of the calls, which is that of their names.
type printer struct {
	buf   []byte
	depth int
	some  bool // the object or list that is open has something in it
	odd   bool // there is something that only encoding/json writes, or refuses
}

// open starts an object or a list, close ends it.
func (p *printer) open(bracket byte) {
	p.buf = append(p.buf, bracket)
	p.depth++
	p.some = false
}

func (p *printer) close(bracket byte) {
	p.depth--
	if p.some {
		p.line()
	}
	p.buf = append(p.buf, bracket)
	p.some = true
}

// element starts an element of a list.
func (p *printer) element() {
	if p.some {
		p.buf = append(p.buf, ',')
	}
	p.line()
	p.some = true
}

func (p *printer) line() {
	p.buf = append(p.buf, '\n')
	for range p.depth {
		p.buf = append(p.buf, "    "...)
	}
}

// key starts a member of an object.
func (p *printer) key(name string) {
	p.element()
	p.text(name)
	p.buf = append(p.buf, ": "...)
}

// text writes a string. What is more than letters, digits and the like is for encoding/json to escape.
func (p *printer) text(s string) {
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' || strings.IndexByte(`"\<>&`, c) >= 0 {
			data, _ := json.Marshal(s) // a string always can
			p.buf = append(p.buf, data...)
			return
		}
	}
	p.buf = append(append(append(p.buf, '"'), s...), '"')
}

// The members that are left out where they are empty.

func (p *printer) str(name, value string) {
	if value != "" {
		p.key(name)
		p.text(value)
	}
}

func (p *printer) num(name string, value int) {
	if value != 0 {
		p.key(name)
		p.buf = strconv.AppendInt(p.buf, int64(value), 10)
	}
}

func (p *printer) pointer(name string, value *int) {
	if value != nil {
		p.key(name)
		p.buf = strconv.AppendInt(p.buf, int64(*value), 10)
	}
}

func (p *printer) address(name string, ip net.IP) {
	if len(ip) == 0 {
		return
	}
	p.odd = p.odd || len(ip) != net.IPv4len && len(ip) != net.IPv6len
	p.str(name, ip.String())
}

func (p *printer) strings(name string, values []string) {
	if len(values) == 0 {
		return
	}
	p.key(name)
	p.open('[')
	for _, v := range values {
		p.element()
		p.text(v)
	}
	p.close(']')
}

// result writes a result as the library would.
func (p *printer) result(r *current.Result) {
	p.open('{')
	p.str("cniVersion", r.CNIVersion)
	if !r.DNS.IsEmpty() {
		p.key("dns")
		p.dns(r.DNS)
	}
	printList(p, "interfaces", r.Interfaces, p.iface)
	printList(p, "ips", r.IPs, p.ip)
	printList(p, "routes", r.Routes, p.route)
	p.close('}')
}

func printList[T any](p *printer, name string, list []*T, print func(*T)) {
	if len(list) == 0 {
		return
	}
	p.key(name)
	p.open('[')
	for _, value := range list {
		if value == nil {
			p.odd = true
			continue
		}
		p.element()
		p.open('{')
		print(value)
		p.close('}')
	}
	p.close(']')
}

func (p *printer) dns(d types.DNS) {
	p.open('{')
	p.str("domain", d.Domain)
	p.strings("nameservers", d.Nameservers)
	p.strings("options", d.Options)
	p.strings("search", d.Search)
	p.close('}')
}

func (p *printer) iface(i *current.Interface) {
	p.str("mac", i.Mac)
	p.num("mtu", i.Mtu)
	p.key("name")
	p.text(i.Name)
	p.str("pciID", i.PciID)
	p.str("sandbox", i.Sandbox)
	p.str("socketPath", i.SocketPath)
}

func (p *printer) ip(ip *current.IPConfig) {
	p.key("address")
	p.text(ip.Address.String())
	p.address("gateway", ip.Gateway)
	p.pointer("interface", ip.Interface)
}

func (p *printer) route(r *types.Route) {
	p.num("advmss", r.AdvMSS)
	p.key("dst")
	p.text(r.Dst.String())
	p.address("gw", r.GW)
	p.num("mtu", r.MTU)
	p.num("priority", r.Priority)
	p.pointer("scope", r.Scope)
	p.pointer("table", r.Table)
}
