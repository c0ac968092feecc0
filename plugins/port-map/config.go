// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/chain"
)

// What the configuration chooses from.
const (
	backendNFTables = "nftables"
	backendIPTables = "iptables"

	listenersWarn   = "warn"
	listenersRefuse = "refuse"
	listenersIgnore = "ignore"

	// defaultMarkBit is upstream's, the bit that Docker's and Kubernetes' own (14 and 15) leave free.
	defaultMarkBit = 13
)

// protoNumber is the number of a protocol that has ports and that NAT translates, or 0.
func protoNumber(name string) uint8 {
	switch name {
	case "tcp":
		return unix.IPPROTO_TCP
	case "udp":
		return unix.IPPROTO_UDP
	case "sctp":
		return unix.IPPROTO_SCTP
	}
	return 0
}

// protoName is the name by which protoNumber knows the protocol.
func protoName(number uint8) string {
	for _, name := range []string{"tcp", "udp", "sctp"} {
		if protoNumber(name) == number {
			return name
		}
	}
	return strconv.Itoa(int(number))
}

// Validate says what in the configuration cannot be, without looking at the host or at prevResult.
func (c *Config) Validate() error {
	if _, err := c.ports(); err != nil {
		return err
	}
	if err := oneOf("backend", c.Backend, backendNFTables, backendIPTables); err != nil {
		return err
	}
	if err := oneOf("listeners", c.Listeners, listenersWarn, listenersRefuse, listenersIgnore); err != nil {
		return err
	}
	if err := c.validMark(); err != nil {
		return err
	}
	for f, words := range map[family][]string{v4: c.ConditionsV4, v6: c.ConditionsV6} {
		if err := c.validConditions(f, words); err != nil {
			return err
		}
	}
	return nil
}

// validMark looks at what only the iptables backend uses.
func (c *Config) validMark() error {
	if c.MarkMasqBit != nil && (*c.MarkMasqBit < 0 || *c.MarkMasqBit > 31) {
		return chain.Invalid("markMasqBit", *c.MarkMasqBit, "a packet mark has the bits 0 to 31")
	}
	if c.MarkMasqBit != nil && c.ExternalSetMarkChain != nil {
		return chain.Invalid("externalSetMarkChain", *c.ExternalSetMarkChain, "markMasqBit excludes it")
	}
	if c.ExternalSetMarkChain != nil && !validChain(*c.ExternalSetMarkChain) {
		return chain.Invalid("externalSetMarkChain", *c.ExternalSetMarkChain, "an iptables chain has 1 to 28 letters, "+
			"digits, - and _")
	}
	return nil
}

// oneOf accepts the values and none.
func oneOf(key, value string, values ...string) error {
	if value == "" || slices.Contains(values, value) {
		return nil
	}
	return chain.Invalid(key, value, "it is one of %q", values)
}

// validConditions accepts what the backend can do: nftables what we translate, iptables also any match of its own.
func (c *Config) validConditions(f family, words []string) error {
	_, err := parseConditions(f, words)
	lines := strings.ContainsAny(strings.Join(words, ""), "\n\r\x00\"\\")
	if err != nil && (c.Backend != backendIPTables || !iptablesWords(words) || lines) {
		return chain.Invalid(fmt.Sprintf("conditionsV%d", f), strings.Join(words, " "), "%v", err)
	}
	return nil
}

// validChain says whether iptables takes the name (XT_EXTENSION_MAXNAMELEN of linux/netfilter/x_tables.h).
func validChain(name string) bool {
	for _, r := range name {
		if r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') {
			return false
		}
	}
	return name != "" && len(name) <= 28 && name[0] != '-'
}

// port is a mapping that has been looked through: count ports of the host from host on lead to as many of the
// container from target on. addr is the host's address; the zero one is all addresses, of both families or of one.
type port struct {
	path         string // in the configuration
	proto        uint8
	addr         netip.Addr
	family       family // 0 is both
	host, target uint16
	count        int
}

