// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/plugins/ip-pool/leasing"
	"github.com/cni-chain/cni-chain/shared/pool"
)

type request = chain.Request[Config]

// Address is a static address of the container, as IPAM results have them.
type Address struct {
	// Address is the address with its prefix length: "10.0.0.5/24".
	Address string `json:"address"`
	// Gateway is the router of that subnet; may be left out.
	Gateway string `json:"gateway"`
}

// Route is a route with the fields of CNI 1.1.
type Route struct {
	Dst      string `json:"dst"`
	GW       string `json:"gw"`
	MTU      int    `json:"mtu"`
	AdvMSS   int    `json:"advmss"`
	Priority int    `json:"priority"`
	Table    *int   `json:"table"`
	Scope    *int   `json:"scope"`
}

// Wishes are what runtime and user ask for one attachment.
type Wishes struct {
	IPs      []string       `json:"ips"`
	IPRanges [][]pool.Range `json:"ipRanges"`
}

// Masq says which families are masqueraded.
type Masq struct {
	IPv4 bool `json:"ipv4"`
	IPv6 bool `json:"ipv6"`
}

// UnmarshalJSON takes true, false or an object.
func (m *Masq) UnmarshalJSON(data []byte) error {
	type families Masq // without this method
	var both bool
	var each families
	var err error
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		err = chain.Decode(data, "ipMasq", &each)
	} else if chain.Unmarshal(data, &both) != nil {
		err = chain.Errorf(chain.CodeDecoding, `ipMasq: true, false or {"ipv4": true, "ipv6": false} is needed, got %s`, data)
	} else {
		each = families{both, both}
	}
	*m = Masq(each)
	return err
}

func (m Masq) any() bool { return m.IPv4 || m.IPv6 }

// of says whether the address's family is masqueraded.
func (m Masq) of(a netip.Addr) bool {
	if a.Is4() {
		return m.IPv4
	}
	return m.IPv6
}

// The backends of masquerade.
const (
	backendNFTables = "nftables"
	backendIPTables = "iptables"
)

// poolType is the IPAM plugin that is served in process.
const poolType = "ip-pool"

// maxTimeout is an hour in seconds: no runtime waits longer.
const maxTimeout = 3600

// Validate checks what decoding does not.
func (c *Config) Validate() error {
	errs := []error{c.validateIPAM()}
	for i, a := range c.Addresses {
		_, err := a.parse(fmt.Sprintf("addresses[%d]", i))
		errs = append(errs, err)
	}
	for i, r := range c.Routes {
		_, err := r.parse(fmt.Sprintf("routes[%d]", i))
		errs = append(errs, err)
	}
	if c.IPAMTimeout < 1 || c.IPAMTimeout > maxTimeout {
		errs = append(errs, chain.Invalid("ipamTimeout", c.IPAMTimeout, "seconds, 1 to %d", maxTimeout))
	}
	if c.Bridge != "" && !isLinkName(c.Bridge) {
		errs = append(errs, chain.Invalid("bridge", c.Bridge, "the name of an interface, 1 to 15 bytes without / : or space"))
	}
	if c.VLAN < 0 || c.VLAN > 4094 {
		errs = append(errs, chain.Invalid("vlan", c.VLAN, "1 to 4094, or 0 for none"))
	}
	if b := c.IPMasqBackend; b != backendNFTables && b != backendIPTables {
		errs = append(errs, chain.Invalid("ipMasqBackend", b, "%q or %q", backendNFTables, backendIPTables))
	}
	return errors.Join(errs...)
}

// isLinkName says what the kernel takes for the name of an interface (dev_valid_name in net/core/dev.c).
func isLinkName(name string) bool {
	return name != "" && len(name) < unix.IFNAMSIZ && name != "." && name != ".." &&
		!strings.ContainsAny(name, "/: \t\n\v\f\r")
}

// validateIPAM checks "ipam" as far as it is ours: the type, and all of it when ip-pool is served in process.
func (c *Config) validateIPAM() error {
	name, err := c.ipamType()
	if err != nil {
		return err
	}
	switch {
	case name == "" && !emptyObject(c.IPAM):
		return chain.Invalid("ipam", string(c.IPAM), `"type" is missing: the name of an IPAM plugin, such as "ip-pool"`)
	case strings.ContainsAny(name, "/\x00") || name == "." || name == "..":
		return chain.Invalid("ipam.type", name, "the name of a plugin, without a path; CNI_PATH says where they are")
	case name != poolType:
		return nil
	}
	var conf poolConfig
	if err := chain.Decode(c.IPAM, "ipam", &conf); err != nil {
		return err
	}
	return leasing.Error(conf.Validate(), chain.CodeConfig)
}

