// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"

	current "github.com/containernetworking/cni/pkg/types/100"
	"github.com/vishvananda/netlink"

	"github.com/cni-chain/cni-chain/chain/chaintest"
	"github.com/cni-chain/cni-chain/shared/sysctl"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// asPlugin makes the test binary the plugin itself, for tests that look at a process.
const asPlugin = "PORT_MAP_TEST_PLUGIN"

func TestMain(m *testing.M) {
	if os.Getenv(asPlugin) != "" {
		main()
	}
	testnet.Main(m)
}

// bridge is a network as the links before this one make it.
type bridge struct {
	t      testing.TB
	name   string
	v4, v6 netip.Prefix // of the bridge itself
	next4  netip.Addr
	next6  netip.Addr
	link   netlink.Link
}

func newBridge(t testing.TB, name string, v4, v6 string) *bridge {
	t.Helper()
	testnet.HostNS(t)
	b := &bridge{t: t, name: name, v4: netip.MustParsePrefix(v4), v6: netip.MustParsePrefix(v6)}
	b.next4, b.next6 = b.v4.Addr(), b.v6.Addr()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	b.link = &netlink.Bridge{LinkAttrs: attrs}
	must(t, netlink.LinkAdd(b.link))
	t.Cleanup(func() { must(t, netlink.LinkDel(b.link)) })
	must(t, testnet.Configure(name, b.v4, b.v6))
	for _, name := range []string{"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"} {
		setSysctl(t, name, "1")
	}
	return b
}

