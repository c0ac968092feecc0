// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"

	"github.com/cni-chain/cni-chain/e2e/harness"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// head is how a container gets its interface and addresses: by our links, or by upstream's bridge, beside which the
// reference plugins were written. %[1]s is the bridge, %[2]d a number of the network.
var heads = map[string]string{
	"our links": `
		{"type": "veth-bridge", "bridge": "%[1]s", "hairpinMode": true},
		{"type": "ip-config", "isDefaultGateway": true, "ipMasq": true,
		 "ipam": {"type": "ip-pool", "ranges": [[{"subnet": "10.88.%[2]d.0/24"}], [{"subnet": "fd00:88:%[2]d::/64"}]]}}`,
	"upstream's bridge": `
		{"type": "bridge", "bridge": "%[1]s", "hairpinMode": true, "isDefaultGateway": true, "ipMasq": true,
		 "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.88.%[2]d.0/24"}], [{"subnet": "fd00:88:%[2]d::/64"}]]}}`,
}

// tails are reference plugins behind a head, and what is to be seen then. Observations that are not named are "yes".
var tails = []struct {
	name, plugins string
	want          map[string]string
	// bridgeNetfilter: the plugin's rules see traffic within a bridge only with br_netfilter.
	bridgeNetfilter bool
	// unlessUpstream are observations that upstream's bridge does not live up to, and what they are there.
	unlessUpstream map[string]string
}{
	{name: "nothing"},
	{name: "firewall", plugins: `{"type": "firewall"}`},
	{
		name:    "firewall, same-bridge",
		plugins: `{"type": "firewall", "ingressPolicy": "same-bridge"}`,
		want:    map[string]string{"a to another bridge": "no", "another bridge to a": "no"},
	},
	{
		name:            "firewall, isolated",
		plugins:         `{"type": "firewall", "ingressPolicy": "isolated"}`,
		want:            map[string]string{"a to b": "no", "b to a": "no", "a to another bridge": "no", "another bridge to a": "no"},
		bridgeNetfilter: true,
	},
	{
		name: "bandwidth",
		plugins: `{"type": "bandwidth", "ingressRate": 800000000, "ingressBurst": 80000000,
			"egressRate": 800000000, "egressBurst": 80000000}`,
		want: map[string]string{"shaped": "the host veth and an ifb"},
	},
	{
		name:    "tuning with a MAC",
		plugins: `{"type": "tuning", "capabilities": {"mac": true}, "sysctl": {"net.ipv4.conf.IFNAME.arp_filter": "1"}}`,
		want:    map[string]string{"MAC": "asked for"},
	},
	{
		name:    "sbr",
		plugins: `{"type": "sbr"}`,
		want: map[string]string{
			"rules in the container": "more",
			// sbr is for a second interface: it moves the routes of this one out of the main table, where a socket that is
			// not bound to an address looks.
			"a to b": "no", "b to a": "no", "a to another bridge": "no", "another bridge to a": "no", "a to outside": "no",
		},
		// Upstream's looks for its routes in the main table, too.
		unlessUpstream: map[string]string{"CHECK": "no"},
	},
	{
		name:    "portmap",
		plugins: `{"type": "portmap", "capabilities": {"portMappings": true}}`,
		want:    map[string]string{"outside to the port": "yes", "b to the port": "yes", "host to the port": "yes", "a to its own port": "yes"},
	},
	{
		name: "all of them",
		plugins: `{"type": "tuning", "capabilities": {"mac": true}},
			{"type": "portmap", "capabilities": {"portMappings": true}},
			{"type": "firewall", "ingressPolicy": "same-bridge"},
			{"type": "bandwidth", "ingressRate": 800000000, "ingressBurst": 80000000,
			 "egressRate": 800000000, "egressBurst": 80000000}`,
		want: map[string]string{
			"a to another bridge": "no", "another bridge to a": "no", "shaped": "the host veth and an ifb", "MAC": "asked for",
			"outside to the port": "yes", "b to the port": "yes", "host to the port": "yes", "a to its own port": "yes",
		},
	},
}

const tunedMAC = "02:42:0a:58:00:0a"

// TestReferencePluginsBehind: what upstream's plugins do behind our links is what they do behind upstream's bridge.
func TestReferencePluginsBehind(t *testing.T) {
	for i, tail := range tails {
		for j, headName := range []string{"our links", "upstream's bridge"} {
			t.Run(tail.name+"/"+headName, func(t *testing.T) {
				want := map[string]string{
					"ADD": "yes", "CHECK": "yes", "DEL": "yes", "a to b": "yes", "b to a": "yes", "a to another bridge": "yes",
					"another bridge to a": "yes", "a to outside": "yes", "host to a": "yes", "v6 a to outside": "yes",
				}
				for what, value := range tail.want {
					want[what] = value
				}
				if headName != "our links" {
					for what, value := range tail.unlessUpstream {
						want[what] = value
					}
				}
				setBridgeNetfilter(t, tail.bridgeNetfilter)
				// Every case has bridges of its own: firewall's rules for a bridge outlive its containers.
				got := observe(t, heads[headName], tail.plugins, 4*i+2*j, want)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("want -, got +:\n%s", diff)
				}
			})
		}
	}
}

