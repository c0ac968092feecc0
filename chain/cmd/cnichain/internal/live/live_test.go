// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/vishvananda/netlink"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/run"
	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/topology"
	"github.com/cni-chain/cni-chain/shared/owner"
	"github.com/cni-chain/cni-chain/shared/pool"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// links is the directory with the programs of this repository.
var links string

func TestMain(m *testing.M) {
	testnet.Main(m, func() (err error) {
		if links, err = os.MkdirTemp("/run", "links"); err != nil { // of the tests alone, and gone with them
			return err
		}
		out, err := exec.Command("go", "build", "-o", links+"/", "github.com/cni-chain/cni-chain/plugins/...").CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
		return nil
	})
}

// attach runs the chain for a namespace, until the test ends.
func attach(t *testing.T, plugins string, ns *testnet.NS, capabilities map[string]any) {
	t.Helper()
	c, err := run.Parse("test", fmt.Appendf(nil, `{"cniVersion": "1.1.0", "name": "net", "plugins": [%s]}`, plugins))
	if err != nil {
		t.Fatal(err)
	}
	a := run.Attachment{Target: run.Target{Name: ns.Name, Path: ns.Path}, ContainerID: ns.Name, IfName: "eth0", Capabilities: capabilities}
	options := run.Options{Path: []string{links}, CacheDir: t.TempDir()}
	forgetPools(t)
	t.Cleanup(func() {
		if r := run.Del(context.Background(), c, a, options); r.Failed() {
			t.Error(r.Errors)
		}
	})
	if r := run.Add(t.Context(), c, a, options); r.Failed() {
		t.Fatal(r.Errors)
	}
}

const (
	bridge   = `{"type": "veth-bridge", "macspoofchk": true}, `
	address  = `{"type": "ip-config", "isDefaultGateway": true, "ipMasq": true, %s"ipam": {"type": "ip-pool", "ranges": [[{"subnet": "10.7.0.0/24"}], [{"subnet": "fd07::/64"}]]}}, `
	dns      = `{"type": "resolv-conf", "dns": {"nameservers": ["192.0.2.53"], "search": ["example.org"]}}, `
	ports    = `{"type": "port-map", %s"capabilities": {"portMappings": true}}`
	iptables = `"ipMasqBackend": "iptables", `
)

func chain(masq, portBackend string) string {
	return bridge + fmt.Sprintf(address, masq) + dns + fmt.Sprintf(ports, portBackend)
}

var mapped = map[string]any{"portMappings": []map[string]any{
	{"hostPort": 8080, "containerPort": 80}, {"hostPort": 8081, "containerPort": 81},
	{"hostPort": 53, "containerPort": 53, "protocol": "udp", "hostIP": "127.0.0.1"},
}}