// setSysctl sets a parameter until the test ends.
func setSysctl(t testing.TB, name, value string) {
	t.Helper()
	changed, old, err := sysctl.Set(name, value)
	must(t, err)
	if changed {
		t.Cleanup(func() {
			_, _, err := sysctl.Set(name, old)
			must(t, err)
		})
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// container is one on a bridge, and how a runtime calls port-map for it.
type container struct {
	*testnet.NS
	bridge  *bridge
	id      string
	v4, v6  netip.Addr
	network string
}

// in is the network for a subtest: what it makes ends with that.
func (b *bridge) in(t testing.TB) *bridge {
	inner := *b
	inner.t = t
	return &inner
}

// newContainer makes a container with its veth, addresses and default routes. Its port of the bridge has hairpin mode,
// as veth-bridge gives it on demand.
func (b *bridge) newContainer() *container {
	b.t.Helper()
	c := &container{NS: testnet.NewNS(b.t), bridge: b, network: b.name}
	b.next4, b.next6 = b.next4.Next(), b.next6.Next()
	c.v4, c.v6 = b.next4, b.next6
	c.id = "id-" + c.Name
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "v-" + c.Name
	attrs.MasterIndex = b.link.Attrs().Index
	veth := netlink.NewVeth(attrs)
	veth.PeerName, veth.PeerNamespace = "eth0", netlink.NsFd(c.File().Fd())
	must(b.t, netlink.LinkAdd(veth))
	must(b.t, netlink.LinkSetHairpin(veth, true))
	must(b.t, netlink.LinkSetUp(veth))
	must(b.t, c.Up("lo"))
	must(b.t, c.Do(func() error {
		p4, p6 := netip.PrefixFrom(c.v4, b.v4.Bits()), netip.PrefixFrom(c.v6, b.v6.Bits())
		if err := testnet.Configure("eth0", p4, p6); err != nil {
			return err
		}
		return testnet.AddDefault("eth0", b.v4.Addr(), b.v6.Addr())
	}))
	return c
}

// prevResult is what the links before report.
func (c *container) prevResult() *current.Result {
	index := 2
	ip := func(addr netip.Addr, bits int) *current.IPConfig {
		return &current.IPConfig{Interface: &index, Address: net.IPNet{IP: addr.AsSlice(),
			Mask: net.CIDRMask(bits, addr.BitLen())}}
	}
	result := &current.Result{CNIVersion: "1.1.0", Interfaces: []*current.Interface{
		{Name: c.bridge.name}, {Name: "v-" + c.Name}, {Name: "eth0", Sandbox: c.Path}}}
	if c.v4.IsValid() {
		result.IPs = append(result.IPs, ip(c.v4, c.bridge.v4.Bits()))
	}
	if c.v6.IsValid() {
		result.IPs = append(result.IPs, ip(c.v6, c.bridge.v6.Bits()))
	}
	return result
}

// config is the configuration of a call: keys, mappings of the runtime, and prevResult.
func (c *container) config(keys map[string]any, mappings ...Mapping) map[string]any {
	config := map[string]any{"cniVersion": "1.1.0", "name": c.network, "type": "port-map",
		"prevResult": c.prevResult()}
	if len(mappings) > 0 {
		config["runtimeConfig"] = map[string]any{"portMappings": mappings}
	}
	for k, v := range keys {
		config[k] = v
	}
	return config
}

func (c *container) call(command string, config any) chaintest.Call {
	return chaintest.Call{Command: command, Config: config, ContainerID: c.id, NetNS: c.Path, IfName: "eth0"}
}

// add maps ports, and takes them back when the test ends.
func (c *container) add(keys map[string]any, mappings ...Mapping) chaintest.Outcome {
	c.bridge.t.Helper()
	config := c.config(keys, mappings...)
	c.bridge.t.Cleanup(func() { c.del().OK(c.bridge.t) })
	return chaintest.Run(c.bridge.t, plugin, c.call("ADD", config))
}

// del calls DEL with the names alone.
func (c *container) del() chaintest.Outcome {
	c.bridge.t.Helper()
	config := map[string]any{"cniVersion": "1.1.0", "name": c.network, "type": "port-map"}
	// The test's own context is done when it cleans up.
	return chaintest.RunContext(context.Background(), c.bridge.t, plugin,
		chaintest.Call{Command: "DEL", Config: config, ContainerID: c.id, IfName: "eth0"})
}

func (c *container) check(keys map[string]any, mappings ...Mapping) chaintest.Outcome {
	c.bridge.t.Helper()
	return chaintest.Run(c.bridge.t, plugin, c.call("CHECK", c.config(keys, mappings...)))
}

// hostState is all of the host that port-map may change, and what is around it: but not the interfaces, which in these
// tests come and go in the background.
func hostState(t testing.TB) string {
	t.Helper()
	all := testnet.Take(t)
	state := all.Only(testnet.NFT, testnet.IPTables, testnet.Routes, testnet.Rules, testnet.Files).String()
	for _, o := range all.Only(testnet.Sysctls).Objects() {
		if strings.HasSuffix(o.Key, "/route_localnet") && !strings.Contains(o.Key, "/v-ns") {
			state += o.String() + "\n"
		}
	}
	return state
}

// ruleset is all rules, as nft and iptables print them.
func ruleset(t testing.TB) string {
	t.Helper()
	return command(t, "nft", "list", "ruleset", "inet") + command(t, "iptables-save") + command(t, "ip6tables-save")
}

func command(t testing.TB, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// text is JSON for messages.
func text(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(data)
}

func sysctlGet(name string) (string, error) { return sysctl.Get(name) }

// in is the container for a subtest.
func (c *container) in(t testing.TB) *container {
	inner := *c
	inner.bridge = c.bridge.in(t)
	return &inner
}

// eachBackend runs a test once for each backend that the machine has.
func eachBackend(t *testing.T, name string, f func(t *testing.T, backend string)) {
	t.Helper()
	for _, backend := range backends(t) {
		t.Run(strings.TrimPrefix(name+", "+backend, ", "), func(t *testing.T) { f(t, backend) })
	}
}

// settleBackend lets the backend make what it leaves: iptables makes tables when it first needs them.
func settleBackend(t *testing.T, b *bridge, backend string) {
	t.Helper()
	c := b.in(t).newContainer()
	c.add(map[string]any{"backend": backend}, web).OK(t)
	c.del().OK(t)
}
