// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"

	"github.com/cni-chain/cni-chain/shared/testnet"
)

func TestMain(m *testing.M) { testnet.Main(m) }

// seen is an interface without numbers.
type seen struct {
	Space, Name, Kind, To, ToName string
	Default                       bool
	Addresses                     []string
}

func all(t *Topology) (list []seen) {
	for _, s := range append([]*Space{t.Host}, t.Spaces...) {
		for _, i := range s.Interfaces {
			to := ""
			if i.Peer != nil {
				to = i.Peer.Name
			}
			list = append(list, seen{s.Name, i.Name, i.Kind, to, i.PeerName, i.Default, i.Addresses})
		}
	}
	return list
}

func TestReadConnects(t *testing.T) {
	outside := testnet.NewOutside(t)
	empty := testnet.NewNS(t)
	topology, err := Read(Place{"empty", empty.Path}, Place{"outside", outside.Path})
	if err != nil {
		t.Fatal(err)
	}
	want := []seen{
		{"host", outside.HostLink, "veth", "outside", "eth0", true, []string{"192.0.2.1/24", "2001:db8::1/64"}},
		{"outside", "eth0", "veth", "host", outside.HostLink, true, []string{"192.0.2.2/24", "2001:db8::2/64"}},
	}
	if diff := cmp.Diff(want, all(topology)); diff != "" {
		t.Error(diff)
	}
	if got := topology.Connected(); len(got) != 1 || got[0].Name != "outside" {
		t.Errorf("connected: %v", got)
	}
}

// Two containers that have interfaces of the same index, each joined to its own end: as in every namespace the first
// interface has the index 2.
func TestReadTellsTwinsApart(t *testing.T) {
	a, b := testnet.NamedNS(t, "a"), testnet.NamedNS(t, "b")
	for _, ns := range []*testnet.NS{a, b} {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = "to-" + ns.Name
		veth := netlink.NewVeth(attrs)
		veth.PeerName, veth.PeerNamespace = "eth0", netlink.NsFd(ns.File().Fd())
		if err := netlink.LinkAdd(veth); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = netlink.LinkDel(veth) })
	}
	topology, err := ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	// Other namespaces of the machine may be found, and none of them is joined to this host.
	topology.Spaces = topology.Connected()
	want := []seen{
		{"host", "to-a", "veth", "a", "eth0", false, nil}, {"host", "to-b", "veth", "b", "eth0", false, nil},
		{"a", "eth0", "veth", "host", "to-a", false, nil}, {"b", "eth0", "veth", "host", "to-b", false, nil},
	}
	if diff := cmp.Diff(want, all(topology)); diff != "" {
		t.Error(diff)
	}
}

func TestReadNeedsTheNamespaces(t *testing.T) {
	testnet.Need(t)
	if _, err := Read(Place{"gone", "/run/netns/gone"}); err == nil {
		t.Error("a namespace that is not there was read")
	}
}

// A container has no name: it is called after its process.
func TestFind(t *testing.T) {
	named, container := testnet.NewNS(t), testnet.NewContainer(t, "")
	places, err := Find()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{named.Path, container.Path} {
		if !slices.ContainsFunc(places, func(p Place) bool { return p.Path == path && p.Name != "" }) {
			t.Errorf("%s is not among %v", path, places)
		}
	}
}

func TestMounted(t *testing.T) {
	f := &finder{seen: map[string]bool{"net:[1]": true}}
	f.mounted(`36 35 98:0 / /run rw - tmpfs tmpfs rw
37 36 0:4 net:[1] /run/netns/own rw shared:5 - nsfs nsfs rw
38 36 0:4 net:[2] /run/netns/a\040b rw - nsfs nsfs rw
39 36 0:4 net:[2] /run/again rw - nsfs nsfs rw
40 36 0:4 mnt:[3] /run/mount rw - nsfs nsfs rw
`)
	want := []Place{{Name: "a b", Path: "/run/netns/a b"}}
	if diff := cmp.Diff(want, f.places); diff != "" {
		t.Error(diff)
	}
}

func TestRunning(t *testing.T) {
	proc := t.TempDir()
	for _, p := range []struct{ pid, comm, net string }{
		{"7", "init\n", "net:[1]"}, {"12", "sleep\n", "net:[2]"}, {"9", "nginx\n", "net:[2]"}, {"13", "", ""},
	} {
		dir := filepath.Join(proc, p.pid, "ns")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(proc, p.pid, "comm"), []byte(p.comm), 0o600); err != nil {
			t.Fatal(err)
		}
		if p.net == "" {
			continue
		}
		if err := os.Symlink(p.net, filepath.Join(dir, "net")); err != nil {
			t.Fatal(err)
		}
	}
	f := &finder{seen: map[string]bool{"net:[1]": true}}
	f.running(proc)
	want := []Place{{Name: "nginx (9)", Path: proc + "/9/ns/net"}}
	if diff := cmp.Diff(want, f.places); diff != "" {
		t.Error(diff)
	}
}
