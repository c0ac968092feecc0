// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cni-chain/cni-chain/shared/testnet"
)

func TestMain(m *testing.M) { testnet.Main(m) }

func TestReadConnects(t *testing.T) {
	outside := testnet.NewOutside(t)
	empty := testnet.NewNS(t)
	topology, err := Read(map[string]string{"outside": outside.Path, "empty": empty.Path}, "empty", "outside")
	if err != nil {
		t.Fatal(err)
	}
	type seen struct {
		Space, Name, Kind, To, ToName string
		Addresses                     []string
	}
	var got []seen
	for _, s := range append([]*Space{topology.Host}, topology.Spaces...) {
		for _, i := range s.Interfaces {
			if i.Peer == nil {
				t.Fatalf("%s of %s leads nowhere", i.Name, s.Name)
			}
			got = append(got, seen{s.Name, i.Name, i.Kind, i.Peer.Name, i.PeerName, i.Addresses})
		}
	}
	want := []seen{
		{"host", outside.HostLink, "veth", "outside", "eth0", []string{"192.0.2.1/24", "2001:db8::1/64"}},
		{"outside", "eth0", "veth", "host", outside.HostLink, []string{"192.0.2.2/24", "2001:db8::2/64"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestReadNeedsTheNamespaces(t *testing.T) {
	testnet.Need(t)
	if _, err := Read(map[string]string{"gone": "/run/netns/gone"}, "gone"); err == nil {
		t.Error("a namespace that is not there was read")
	}
}
