// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/nft"
	"github.com/cni-chain/cni-chain/shared/owner"
)

// registers are where links remember in nftables what an attachment has. The sets that they speak of are known by their
// names; a test runs the links and holds this to what they make.
var registers = []struct {
	table    nft.Table
	register *nft.Register
}{
	{nft.Bridge, nft.NewRegister(nft.Bridge, "guards").Also(findSet)},
	{nft.Inet, nft.NewRegister(nft.Inet, "masq-owners").Also(findSet)},
	{nft.Inet, nft.NewRegister(nft.Inet, "ports").Also(findSet)},
}

// findSet is the set of a name: its key, which the register writes as text.
func findSet(name string) *nft.Set {
	ip := nft.IPv4Addr
	kind, six := name, false
	switch {
	case strings.HasPrefix(name, "masq-"):
		kind, six = "masq", strings.Contains(name[strings.LastIndexByte(name, '-'):], "_")
	case strings.HasPrefix(name, "ports-") && name != "ports-users":
		// ports-any4, and for attachments with conditions ports-any4 with a hash behind.
		at := strings.IndexAny(name, "46")
		if at < 0 {
			return nil
		}
		kind, six = name[:at], name[at] == '6'
	}
	if six {
		ip = nft.IPv6Addr
	}
	keys := map[string][]nft.Type{
		"masq": {ip}, "guarded": {nft.IfName}, "allowed": {nft.IfName, nft.EtherAddr},
		"ports-host": {ip, nft.InetProto, nft.InetService}, "ports-used": {ip, nft.InetProto, nft.InetService},
		"ports-any": {nft.InetProto, nft.InetService}, "ports-users": {nft.IfName, nft.InetService},
		"ports-hairpin": {ip, ip}, "ports-behind": {ip, nft.IfName}, "ports-local": {ip}, "ports-all": {ip},
	}
	if keys[kind] == nil {
		return nil
	}
	return &nft.Set{Name: name, Key: keys[kind]}
}

