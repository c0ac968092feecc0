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

// Each fault is told by what is wrong, and by nothing else.
func TestProblems(t *testing.T) {
	deleteElement := func(set, element string) func(*testing.T, *testnet.NS, *Attachment) {
		return func(t *testing.T, _ *testnet.NS, _ *Attachment) {
			command(t, "nft", "delete", "element", "inet", "cni-chain", set, "{ "+element+" }")
		}
	}
	for _, tt := range []struct {
		name string
		do   func(*testing.T, *testnet.NS, *Attachment)
		want []string
	}{
		{"nothing", func(*testing.T, *testnet.NS, *Attachment) {}, nil},
		{"masquerade deleted", deleteElement("masq-net-10.7.0.0/24", "10.7.0.2"),
			[]string{"10.7.0.2 is gone from set masq-net-10.7.0.0/24 of table inet cni-chain"}},
		{"port deleted", deleteElement("ports-any4", "tcp . 8081"), []string{"tcp . 8081 is gone from set ports-any4 of"}},
		{"chain flushed", func(t *testing.T, _ *testnet.NS, _ *Attachment) {
			command(t, "nft", "flush", "chain", "inet", "cni-chain", "ports-dnat")
		}, []string{"chain ports-dnat of table inet cni-chain has no rule"}},
		{"off the bridge", func(t *testing.T, _ *testnet.NS, a *Attachment) {
			command(t, "ip", "link", "set", a.Host.Name, "nomaster")
		}, []string{"is on no bridge"}},
		{"down", func(t *testing.T, _ *testnet.NS, a *Attachment) {
			command(t, "ip", "link", "set", a.Host.Name, "down")
		}, []string{"is down: ip link set veth"}},
		{"resolv.conf removed", func(t *testing.T, _ *testnet.NS, a *Attachment) {
			remove(t, a.DNS[0].File)
		}, []string{"/etc/netns/box/resolv.conf is gone"}},
		{"resolv.conf replaced", func(t *testing.T, _ *testnet.NS, a *Attachment) {
			if err := os.WriteFile(a.DNS[0].File, []byte("nameserver 192.0.2.1\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, []string{"/etc/netns/box/resolv.conf was written by somebody else"}},
		{"address removed", func(t *testing.T, ns *testnet.NS, _ *Attachment) {
			if err := ns.Do(func() error { return exec.Command("ip", "addr", "del", "10.7.0.2/24", "dev", "eth0").Run() }); err != nil {
				t.Fatal(err)
			}
		}, []string{"10.7.0.2 is leased, and not on eth0"}},
		{"lease removed", func(t *testing.T, _ *testnet.NS, _ *Attachment) {
			remove(t, "/run/cni-chain/pool/net/10.7.0.2")
		}, []string{"the lease of 10.7.0.2 is gone from pool net"}},
		{"interface renamed", func(t *testing.T, ns *testnet.NS, _ *Attachment) {
			err := ns.Do(func() error {
				link, err := netlink.LinkByName("eth0")
				if err == nil {
					err = netlink.LinkSetName(link, "eth7")
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}, []string{"the container's interface is called eth7, not eth0"}},
		{"namespace gone", func(t *testing.T, ns *testnet.NS, a *Attachment) {
			if err := ns.Close(); err != nil {
				t.Fatal(err)
			}
			deadline := time.Now().Add(10 * time.Second) // the kernel takes its time
			for time.Now().Before(deadline) {
				if _, err := netlink.LinkByName(a.Host.Name); err != nil {
					return
				}
			}
			t.Fatal("the veth does not go")
		}, []string{"the network namespace /run/netns/box is gone: the container has ended without a DEL"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			testnet.NewOutside(t)
			ns := testnet.NamedNS(t, "box")
			attach(t, chain("", ""), ns, mapped)
			tt.do(t, ns, one(t))
			got := one(t)
			if len(got.Problems) != len(tt.want) || got.Healthy != (len(tt.want) == 0) {
				t.Fatalf("healthy: %v, problems: %q", got.Healthy, got.Problems)
			}
			for i, want := range tt.want {
				if !strings.Contains(got.Problems[i], want) {
					t.Errorf("%q does not contain %q", got.Problems[i], want)
				}
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
