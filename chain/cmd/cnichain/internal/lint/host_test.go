// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"

	"github.com/cni-chain/cni-chain/shared/testnet"
)

func TestMain(m *testing.M) { testnet.Main(m) }

// TestMachine: what lint asks of this machine, where everything is known.
func TestMachine(t *testing.T) {
	outside := testnet.NewOutside(t)
	if err := netlink.LinkSetMTU(mustLink(t, outside.HostLink), 1420); err != nil {
		t.Fatal(err)
	}
	vpn := netip.MustParsePrefix("10.7.0.0/16")
	addRoute(t, outside.HostLink, vpn)
	m := &Machine{}
	if mtu, found := m.MTU(outside.HostLink); mtu != 1420 || !found {
		t.Errorf("MTU %d, %v", mtu, found)
	}
	if _, found := m.MTU("nothing"); found {
		t.Error("an interface that is not there is found")
	}
	if uplink := m.Uplink(); uplink != outside.HostLink {
		t.Errorf("uplink %q, want %q", uplink, outside.HostLink)
	}
	if !slices.Contains(m.Routes(), Route{vpn, outside.HostLink}) {
		t.Errorf("no route to %s: %v", vpn, m.Routes())
	}
}

func mustLink(t *testing.T, name string) netlink.Link {
	t.Helper()
	link, err := netlink.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return link
}

func addRoute(t *testing.T, link string, dst netip.Prefix) {
	t.Helper()
	to := &net.IPNet{IP: dst.Addr().AsSlice(), Mask: net.CIDRMask(dst.Bits(), 32)}
	route := &netlink.Route{LinkIndex: mustLink(t, link).Attrs().Index, Dst: to, Scope: netlink.SCOPE_LINK}
	if err := netlink.RouteAdd(route); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = netlink.RouteDel(route) })
}

const versionPlugin = `#!/bin/sh
echo '{"cniVersion": "1.0.0", "supportedVersions": ["0.4.0", "1.0.0"]}'
`

func TestVersionsOfPlugins(t *testing.T) {
	dir := t.TempDir()
	for name, script := range map[string]string{"bridge": versionPlugin, "broken": "#!/bin/sh\nexit 3\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	m := &Machine{Path: []string{dir}}
	if !m.Plugins() || (&Machine{Path: []string{t.TempDir()}}).Plugins() {
		t.Error("it does not tell a directory with plugins from one without")
	}
	versions, found, err := m.Versions("bridge")
	if diff := cmp.Diff([]string{"0.4.0", "1.0.0"}, versions); diff != "" || !found || err != nil {
		t.Errorf("found %v, %v, %s", found, err, diff)
	}
	if err := os.Remove(filepath.Join(dir, "bridge")); err != nil {
		t.Fatal(err)
	}
	if _, found, _ := m.Versions("bridge"); !found {
		t.Error("it asks twice")
	}
	if _, found, _ := m.Versions("missing"); found {
		t.Error("a plugin that is not there is found")
	}
	if _, found, err := m.Versions("broken"); !found || err == nil {
		t.Errorf("a plugin that does not answer: found %v, %v", found, err)
	}
}

// FuzzRun: no file makes lint fail, and every finding is at a place in it.
func FuzzRun(f *testing.F) {
	f.Add([]byte(`{"cniVersion": "1.0.0", "name": "n", "plugins": [{"type": "bridge", "ipam": {"type": "host-local", "ranges": [[{}]]}}]}`))
	f.Add([]byte(`{"plugins": [null, 1, [], {"type": "ip-config", "routes": {}, "capabilities": [], "ipam": 7}]}`))
	f.Add([]byte("{\"name\": \"\xff\", \"type\": \"port-map\",\n}"))
	f.Add([]byte(`{"plugins":[{"type":"firewall","ingressPolicy":"isolated","ipam":{"type":"ip-pool","ranges":[1,[2]]}}]}`))
	set := load(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, found := range Run([]*File{Parse("x.conflist", data)}, Options{Schemas: set}) {
			if found.Start.Line < 1 || found.Start.Column < 1 || found.Message == "" {
				t.Errorf("%+v", found)
			}
			_ = found.region()
			found.excerpt()
		}
	})
}