func setBridgeNetfilter(t *testing.T, on bool) {
	t.Helper()
	testnet.Need(t)
	value := "0"
	if on {
		value = "1"
	}
	for _, name := range []string{"iptables", "ip6tables"} {
		err := os.WriteFile("/proc/sys/net/bridge/bridge-nf-call-"+name, []byte(value), 0)
		if err != nil && on {
			testnet.Lacks(t, "br_netfilter")
		}
	}
}

// observe attaches a and b to one network and c to the next, and says what works.
func observe(t *testing.T, head, tail string, number int, want map[string]string) map[string]string {
	network := func(number int) *harness.Network {
		name := fmt.Sprintf("mixed%d", number)
		plugins := fmt.Sprintf(head, name, 100+number)
		if tail != "" {
			plugins += ", " + tail
		}
		return harness.Parse(t, fmt.Sprintf(`{"cniVersion": "1.0.0", "name": %q, "plugins": [%s]}`, name, plugins))
	}
	n, other := network(number), network(number+1)
	w := harness.NewWorld(t, n)
	a := n.Attach(testnet.NewNS(t), "container-a").With("portMappings", harness.PublishedPorts).With("mac", tunedMAC)
	b, c := n.Attach(testnet.NewNS(t), "container-b"), other.Attach(testnet.NewNS(t), "container-c")
	harness.Serve(t, w.Host, w.Outside.NS, a.NS, b.NS, c.NS)
	before := testnet.Take(t, a.NS)
	rules := countRules(t, a)

	seen := map[string]string{"ADD": "yes", "CHECK": "yes", "DEL": "yes"}
	each := func(what string, do func(*harness.Attachment) error) {
		for _, attachment := range []*harness.Attachment{a, b, c} {
			if err := do(attachment); err != nil {
				seen[what] = "no"
				t.Logf("%s: %v", what, err)
			}
		}
	}
	each("ADD", (*harness.Attachment).Add)
	if seen["ADD"] == "yes" {
		each("CHECK", (*harness.Attachment).Check)
		traffic(w, a, b, c, want, seen)
		if n.Has("bandwidth") {
			seen["shaped"] = shaped(t, a)
		}
		if n.Has("tuning") {
			seen["MAC"] = "another"
			if harness.MAC(t, a) == tunedMAC {
				seen["MAC"] = "asked for"
			}
		}
		if countRules(t, a) > rules {
			seen["rules in the container"] = "more"
		}
	}
	each("DEL", (*harness.Attachment).Del)
	left := harness.Left(n, testnet.Diff(before, testnet.Take(t, a.NS)))
	if left = harness.Left(other, left); left != "" {
		t.Errorf("the machine is not what it was:\n%s", left)
	}
	return seen
}

func traffic(w *harness.World, a, b, c *harness.Attachment, want, seen map[string]string) {
	v4 := func(x *harness.Attachment) string {
		return fmt.Sprintf("%s:%d", x.Addresses()[0].Addr(), harness.Service)
	}
	for what, flow := range map[string]struct {
		from *testnet.NS
		to   string
	}{
		"a to b":              {a.NS, v4(b)},
		"b to a":              {b.NS, v4(a)},
		"a to another bridge": {a.NS, v4(c)},
		"another bridge to a": {c.NS, v4(a)},
		"host to a":           {w.Host, v4(a)},
		"a to outside":        {a.NS, fmt.Sprintf("%s:%d", w.Outside.V4, harness.Service)},
		"v6 a to outside":     {a.NS, fmt.Sprintf("[%s]:%d", w.Outside.V6, harness.Service)},
	} {
		seen[what] = answered(flow.from, flow.to, want[what] == "yes")
	}
	if !a.Net.Has("portmap") {
		return
	}
	port := fmt.Sprintf("%s:%d", w.Outside.HostV4, harness.Published)
	for what, from := range map[string]*testnet.NS{
		"outside to the port": w.Outside.NS, "b to the port": b.NS, "host to the port": w.Host, "a to its own port": a.NS,
	} {
		seen[what] = answered(from, port, want[what] == "yes")
	}
}

// answered asks over TCP and UDP. Where no answer is expected, a short silence is enough: what is answered at all is
// answered at once, but for the first IPv6 packets of a bridge, whose gateway address is still being tried.
func answered(from *testnet.NS, to string, expected bool) string {
	patience := 500 * time.Millisecond
	if expected {
		patience = testnet.Patience
	}
	var yes []string
	for _, proto := range []string{"tcp", "udp"} {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		if _, err := from.Ask(ctx, proto, to); err == nil {
			yes = append(yes, proto)
		}
		cancel()
	}
	switch len(yes) {
	case 0:
		return "no"
	case 2:
		return "yes"
	}
	return "only " + yes[0]
}

// shaped says where the queueing disciplines of bandwidth are: TBF on the host's end of the veth, and on an ifb.
func shaped(t *testing.T, a *harness.Attachment) string {
	t.Helper()
	host := a.Result.Interfaces[1].Name
	text := testnet.Take(t).Only(testnet.TC).String()
	veth, ifb := false, false
	for _, line := range strings.Split(text, "\n") {
		if strings.Contains(line, "tbf") {
			veth, ifb = veth || strings.Contains(line, host), ifb || strings.Contains(line, "bwp")
		}
	}
	if veth && ifb {
		return "the host veth and an ifb"
	}
	return text
}

func countRules(t *testing.T, a *harness.Attachment) (count int) {
	t.Helper()
	err := a.NS.Do(func() error {
		rules, err := netlink.RuleList(netlink.FAMILY_ALL)
		count = len(rules)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return count
}
