// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/cni-chain/cni-chain/shared/testnet"
)

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
