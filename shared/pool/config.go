// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"cmp"
	"fmt"
	"net/netip"
	"path/filepath"
)

// DefaultDataDir is where pools are kept: under /run, so that a reboot, which ends all containers, ends all leases.
const DefaultDataDir = "/run/cni-chain/pool"

// Config is a pool's configuration. Keys that host-local has are called and mean what they do there.
type Config struct {
	// Type is how the plugin is called that has the pool. This package does not look at it.
	Type string `json:"type,omitempty"`
	// Ranges are the range sets. An attachment gets one address of each set, in this order; the ranges of one set are
	// alternatives, of one address family. No two ranges overlap.
	Ranges [][]Range `json:"ranges,omitempty"`
	// Subnet, with RangeStart, RangeEnd and Gateway, is the short form of a first set with one range.
	Subnet     string `json:"subnet,omitempty"`
	RangeStart string `json:"rangeStart,omitempty"`
	RangeEnd   string `json:"rangeEnd,omitempty"`
	Gateway    string `json:"gateway,omitempty"`
	// SubnetFile is a file of flanneld's, /run/flannel/subnet.env: it takes the place of the short form, with a set for
	// each family in it. It is read each time that an address is leased, so that the range may change; leases of an
	// earlier range stay. It need not be there before.
	SubnetFile string `json:"subnetFile,omitempty"`
	// Routes are handed on as they are. With a SubnetFile, one to each of its networks comes after them, with its MTU,
	// unless there is one already.
	Routes []Route `json:"routes,omitempty"`
	// DataDir is the directory of the pools, default /run/cni-chain/pool. On a disk, leases outlive a reboot.
	DataDir string `json:"dataDir,omitempty"`
	// ResolvConf is a resolv.conf(5) whose content becomes the DNS part of the result. This package does not read it.
	ResolvConf string `json:"resolvConf,omitempty"`
	// Pool is the pool's name, default the network's: networks that name the same pool never get the same address.
	Pool string `json:"pool,omitempty"`
	// ImportFrom is a directory of host-local (its dataDir, or the network's directory in it) whose leases are taken
	// over, once.
	ImportFrom string `json:"importFrom,omitempty"`
}

// Range is a part of a subnet to lease from.
type Range struct {
	// Subnet is a prefix without host bits, "10.0.0.0/24".
	Subnet string `json:"subnet"`
	// RangeStart and RangeEnd are the first and the last address, by default those of the subnet. The network address
	// and IPv4's broadcast address are never leased, even when they are given here.
	RangeStart string `json:"rangeStart,omitempty"`
	RangeEnd   string `json:"rangeEnd,omitempty"`
	// Gateway is reported with the address and never leased, whether or not it is in the range. By default it is the
	// subnet's first address that a host can have; a subnet of a single address has none.
	Gateway string `json:"gateway,omitempty"`
}

// Route is a route of the result, with the fields of CNI 1.1.
type Route struct {
	Dst      string `json:"dst"`
	GW       string `json:"gw,omitempty"`
	MTU      int    `json:"mtu,omitempty"`
	AdvMSS   int    `json:"advmss,omitempty"`
	Priority int    `json:"priority,omitempty"`
	Table    *int   `json:"table,omitempty"`
	Scope    *int   `json:"scope,omitempty"`
}

// ConfigError is a value that the configuration or the request must not have.
type ConfigError struct {
	Path   string // where it stands: "ranges[0][1].rangeEnd"; of a Request "ipRanges[0][0].subnet", "ips[1]"
	Value  any
	Reason string
}

func (e *ConfigError) Error() string {
	return fmt.Sprintf("%s: %q: %s", e.Path, fmt.Sprint(e.Value), e.Reason)
}

func invalid(path string, value any, format string, args ...any) error {
	return &ConfigError{Path: path, Value: value, Reason: fmt.Sprintf(format, args...)}
}

// Validate checks all that can be checked without a request and without reading a file; its errors are *ConfigError. No
// range at all is valid here, as a request may bring its own.
func (c *Config) Validate() error {
	if _, err := c.sets(nil, nil); err != nil {
		return err
	}
	for _, p := range []struct{ key, path string }{
		{"dataDir", c.DataDir}, {"resolvConf", c.ResolvConf}, {"importFrom", c.ImportFrom}, {"subnetFile", c.SubnetFile},
	} {
		if p.path != "" && !filepath.IsAbs(p.path) {
			return invalid(p.key, p.path, "an absolute path is needed: a plugin has no directory of its own")
		}
	}
	own := filepath.Clean(cmp.Or(c.DataDir, DefaultDataDir))
	if from := filepath.Clean(c.ImportFrom); c.ImportFrom != "" && (from == own || filepath.Dir(from) == own) {
		return invalid("importFrom", c.ImportFrom, "the pool's own directory; leave out dataDir, or give another one")
	}
	for i, r := range c.Routes {
		if err := r.validate(fmt.Sprintf("routes[%d]", i)); err != nil {
			return err
		}
	}
	return nil
}

// sameDst says whether both lead to the same destination.
func (r Route) sameDst(o Route) bool {
	a, errA := netip.ParsePrefix(r.Dst)
	b, errB := netip.ParsePrefix(o.Dst)
	return errA == nil && errB == nil && a == b
}

func (r Route) validate(path string) error {
	dst, err := netip.ParsePrefix(r.Dst)
	if err != nil {
		return invalid(path+".dst", r.Dst, "a prefix is needed, like 0.0.0.0/0 or 10.1.0.0/16")
	}
	if dst != dst.Masked() {
		return invalid(path+".dst", r.Dst, "bits beyond the prefix are set, the network is %s", dst.Masked())
	}
	if r.GW != "" {
		gw, err := parseAddr(r.GW)
		if err != nil {
			return invalid(path+".gw", r.GW, "%v", err)
		}
		if gw.Is4() != dst.Addr().Is4() {
			return invalid(path+".gw", r.GW, "not of the address family of %s", dst)
		}
	}
	for _, n := range []struct {
		key   string
		value int
	}{{"mtu", r.MTU}, {"advmss", r.AdvMSS}, {"priority", r.Priority}} {
		if n.value < 0 {
			return invalid(path+"."+n.key, n.value, "not below 0")
		}
	}
	return nil
}

// parseAddr parses an address without a zone; IPv4 in IPv6's form (::ffff:10.0.0.5) becomes IPv4.
func parseAddr(text string) (netip.Addr, error) {
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" {
		return netip.Addr{}, fmt.Errorf("an IP address is needed, like 10.0.0.5 or 2001:db8::5")
	}
	return a.Unmap(), nil
}
