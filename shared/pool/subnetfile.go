// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

// subnetFile is what flanneld writes of a host's part in a network (WriteSubnetFile in flannel's pkg/subnet), as lines
// of KEY=VALUE:
//
//	FLANNEL_NETWORK=10.244.0.0/16       the whole network; several, with commas, in releases with several cluster CIDRs
//	FLANNEL_SUBNET=10.244.3.1/24        the host's part of it, with the address that its containers have for gateway
//	FLANNEL_IPV6_NETWORK=fd00:244::/48  the same of IPv6; each family may be missing
//	FLANNEL_IPV6_SUBNET=fd00:244:0:3::1/64
//	FLANNEL_MTU=1450                    of the way to the other hosts
//	FLANNEL_IPMASQ=true                 whether flanneld masquerades; nothing here depends on it
type subnetFile struct {
	parts []part // IPv4 before IPv6
	mtu   int    // 0 where the file does not say
}

// part is a host's part of a network, of one family.
type part struct {
	key      string         // FLANNEL_SUBNET
	subnet   netip.Prefix   // with the bits of the gateway
	networks []netip.Prefix // none where the file does not say
}

// maxSubnetFile is in bytes; flanneld writes fewer than 200.
const maxSubnetFile = 4 << 10

// Bounds of an MTU: the least that IPv4 works with (ETH_MIN_MTU of linux/if_ether.h), and what a packet's length can
// say.
const minMTU, maxMTU = 68, 65535

// NotReadyError says that the file from which a pool takes its range is not there yet.
type NotReadyError struct{ File string }

func (e *NotReadyError) Error() string {
	return fmt.Sprintf("%s is not there, the range of this host comes from it: is flanneld running, and has it a lease?",
		e.File)
}

