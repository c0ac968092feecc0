// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package runtimes

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	gocni "github.com/containerd/go-cni"

	"github.com/cni-chain/cni-chain/e2e/harness"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// TestNerdctl calls go-cni as nerdctl's OCI hook does: capability arguments without JSON names (HostPort, Servers), a
// Remove before each Setup, and none with the namespace.
func TestNerdctl(t *testing.T) {
	each(t, "go-cni as nerdctl", nil, func(t *testing.T, r *row, m *machine) {
		m.look(t)
		c := newContainer(t, "nerdctl-e2e")
		opts := []gocni.NamespaceOpts{
			gocni.WithCapabilityPortMap([]gocni.PortMapping{
				{HostPort: harness.Published, ContainerPort: harness.Service, Protocol: "tcp", HostIP: "0.0.0.0"},
				{HostPort: harness.Published, ContainerPort: harness.Service, Protocol: "udp", HostIP: "0.0.0.0"},
			}),
			gocni.WithCapabilityDNS(gocni.DNS{
				Servers: []string{"198.51.100.7"}, Searches: []string{"nerdctl.example"}, Options: []string{"ndots:3"},
			}),
			gocni.WithLabels(map[string]string{"IgnoreUnknown": "1"}),
			gocni.WithArgs("NERDCTL_CNI_DHCP_HOSTNAME", "e2e"),
		}
		cni := nerdctlCNI(t)
		setup := func(t *testing.T, ns *testnet.NS) (addr netip.Addr) {
			must(t, "DEL before ADD", cni.Remove(context.Background(), "e2e", "", opts...))
			result, err := cni.Setup(context.Background(), "e2e", ns.Path, opts...)
			must(t, "Setup", err)
			for _, ip := range result.Interfaces["eth0"].IPConfigs {
				if ip.IP.To4() != nil {
					addr = toAddr(ip.IP)
				}
			}
			return addr
		}
		t.Cleanup(func() { _ = cni.Remove(context.Background(), "e2e", "", opts...) })
		r.try(attach, func(t *testing.T) {
			addr := setup(t, c.NS)
			m.Host.MustAsk(t, "tcp", netip.AddrPortFrom(addr, harness.Service).String())
		})
		r.try(port, func(t *testing.T) { m.asksPort(t, c.NS) })
		r.try(dns, func(t *testing.T) { inNetns(t, m.net, c.NS) })
		r.try(restart, func(t *testing.T) { // of a container that was killed: a namespace of its own again, and no DEL before
			c.end()
			c = newContainer(r.t, "nerdctl-again")
			setup(t, c.NS)
			m.asksPort(t, c.NS)
		})
		r.try(cleanup, func(t *testing.T) {
			c.end() // the hook comes after it, without its namespace
			must(t, "Remove", cni.Remove(context.Background(), "e2e", "", opts...))
			must(t, "a second Remove", cni.Remove(context.Background(), "e2e", "", opts...))
			m.clean(t)
		})
	})
}

// container is a namespace with servers in it.
type container struct {
	*testnet.NS
	stops []func()
}

// newContainer makes one, which ends with the test at the latest.
func newContainer(t *testing.T, name string) *container {
	t.Helper()
	c := &container{NS: testnet.NamedNS(t, name)}
	t.Cleanup(c.end)
	for _, proto := range []string{"tcp", "udp"} {
		_, stop, err := c.Serve(proto, fmt.Sprintf(":%d", harness.Service))
		must(t, "serve", err)
		c.stops = append(c.stops, stop)
	}
	return c
}

// end lets the kernel take the namespace down: a socket would keep it.
func (c *container) end() {
	for _, stop := range c.stops {
		stop()
	}
	c.stops = nil
	_ = c.Close()
}

// nerdctlCNI is go-cni with the options that nerdctl gives it.
func nerdctlCNI(t *testing.T) gocni.CNI {
	t.Helper()
	file, err := os.ReadDir(confDir)
	must(t, "list conflists", err)
	cni, err := gocni.New(gocni.WithPluginDir([]string{binDir}))
	must(t, "make a go-cni", err)
	must(t, "load", cni.Load(gocni.WithConfListFile(confDir+"/"+file[0].Name())))
	must(t, "STATUS", cni.Status())
	return cni
}

// asksPort is published for a namespace that a server of testnet's is in, with UDP.
func (m *machine) asksPort(t *testing.T, ns *testnet.NS) {
	t.Helper()
	to := netip.AddrPortFrom(m.Outside.HostV4, harness.Published)
	for _, proto := range []string{"tcp", "udp"} {
		flow := harness.Flow{From: m.Outside.NS, Proto: proto, To: to, Server: ns.Name, Source: m.Outside.V4}
		if err := flow.Run(); err != nil {
			t.Error(err)
		}
	}
}

// inNetns looks at the file that programs in the named namespace read.
func inNetns(t *testing.T, n *harness.Network, ns *testnet.NS) {
	t.Helper()
	want := []string{"nameserver 198.51.100.7", "search nerdctl.example", "options ndots:3"}
	if !n.Capable("dns") {
		want = []string{"nameserver 192.0.2.53"}
	}
	out := run(t, ns.Command("cat", "/etc/resolv.conf"))
	for _, line := range want {
		if !strings.Contains(out, line+"\n") {
			t.Errorf("resolv.conf in %s is %q, want %q in it", ns.Name, out, line)
		}
	}
}

func toAddr(ip net.IP) netip.Addr {
	addr, _ := netip.AddrFromSlice(ip)
	return addr.Unmap()
}