// ipamType is the name of the IPAM plugin, "" without one.
func (c *Config) ipamType() (string, error) {
	var ipam struct {
		Type string `json:"type"`
	}
	if len(c.IPAM) == 0 {
		return "", nil
	}
	if err := chain.Unmarshal(c.IPAM, &ipam); err != nil {
		return "", chain.Errorf(chain.CodeDecoding, `ipam: an object with the string "type" is needed: %w`, err)
	}
	return ipam.Type, nil
}

// emptyObject says whether "ipam" is as good as missing; tools write such.
func emptyObject(data json.RawMessage) bool {
	text := string(bytes.Join(bytes.Fields(data), nil))
	return text == "" || text == "{}" || text == "null"
}

// hasGateway says whether the link has to do with the bridge.
func (c *Config) hasGateway() bool { return c.IsGateway || c.IsDefaultGateway }

// parse checks a static address.
func (a Address) parse(path string) (address, error) {
	prefix, err := netip.ParsePrefix(a.Address)
	if err != nil {
		return address{}, chain.Invalid(path+".address", a.Address,
			"an address with its prefix length is needed, like 10.0.0.5/24")
	}
	parsed := address{prefix: prefix}
	if a.Gateway != "" {
		if parsed.gateway, err = netip.ParseAddr(a.Gateway); err != nil {
			return address{}, chain.Invalid(path+".gateway", a.Gateway, "an IP address is needed")
		}
	}
	if err := parsed.validate(); err != nil {
		return address{}, chain.Invalid(path, a.Address, "%v", err)
	}
	return parsed, nil
}

// parse checks a route.
func (r Route) parse(path string) (route, error) {
	dst, err := netip.ParsePrefix(r.Dst)
	if err != nil {
		return route{}, chain.Invalid(path+".dst", r.Dst, "a destination with its prefix length is needed, like 0.0.0.0/0")
	}
	parsed := route{dst: dst, mtu: r.MTU, advmss: r.AdvMSS, priority: r.Priority, table: r.Table, scope: r.Scope}
	if r.GW != "" {
		if parsed.gw, err = netip.ParseAddr(r.GW); err != nil {
			return route{}, chain.Invalid(path+".gw", r.GW, "an IP address is needed")
		}
	}
	if err := parsed.validate(); err != nil {
		return route{}, chain.Invalid(path, r.Dst, "%v", err)
	}
	return parsed, nil
}

// validate refuses what the kernel would not take for a container's address.
func (a address) validate() error {
	ip := a.prefix.Addr()
	switch {
	case ip.Is4In6() || ip.Zone() != "":
		return errors.New("written as plain IPv4 or IPv6")
	case ip.IsUnspecified(), ip.IsMulticast(), ip.IsLoopback():
		return errors.New("no address that a container can have")
	case ip.Is4() && ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return errors.New("the broadcast address")
	case !a.gateway.IsValid():
		return nil
	case a.gateway.Is4() != ip.Is4():
		return fmt.Errorf("its gateway %s is of the other address family", a.gateway)
	case a.gateway == ip:
		return errors.New("the address is its own gateway")
	case a.gateway.IsUnspecified(), a.gateway.IsMulticast():
		return fmt.Errorf("its gateway %s is no host", a.gateway)
	}
	return nil
}

// validate refuses what the kernel would not take, or would take for something else.
func (r route) validate() error {
	switch {
	case r.dst.Addr().Is4In6() || r.dst.Addr().Zone() != "":
		return errors.New("written as plain IPv4 or IPv6")
	case r.dst != r.dst.Masked():
		return fmt.Errorf("bits beyond the prefix are set, the network is %s", r.dst.Masked())
	case r.gw.IsValid() && r.gw.Is4() != r.dst.Addr().Is4():
		return fmt.Errorf("its gw %s is of the other address family", r.gw)
	}
	table, scope := 0, 0
	if r.table != nil {
		table = *r.table
	}
	if r.scope != nil {
		scope = *r.scope
	}
	for _, n := range []struct {
		key   string
		value int
		max   int64
	}{
		{"mtu", r.mtu, math.MaxUint16}, {"advmss", r.advmss, math.MaxUint16},
		{"priority", r.priority, math.MaxUint32}, {"table", table, math.MaxUint32}, {"scope", scope, math.MaxUint8},
	} {
		if n.value < 0 || int64(n.value) > n.max {
			return fmt.Errorf("%s is %d: 0 to %d", n.key, n.value, n.max)
		}
	}
	return nil
}