// file is what "subnetFile" says now; nil without one. Errors are *NotReadyError, *ConfigError, or of the file system.
func (c *Config) file() (*subnetFile, error) {
	if c.SubnetFile == "" {
		return nil, nil
	}
	f, err := os.Open(c.SubnetFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &NotReadyError{c.SubnetFile}
	}
	if err != nil {
		return nil, fmt.Errorf("read the range of this host: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSubnetFile+1))
	if err != nil {
		return nil, fmt.Errorf("read the range of this host: %w", err)
	}
	parsed, err := parseSubnetFile(text)
	if err != nil {
		return nil, invalid("subnetFile", c.SubnetFile, "%v", err)
	}
	return parsed, nil
}

// Network is, of the networks in the subnet file, the one that an address is of, also when the address is of an earlier
// range; not valid when there is none.
func (p *Pool) Network(a netip.Addr) netip.Prefix {
	f, err := p.conf.file()
	if err != nil || f == nil {
		return netip.Prefix{}
	}
	for _, part := range f.parts {
		for _, network := range part.networks {
			if network.Contains(a) {
				return network
			}
		}
	}
	return netip.Prefix{}
}

func parseSubnetFile(text []byte) (*subnetFile, error) {
	values, err := parseLines(text)
	if err != nil {
		return nil, err
	}
	f := &subnetFile{}
	for _, family := range []string{"FLANNEL_", "FLANNEL_IPV6_"} {
		p, err := parsePart(family, values)
		if err != nil {
			return nil, err
		}
		if p.subnet.IsValid() {
			f.parts = append(f.parts, p)
		}
	}
	if len(f.parts) == 0 {
		return nil, errors.New("neither FLANNEL_SUBNET nor FLANNEL_IPV6_SUBNET is in it")
	}
	if text, ok := values["FLANNEL_MTU"]; ok {
		f.mtu, err = strconv.Atoi(text)
		if err != nil || f.mtu < minMTU || f.mtu > maxMTU {
			return nil, fmt.Errorf("FLANNEL_MTU=%s: bytes, %d to %d", text, minMTU, maxMTU)
		}
	}
	return f, nil
}

func parseLines(text []byte) (values map[string]string, err error) {
	if len(text) > maxSubnetFile {
		return nil, fmt.Errorf("longer than %d bytes, and so not flanneld's", maxSubnetFile)
	}
	values = map[string]string{}
	for i, line := range strings.Split(string(text), "\n") {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			return nil, fmt.Errorf("line %d is %q, not KEY=VALUE", i+1, line)
		}
		if old, again := values[key]; again && old != value {
			return nil, fmt.Errorf("line %d: a second %s, after %s", i+1, key, old)
		}
		values[key] = value
	}
	return values, nil
}

// parsePart reads the values whose keys begin so. Without a subnet it is the zero part.
func parsePart(prefix string, values map[string]string) (part, error) {
	p := part{key: prefix + "SUBNET"}
	text, ok := values[p.key]
	if !ok {
		return part{}, nil
	}
	is4 := prefix == "FLANNEL_"
	var err error
	p.subnet, err = netip.ParsePrefix(text)
	if err != nil || p.subnet.Addr().Is4() != is4 || p.subnet.Addr().Is4In6() {
		return part{}, fmt.Errorf("%s=%s: the gateway with the length of the prefix, like 10.244.3.1/24 "+
			"(of IPv6 in FLANNEL_IPV6_SUBNET)", p.key, text)
	}
	if err := p.holdsGateway(); err != nil {
		return part{}, err
	}
	key := prefix + "NETWORK"
	for text := range strings.SplitSeq(values[key], ",") {
		if text == "" {
			continue
		}
		network, err := netip.ParsePrefix(text)
		if err != nil || network.Addr().Is4() != is4 || network.Addr().Is4In6() {
			return part{}, fmt.Errorf("%s=%s: a prefix, like 10.244.0.0/16", key, values[key])
		}
		p.networks = append(p.networks, network.Masked())
	}
	if len(p.networks) > 0 && !p.network().IsValid() {
		return part{}, fmt.Errorf("%s=%s is not in %s=%s", p.key, p.subnet, key, values[key])
	}
	return p, nil
}

// holdsGateway: the address must be one that a host can have, with another beside it.
func (p part) holdsGateway() error {
	_, err := p.asRange().resolve("")
	low, high := usable(p.subnet.Masked())
	if a := p.subnet.Addr(); err != nil || a.Less(low) || high.Less(a) {
		return fmt.Errorf("%s=%s: the address is the gateway's, one that a host can have, beside others to lease",
			p.key, p.subnet)
	}
	return nil
}

func (p part) asRange() Range {
	return Range{Subnet: p.subnet.Masked().String(), Gateway: p.subnet.Addr().String()}
}

// network is that of the networks which the subnet is a part of; not valid where the file does not say.
func (p part) network() netip.Prefix {
	i := slices.IndexFunc(p.networks, func(n netip.Prefix) bool { return n.Contains(p.subnet.Addr()) })
	if i < 0 || p.networks[i].Bits() > p.subnet.Bits() {
		return netip.Prefix{}
	}
	return p.networks[i]
}

// sets are the range sets of the file: one a family.
func (f *subnetFile) sets() ([]set, error) {
	if f == nil {
		return nil, nil
	}
	var all []set
	for _, p := range f.parts {
		s, err := p.asRange().resolve("subnetFile.")
		if err != nil {
			return nil, err
		}
		s.network = p.network()
		all = append(all, set{spans: []span{s}})
	}
	return all, nil
}

// routes lead to the other hosts. They have the MTU of that way, which is less than that of a container's own link.
func (f *subnetFile) routes() []Route {
	if f == nil {
		return nil
	}
	var all []Route
	for _, p := range f.parts {
		for _, network := range p.networks {
			if network != p.subnet.Masked() { // else there are no other hosts
				all = append(all, Route{Dst: network.String(), MTU: f.mtu})
			}
		}
	}
	return all
}