// nftables finds what attachments have in sets. A kernel without nftables has none.
func (f *finder) nftables() (err error) {
	conn, err := nft.Open()
	if err == nil {
		defer conn.Close()
		err = f.registers(conn)
	}
	for _, unknown := range []error{unix.EPROTONOSUPPORT, unix.EINVAL, unix.EOPNOTSUPP, unix.EAFNOSUPPORT} {
		if errors.Is(err, unknown) {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("read nftables: %w", err)
	}
	return nil
}

func (f *finder) registers(conn *nft.Conn) error {
	for _, r := range registers {
		tags, err := r.register.Owners(conn, owner.Prefix)
		if err != nil {
			return err
		}
		for _, tag := range tags {
			holding, err := r.register.Get(conn, tag)
			if err != nil {
				return err
			}
			if a, ok := f.of(tag); ok && holding != nil {
				if err := a.elements(conn, r.table, holding); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// elements takes what a register says that the attachment has, and compares it with what is there.
func (a *Attachment) elements(conn *nft.Conn, table nft.Table, h *nft.Holding) error {
	for _, note := range h.Notes {
		a.note(note)
	}
	found, err := conn.ElementsOf(table, h.Elements...)
	if err != nil {
		return err
	}
	for i, in := range h.Elements {
		where := fmt.Sprintf("set %s of table %v", in.Set.Name, table)
		for j, e := range found[i] {
			if e == nil || e.Comment != h.Owner {
				a.problem(fmt.Sprintf("%s is gone from %s: somebody has deleted it, DEL and ADD make it again",
					in.Set.Text(in.Elements[j].Key), where))
				continue
			}
			a.element(in.Set, *e, where)
		}
	}
	return a.chains(conn, table, h)
}

// note reads a line that a link remembers: "netns DEVICE INODE PATH".
func (a *Attachment) note(note string) {
	words := strings.SplitN(note, " ", 4)
	if len(words) != 4 || words[0] != "netns" {
		return
	}
	n := namespace{path: words[3]}
	n.device, _ = strconv.ParseUint(words[1], 10, 64) // what is no number is no namespace's
	n.inode, _ = strconv.ParseUint(words[2], 10, 64)
	a.netns = append(a.netns, n)
}

// element says what an element is to people. Sets that only serve those of the ports are left out.
func (a *Attachment) element(set *nft.Set, e nft.Element, where string) {
	switch name := set.Name; {
	case strings.HasPrefix(name, "masq-"):
		a.piece("masquerade", set.Text(e.Key), where)
	case name == "allowed":
		a.piece("spoof check", set.Text(e.Key), where)
	case strings.HasPrefix(name, "ports-any"):
		a.mapping("", e.Key, e.Data, where)
	case strings.HasPrefix(name, "ports-host"):
		size := len(e.Key) - 8
		host, _ := netip.AddrFromSlice(e.Key[:size])
		a.mapping(host.String(), e.Key[size:], e.Data, where)
	}
}

// protocols are those that have ports.
var protocols = map[byte]string{unix.IPPROTO_TCP: "tcp", unix.IPPROTO_UDP: "udp", unix.IPPROTO_SCTP: "sctp"}

// mapping is an element of a map of ports: its key ends in protocol and port, its value is an address and a port, each
// padded to four bytes.
func (a *Attachment) mapping(hostIP string, key, data []byte, where string) {
	if len(key) < 8 || len(data) < 8 {
		return
	}
	to, _ := netip.AddrFromSlice(data[:len(data)-4])
	p := Port{
		Protocol: protocols[key[0]], HostIP: hostIP, HostPort: int(binary.BigEndian.Uint16(key[4:])),
		ContainerIP: to.String(), ContainerPort: int(binary.BigEndian.Uint16(data[len(data)-4:])), Count: 1,
	}
	a.port(p, where)
}

// port adds a port, or lengthens the row that it goes on.
func (a *Attachment) port(p Port, where string) {
	if n := len(a.Ports); n > 0 {
		last := &a.Ports[n-1]
		next := *last
		next.HostPort, next.ContainerPort, next.Count = p.HostPort, p.ContainerPort, p.Count
		if next == p && p.HostPort == last.HostPort+last.Count && p.ContainerPort == last.ContainerPort+last.Count {
			last.Count += p.Count
			a.Pieces[len(a.Pieces)-1].What = last.String()
			return
		}
	}
	a.Ports = append(a.Ports, p)
	a.piece("port", p.String(), where)
}

// String is "tcp 8080 -> 10.88.1.3:80".
func (p Port) String() string {
	span := func(port int) string {
		if p.Count > 1 {
			return fmt.Sprintf("%d-%d", port, port+p.Count-1)
		}
		return strconv.Itoa(port)
	}
	host := span(p.HostPort)
	if p.HostIP != "" {
		host = net.JoinHostPort(p.HostIP, host)
	}
	return fmt.Sprintf("%s %s -> %s", p.Protocol, host, net.JoinHostPort(p.ContainerIP, span(p.ContainerPort)))
}

// chains looks whether the rules are there that make the elements matter.
func (a *Attachment) chains(conn *nft.Conn, table nft.Table, h *nft.Holding) error {
	needs := map[string]bool{}
	for _, in := range h.Elements {
		switch name := in.Set.Name; {
		case strings.HasPrefix(name, "masq-"):
			needs[name] = true
		case name == "guarded":
			needs["prerouting"] = true
		case strings.HasPrefix(name, "ports-any"), strings.HasPrefix(name, "ports-host"):
			needs["ports-prerouting"], needs["ports-dnat"] = true, true
		}
	}
	for name := range needs {
		rules, err := conn.Rules(table, name)
		if err != nil {
			return err
		}
		if len(rules) == 0 {
			a.problem(fmt.Sprintf("chain %s of table %v has no rule, or is gone: somebody has flushed it", name, table))
		}
	}
	return nil
}

func parseMAC(text string) (net.HardwareAddr, bool) {
	mac, err := net.ParseMAC(text)
	return mac, err == nil
}