func list(t *testing.T) []*Attachment {
	t.Helper()
	found, err := topology.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	all, err := Read(t.Context(), found, Places{})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func one(t *testing.T) *Attachment {
	t.Helper()
	all := list(t)
	if len(all) != 1 {
		t.Fatalf("%d attachments, want 1", len(all))
	}
	return all[0]
}

var ignored = cmp.Options{
	cmpopts.IgnoreUnexported(Attachment{}), cmpopts.IgnoreFields(Attachment{}, "Since", "Pieces"),
	cmpopts.IgnoreFields(Interface{}, "MAC"),
}

// What the links make is found by its tags alone, whichever backend has it.
func TestRead(t *testing.T) {
	for _, backend := range []struct {
		name, plugins string
		masquerade    string
		both          int // ports that both address families have
	}{
		{"nftables", chain("", ""), "set masq-net-10.7.0.0/24 of table inet cni-chain", 2},
		{"iptables", chain(iptables, `"backend": "iptables", `), "chain CNI-MASQ-", 2},
	} {
		t.Run(backend.name, func(t *testing.T) {
			testnet.NewOutside(t)
			ns := testnet.NamedNS(t, "box")
			attach(t, backend.plugins, ns, mapped)
			got := one(t)
			port := func(proto, hostIP string, host int, ip string, container, count int) Port {
				return Port{proto, hostIP, host, ip, container, count}
			}
			want := &Attachment{
				Network: "net", ContainerID: "box", IfName: "eth0", NetNS: "/run/netns/box", Healthy: true,
				Interface: &Interface{Name: "eth0", Kind: "veth", MTU: 1500},
				Host:      &Interface{Name: got.Host.Name, Kind: "veth", MTU: 1500, Master: "cni0"},
				Addresses: []string{"10.7.0.2/24", "fd07::2/64"},
				Ports: []Port{
					port("udp", "127.0.0.1", 53, "10.7.0.2", 53, 1),
					port("tcp", "", 8080, "10.7.0.2", 80, 2), port("tcp", "", 8080, "fd07::2", 80, 2),
				},
				DNS: []DNS{{"/etc/netns/box/resolv.conf", []string{"nameserver 192.0.2.53", "search example.org"}}},
			}
			if diff := cmp.Diff(want, got, ignored); diff != "" {
				t.Error(diff)
			}
			if got.Since == nil || time.Since(*got.Since) > time.Hour || !strings.HasPrefix(got.Host.Name, "veth") {
				t.Errorf("since %v, host end %v", got.Since, got.Host)
			}
			var masquerade []string
			for _, p := range got.Pieces {
				if p.Kind == "masquerade" {
					masquerade = append(masquerade, p.What+" "+p.Where)
				}
			}
			if len(masquerade) != 2 || !strings.Contains(masquerade[0], "10.7.0.2 "+backend.masquerade) {
				t.Errorf("masquerade: %q", masquerade)
			}
		})
	}
}

// A container whose interface another plugin has made is found by its leased address, on an interface of its name that
// leads to this host; one that has ended is not.
func TestLeaseAlone(t *testing.T) {
	ns := testnet.NamedNS(t, "box")
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "other0"
	veth := netlink.NewVeth(attrs)
	veth.PeerName, veth.PeerNamespace = "eth0", netlink.NsFd(ns.File().Fd())
	if err := netlink.LinkAdd(veth); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = netlink.LinkDel(veth) })
	if err := ns.Do(func() error { return testnet.Configure("eth0", netip.MustParsePrefix("10.7.0.2/24")) }); err != nil {
		t.Fatal(err)
	}
	forgetPools(t)
	leases := pool.Open("net", pool.Config{Subnet: "10.7.0.0/24"})
	for _, id := range []string{"box", "ended"} {
		o := owner.Owner{Network: "net", ContainerID: id, IfName: "eth0"}
		if _, err := leases.Allocate(t.Context(), o, pool.Request{}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = leases.Release(context.Background(), o) })
	}
	want := []*Attachment{
		{
			Network: "net", ContainerID: "box", IfName: "eth0", NetNS: "/run/netns/box", Healthy: true,
			Interface: &Interface{Name: "eth0", Kind: "veth", MTU: 1500}, Addresses: []string{"10.7.0.2/24"},
		},
		{
			Network: "net", ContainerID: "ended", IfName: "eth0", Addresses: []string{"10.7.0.3"},
			Problems: []string{
				"no network namespace has its eth0: the container has ended without a DEL, or is hidden from here",
			},
		},
	}
	if diff := cmp.Diff(want, list(t), ignored); diff != "" {
		t.Error(diff)
	}
}

// forgetPools lets pools begin with their first address.
func forgetPools(t *testing.T) {
	t.Helper()
	if err := os.RemoveAll(pool.DefaultDataDir); err != nil {
		t.Fatal(err)
	}
}

func command(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// Records that somebody has spoilt hide nobody else's.
func TestSpoiltRecords(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a.json": "{", "b.json": `{"owner": "cni-chain:net/box/eth0", "netns": "/nowhere", "files": []}`, "c.json": `{"owner": "me"}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f := &finder{byTag: map[string]*Attachment{}}
	if err := f.resolvConf(dir); err == nil || !strings.Contains(err.Error(), "a.json") {
		t.Errorf("the spoilt record is not told: %v", err)
	}
	if len(f.byTag) != 1 {
		t.Errorf("found %v", f.byTag)
	}
}
