// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Package qemu runs kernel tests in a QEMU guest on Debian's kernel (make qemu). Its own tests are chains that need
// what the kernels of small machines often lack: VLANs, ipvlan, dummy and vrf interfaces, SCTP. They run wherever a
// kernel has it.
package qemu

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/e2e/harness"
	"github.com/cni-chain/cni-chain/shared/nl"
	"github.com/cni-chain/cni-chain/shared/sysctl"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

func TestMain(m *testing.M) { harness.Main(m) }

// needVLANs skips the test where bridges cannot filter VLANs.
func needVLANs(t *testing.T) {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "probe0"
	probe := &netlink.Bridge{LinkAttrs: attrs}
	must(t, "make a bridge", netlink.LinkAdd(probe))
	defer func() { must(t, "delete the bridge", netlink.LinkDel(probe)) }()
	c, err := nl.Dial()
	must(t, "open netlink", err)
	defer func() { _ = c.Close() }()
	bridge, err := c.Link(nl.Which{Name: attrs.Name})
	must(t, "read the bridge", err)
	if !bridge.Bridge.CanFilter {
		testnet.Lacks(t, "VLAN filtering of bridges")
	}
}

// needLink skips the test where the kernel has no such interfaces.
func needLink(t *testing.T, kind string) {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "probe0"
	if kind == "ipvlan" {
		attrs.ParentIndex = 1 // the library does not ask the kernel without one
	}
	probe := &netlink.GenericLink{LinkAttrs: attrs, LinkType: kind}
	err := netlink.LinkAdd(probe)
	switch {
	case errors.Is(err, unix.EOPNOTSUPP):
		testnet.Lacks(t, kind+" interfaces")
	case err == nil:
		must(t, "delete a "+kind, netlink.LinkDel(probe))
	} // Otherwise the kernel knows it, and misses a setting.
}