// ports reads the mappings of the configuration and those of the runtime.
func (c *Config) ports() ([]port, error) {
	var all []port
	for _, list := range []struct {
		path     string
		mappings []Mapping
	}{
		{"portMappings", c.PortMappings},
		{"runtimeConfig.portMappings", c.RuntimeConfig.PortMappings},
	} {
		for i, m := range list.mappings {
			p, err := m.parse(fmt.Sprintf("%s[%d]", list.path, i))
			if err != nil {
				return nil, err
			}
			all = append(all, p)
		}
	}
	return all, noneTwice(all)
}

func (m Mapping) parse(path string) (port, error) {
	p := port{path: path, count: m.Range}
	if p.count == 0 {
		p.count = 1
	}
	if m.Range < 0 || m.Range > 65535 {
		return p, chain.Invalid(path+".range", m.Range, "it is a number of ports, 1 to 65535")
	}
	for key, value := range map[string]int{"hostPort": m.HostPort, "containerPort": m.ContainerPort} {
		if value < 1 || value > 65535 {
			return p, chain.Invalid(path+"."+key, value, "a port is 1 to 65535")
		}
		if value+p.count-1 > 65535 {
			return p, chain.Invalid(path+".range", m.Range, "from %s %d on there are not so many ports", key, value)
		}
	}
	p.host, p.target = uint16(m.HostPort), uint16(m.ContainerPort)
	p.proto = unix.IPPROTO_TCP
	if m.Protocol != "" {
		p.proto = protoNumber(strings.ToLower(m.Protocol))
	}
	if p.proto == 0 {
		return p, chain.Invalid(path+".protocol", m.Protocol, `it is "tcp", "udp" or "sctp"`)
	}
	return p, p.parseHostIP(m.HostIP)
}

func (p *port) parseHostIP(text string) error {
	if text == "" {
		return nil
	}
	addr, err := netip.ParseAddr(text)
	switch {
	case err != nil:
		return chain.Invalid(p.path+".hostIP", text, "it is no IP address")
	case addr.Zone() != "":
		return chain.Invalid(p.path+".hostIP", text, "an address with a zone cannot be mapped")
	case addr.IsMulticast():
		return chain.Invalid(p.path+".hostIP", text, "it is a multicast address, which no host has")
	}
	addr = addr.Unmap()
	p.family = familyOf(addr)
	if !addr.IsUnspecified() {
		p.addr = addr
	}
	return nil
}

// noneTwice refuses two mappings of one request that a packet could match both. It looks only at those that have a port
// in common: a request may have thousands.
func noneTwice(all []port) error {
	type protoPort struct {
		proto uint8
		port  int
	}
	seen := map[protoPort][]*port{}
	for i := range all {
		p := &all[i]
		for n := range p.count {
			key := protoPort{p.proto, int(p.host) + n}
			for _, q := range seen[key] {
				if p.overlaps(q) {
					return chain.Invalid(p.path+".hostPort", p.host, "%s is mapped by %s already",
						hostPort{p.proto, p.addr, uint16(key.port)}, q.path)
				}
			}
			seen[key] = append(seen[key], p)
		}
	}
	return nil
}

// overlaps says whether a packet to one port that both map could match both.
func (p *port) overlaps(q *port) bool {
	sameAddr := p.addr == q.addr || !p.addr.IsValid() || !q.addr.IsValid()
	sameFamily := p.family == q.family || p.family == 0 || q.family == 0
	return sameAddr && sameFamily
}

// hostPort is one port of the host as people write it.
type hostPort struct {
	proto uint8
	addr  netip.Addr
	port  uint16
}

func (h hostPort) String() string {
	name := protoName(h.proto)
	if !h.addr.IsValid() {
		return fmt.Sprintf("%s port %d of all addresses", name, h.port)
	}
	return fmt.Sprintf("%s port %d of %s", name, h.port, h.addr)
}
