// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"cmp"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/cni-chain/cni-chain/shared/testnet"
)

// Change is one thing that came, went or changed.
type Change struct {
	// Sign is "+", "-" or "~".
	Sign string `json:"sign"`
	// Place is "host", or the container's namespace.
	Place string `json:"place"`
	// Kind is link, address, route, rule, neighbour, fdb, tc, sysctl, nftables, iptables, file, ...
	Kind   string `json:"kind"`
	What   string `json:"what"`
	Detail string `json:"detail,omitempty"`
	// Minor says that it follows from others, or is bookkeeping: the kernel's routes of an address, the rules of a table
	// that is there for all attachments.
	Minor bool `json:"minor,omitempty"`
}

// order is that of the kinds: from what carries to what is carried.
var order = []testnet.Section{
	testnet.Links, testnet.Addresses, testnet.Routes, testnet.Rules, testnet.Neighbours, testnet.FDB, testnet.TC,
	testnet.Sysctls, testnet.NFT, testnet.IPTables, testnet.Files,
}

// forwarding6 switches forwarding of IPv6 on or off, as ip_forward does for IPv4.
const forwarding6 = "ipv6/conf/all/forwarding"

// Describe writes changes for people, those of the host first.
func Describe(changes []testnet.Change) []Change {
	changes = slices.Clone(changes)
	slices.SortStableFunc(changes, func(a, b testnet.Change) int {
		x, y := a.Object(), b.Object()
		return cmp.Or(rank(x.Place != "host"), -rank(y.Place != "host"), rankOf(x.Section)-rankOf(y.Section))
	})
	d := describer{tables: map[string]*table{}}
	for _, c := range changes {
		key := c.Object().Key
		d.forwards = d.forwards || key == "ipv4/ip_forward" || key == forwarding6
	}
	for _, c := range changes {
		d.add(c)
	}
	d.sumUp()
	return d.list
}

func rank(b bool) int {
	if b {
		return 1
	}
	return 0
}

func rankOf(s testnet.Section) int {
	if at := slices.Index(order, s); at >= 0 {
		return at
	}
	return len(order)
}

type describer struct {
	list []Change
	// tables are those of ours that changed.
	tables map[string]*table
	// forwards says that forwarding was switched, which switches it on every interface.
	forwards bool
}

func (d *describer) add(c testnet.Change) {
	o := c.Object()
	change := Change{
		Sign: sign(c), Place: o.Place, Kind: string(o.Section), What: o.Key, Detail: strings.Join(c.Fields(), ", "),
	}
	switch o.Section {
	case testnet.Links:
		change.link(c)
	case testnet.Addresses:
		change.address(c)
	case testnet.Routes:
		change.route()
	case testnet.FDB:
		change.Minor = true
	case testnet.Sysctls:
		d.sysctl(&change, c)
	case testnet.NFT:
		d.nft(&change, c)
	case testnet.Files:
		change.file(c)
	default:
		if change.Detail == "" {
			change.Detail = all(o)
		}
	}
	d.list = append(d.list, change)
}

func sign(c testnet.Change) string {
	switch {
	case c.Before == nil:
		return "+"
	case c.After == nil:
		return "-"
	}
	return "~"
}

func field(o testnet.Object, name string) string {
	for _, f := range o.Fields {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// all are the fields of an object.
func all(o testnet.Object) string {
	var parts []string
	for _, f := range o.Fields {
		parts = append(parts, f.Name+" "+f.Value)
	}
	return strings.Join(parts, ", ")
}

// link says of an interface what it is, and not its fifty settings.
func (c *Change) link(of testnet.Change) {
	o := of.Object()
	if c.Sign == "~" {
		return
	}
	parts := []string{field(o, "kind")}
	for _, name := range []string{"mtu", "mac"} {
		if value := field(o, name); value != "" {
			parts = append(parts, name+" "+value)
		}
	}
	if master := field(o, "master"); master != "" {
		parts = append(parts, "port of "+master)
	}
	c.Detail = strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), ", ")
}

func (c *Change) address(of testnet.Change) {
	device, address, _ := strings.Cut(of.Object().Key, " ")
	c.What = address
	c.Detail = strings.TrimSuffix("on "+device+", "+c.Detail, ", ")
}

// usual is what most routes are, and is not said of them.
var usual = regexp.MustCompile(` (unicast|table main|proto \S+)`)

// route leaves out what follows from an address: the kernel's own routes.
func (c *Change) route() {
	c.Minor = strings.Contains(c.What, " proto kernel") || strings.Contains(c.What, " table local")
	c.What = usual.ReplaceAllString(c.What, "")
}

func (d *describer) sysctl(change *Change, c testnet.Change) {
	key := c.Object().Key
	change.What = "net." + strings.ReplaceAll(key, "/", ".")
	change.Detail = strings.TrimPrefix(change.Detail, "value ")
	if change.Detail == "" {
		change.Detail = field(c.Object(), "value")
	}
	follows := regexp.MustCompile(`^ipv[46]/conf/[^/]+/((mc_)?forwarding|accept_redirects)$`)
	change.Minor = d.forwards && key != forwarding6 && follows.MatchString(key)
}

// bookkeeping is what links remember about others, in files of their own.
var bookkeeping = regexp.MustCompile(`^/run/cni-chain/(pool/[^/]+/(owner-|used-|position|new)|resolv-conf/|port-map/)`)

func (c *Change) file(of testnet.Change) {
	o := of.Object()
	mode := field(o, "mode")
	c.Minor = strings.HasPrefix(mode, fs.ModeDir.String()[:1]) || bookkeeping.MatchString(o.Key)
	switch {
	case c.Sign == "~" && strings.Contains(c.Detail, "sha256"):
		c.Detail = "rewritten, " + field(o, "size") + " bytes"
	case c.Sign == "+" && !c.Minor:
		c.Detail = field(o, "size") + " bytes"
	}
	if filepath.Dir(filepath.Dir(o.Key)) == "/run/cni-chain/pool" && !c.Minor {
		c.Detail = "the lease"
	}
}