func must(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// chain is a conflist of the given plugins.
func chain(t *testing.T, name, plugins string) *harness.Network {
	t.Helper()
	return harness.ParseWith(t, fmt.Sprintf(`{"cniVersion": "1.1.0", "name": %q, "plugins": [%s]}`, name, plugins), nil,
		harness.Bin("qemu/plugins"))
}

// stays is what belongs to a VLAN of the bridge, what the kernel makes with the first vrf, and a container that ended.
var stays = regexp.MustCompile(`\bvgw[0-9a-z]+\b|^  \+ rule ipv[46] 1000: .* l3mdev |^  - namespace `)

// asBefore compares the machine with what it was, apart from what belongs to the networks and stays with their bridge.
func asBefore(t *testing.T, before *testnet.Snapshot, ns *testnet.NS, networks ...*harness.Network) {
	t.Helper()
	diff := testnet.Diff(before, testnet.Take(t, ns))
	for _, n := range networks {
		diff = harness.Left(n, diff)
	}
	var left []string
	for line := range strings.Lines(diff) {
		if strings.HasPrefix(line, "  ") && !stays.MatchString(line) {
			left = append(left, line)
		}
	}
	if left != nil {
		t.Errorf("the machine is not what it was:\n%s", strings.Join(left, ""))
	}
}

const vlanChain = `
	{"type": "veth-bridge", "bridge": "cni0", "vlan": %[1]d, "hairpinMode": true},
	{"type": "ip-config", "vlan": %[1]d, "isDefaultGateway": true, "ipMasq": true,
	 "ipam": {"type": "ip-pool", "ranges": [[{"subnet": "10.88.%[1]d.0/24"}], [{"subnet": "fd00:88:%[1]d::/64"}]]}},
	{"type": "port-map", "capabilities": {"portMappings": true}}`

// TestVLAN: two containers in a VLAN of the bridge have all traffic that those of a whole bridge have; one in another
// VLAN is reached by the host's routing, and not within the bridge.
func TestVLAN(t *testing.T) {
	testnet.Need(t)
	needVLANs(t)
	harness.EachBridgeNetfilter(t, twoVLANs)
}

// throughGateway is what does not work in a VLAN while bridged packets pass iptables (bridge-nf-call-iptables): one
// is translated within the bridge already, on its way to the gateway's port, as if it left by the bridge itself, which
// has no address in the VLAN and is no member of it. docs/kernels.md says so.
var throughGateway = regexp.MustCompile(`a to outside|neighbour to the port|to its own port`)

// try runs those of the flows that can work.
func try(t *testing.T, flows []harness.Flow) {
	t.Helper()
	if on, err := sysctl.Get("net/bridge/bridge-nf-call-iptables"); err == nil && on == "1" {
		flows = slices.DeleteFunc(flows, func(f harness.Flow) bool { return throughGateway.MatchString(f.Name) })
	}
	harness.Try(t, flows)
}

func twoVLANs(t *testing.T) {
	n, other := chain(t, "seven", fmt.Sprintf(vlanChain, 7)), chain(t, "eight", fmt.Sprintf(vlanChain, 8))
	w := harness.NewWorld(t, n)
	a := n.Attach(testnet.NewNS(t), "a").With("portMappings", harness.PublishedPorts)
	b, c := n.Attach(testnet.NewNS(t), "b"), other.Attach(testnet.NewNS(t), "c")
	harness.Serve(t, w.Host, w.Outside.NS, a.NS, b.NS, c.NS)
	before := testnet.Take(t, a.NS)
	must(t, "STATUS", n.Status())
	for _, attachment := range []*harness.Attachment{a, b, c} {
		attachment.MustAdd(t)
		must(t, "CHECK "+attachment.Runtime.ContainerID, attachment.Check())
	}
	try(t, harness.Neighbours(a, b))
	try(t, w.Around(a))
	try(t, w.Mapped(a, b))
	within(t, a, c, "10.88.7.99/24")

	must(t, "DEL c", c.Del())
	must(t, "end b", b.NS.Close())
	must(t, "DEL b", b.Del())
	must(t, "CHECK a without b", a.Check())
	try(t, w.Mapped(a, nil))
	must(t, "DEL a", a.Del())
	must(t, "GC", n.GC())
	asBefore(t, before, a.NS, n, other)
}

// within: although c gives itself an address of a's network, a does not find it, as it is in another VLAN.
func within(t *testing.T, a, c *harness.Attachment, address string) {
	t.Helper()
	out, err := c.NS.Command("ip", "addr", "add", address, "dev", "eth0").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	host, _, _ := strings.Cut(address, "/")
	if answer, err := a.NS.Ask(ctx, "udp", fmt.Sprintf("%s:%d", host, harness.Service)); err == nil {
		t.Errorf("from VLAN 7, %s answers in VLAN 8", answer.Server)
	}
}

// TestVRF: upstream's vrf moves the routes into a table of its own, and CHECK and DEL find everything still.
func TestVRF(t *testing.T) {
	testnet.Need(t)
	needLink(t, "vrf")
	n := chain(t, "podnet", `
		{"type": "veth-bridge", "bridge": "cni0"},
		{"type": "ip-config", "isDefaultGateway": true, "ipMasq": true,
		 "routes": [{"dst": "203.0.113.0/24"}], "ipam": {"type": "ip-pool", "subnet": "10.88.0.0/24"}},
		{"type": "vrf", "vrfname": "blue"},
		{"type": "port-map", "capabilities": {"portMappings": true}}`)
	w := harness.NewWorld(t, n)
	a := n.Attach(testnet.NewNS(t), "a")
	before := testnet.Take(t, a.NS)
	must(t, "ADD", a.Add())
	must(t, "CHECK", a.Check())
	ping(t, a, w.Outside.V4.String())
	must(t, "DEL", a.Del())
	must(t, "GC", n.GC())
	asBefore(t, before, a.NS, n)
}

// ping asks from inside the vrf.
func ping(t *testing.T, a *harness.Attachment, address string) {
	t.Helper()
	args := strings.Fields("vrf exec blue busybox ping -c 1 -W 10 " + address)
	out, err := a.NS.Command("ip", args...).CombinedOutput()
	if err != nil {
		t.Errorf("ping %s: %v: %s", address, err, out)
	}
}

// TestOtherInterfaces: behind upstream's plugins that make other interfaces than veths, with addresses from our pool,
// ip-config adds an address and resolv-conf the name servers; the network is reached by both addresses.
func TestOtherInterfaces(t *testing.T) {
	for _, kind := range []string{"ipvlan", "vlan", "dummy"} {
		t.Run(kind, func(t *testing.T) {
			testnet.Need(t)
			needLink(t, kind)
			if _, err := os.Stat(filepath.Join(harness.Bin("qemu/plugins"), kind)); err != nil {
				testnet.Lacks(t, "upstream's "+kind+" in bin/qemu/plugins (make qemu)")
			}
			otherInterface(t, kind)
		})
	}
}

func otherInterface(t *testing.T, kind string) {
	t.Helper()
	n := chain(t, "podnet", fmt.Sprintf(`
		{"type": %q, "master": "lan0", "vlanId": 7, "ipam": {"type": "ip-pool", "subnet": "10.88.0.0/24"}},
		{"type": "ip-config", "addresses": [{"address": "192.168.7.5/24"}]},
		{"type": "resolv-conf", "dns": {"nameservers": ["198.51.100.7"]}}`, kind))
	w := harness.NewWorld(t, n)
	far := "eth0"
	if kind == "vlan" {
		far = "eth0.7"
		if out, err := w.LAN.Command("ip", "link", "add", "link", "eth0", "name", far, "type", "vlan", "id", "7").
			CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	must(t, "give the network's machine addresses", w.LAN.Do(func() error {
		return testnet.Configure(far, netip.MustParsePrefix("10.88.0.254/24"), netip.MustParsePrefix("192.168.7.254/24"))
	}))
	a := n.Attach(testnet.NewNS(t), "a")
	harness.Serve(t, a.NS, w.LAN)
	before := testnet.Take(t, a.NS)
	must(t, "ADD", a.Add())
	must(t, "CHECK", a.Check())
	if got := len(a.Addresses()); got != 2 {
		t.Errorf("the result has %d addresses, want the pool's and ip-config's", got)
	}
	must(t, "name servers", a.CheckDNS())
	if kind != "dummy" {
		harness.Try(t, withLAN(w, a))
	}
	must(t, "DEL", a.Del())
	must(t, "GC", n.GC())
	asBefore(t, before, a.NS, n)
}

// withLAN is the traffic of a with the network's machine, both ways, by each of its addresses.
func withLAN(w *harness.World, a *harness.Attachment) (flows []harness.Flow) {
	for _, address := range a.Addresses() {
		last := address.Addr().As4()
		last[3] = 254
		lan := netip.AddrFrom4(last)
		flows = append(flows,
			harness.Flow{Name: "to " + lan.String(), From: a.NS, Proto: "tcp",
				To: netip.AddrPortFrom(lan, harness.Service), Server: w.LAN.Name, Source: address.Addr()},
			harness.Flow{Name: "from " + lan.String(), From: w.LAN, Proto: "udp",
				To: netip.AddrPortFrom(address.Addr(), harness.Service), Server: a.NS.Name, Source: lan})
	}
	return flows
}
