// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package picture

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/topology"
)

var update = flag.Bool("update", false, "write what is drawn into the golden files")

// One file is one topology, drawn in all ways.
func TestPictures(t *testing.T) {
	for name, make := range topologies {
		t.Run(name, func(t *testing.T) {
			drawn := make()
			text, _ := Text(drawn, 0)
			got := &txtar.Archive{Files: []txtar.File{
				{Name: "text", Data: []byte(text)},
				{Name: "tree", Data: []byte(Tree(drawn))},
				{Name: "dot", Data: []byte(DOT(drawn))},
				{Name: "svg", Data: []byte(SVG(drawn, Options{}))},
			}}
			file := filepath.Join("testdata", name+".txtar")
			if *update {
				if err := os.WriteFile(file, txtar.Format(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want.Files, got.Files); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTextTooWide(t *testing.T) {
	drawn := topologies["demo"]()
	if _, ok := Text(drawn, 62); !ok {
		t.Error("62 columns are enough")
	}
	if _, ok := Text(drawn, 61); ok {
		t.Error("61 columns are said to be enough")
	}
}

// topologies are what there may be on a host.
var topologies = map[string]func() *topology.Topology{
	"alone":    func() *topology.Topology { return &topology.Topology{Host: &topology.Space{Name: "host"}} },
	"demo":     demo,
	"several":  several,
	"crowded":  crowded,
	"nameless": nameless,
}

// world joins spaces to a host as tests need it.
type world struct{ *topology.Topology }

func newWorld(host ...*topology.Interface) world {
	return world{&topology.Topology{Host: &topology.Space{Name: "host", Interfaces: host}}}
}

func (w world) space(name string, notes ...topology.Note) *topology.Space {
	s := &topology.Space{Name: name, Notes: notes}
	w.Spaces = append(w.Spaces, s)
	return s
}

// cable joins a space to the host by a veth.
func (w world) cable(s *topology.Space, inside *topology.Interface, end *topology.Interface) {
	inside.Kind, end.Kind = "veth", "veth"
	inside.Peer, inside.PeerName, end.Peer, end.PeerName = w.Host, end.Name, s, inside.Name
	s.Interfaces, w.Host.Interfaces = append(s.Interfaces, inside), append(w.Host.Interfaces, end)
}

func iface(name string, addresses ...string) *topology.Interface {
	return &topology.Interface{Name: name, Addresses: addresses, Up: true, Carrier: true, MTU: 1500}
}

func bridge(name string, addresses ...string) *topology.Interface {
	b := iface(name, addresses...)
	b.Kind = "bridge"
	return b
}

func port(name, master string) *topology.Interface {
	p := iface(name)
	p.Master = master
	return p
}

func demo() *topology.Topology {
	w := newWorld(bridge("cni0", "10.88.1.1/24"))
	w.Host.Notes = []topology.Note{{Kind: "port", Text: "tcp 8080 ──► 10.88.1.3:80 (green)"}}
	blue := w.space("blue", topology.Note{Kind: "dns", Text: "192.0.2.2"})
	green := w.space("green", topology.Note{Kind: "dns", Text: "192.0.2.2"}, topology.Note{Text: "serves a page on :80"})
	outside := w.space("outside")
	w.cable(green, iface("eth0", "10.88.1.3/24"), port("veth1abcdefghij", "cni0"))
	w.cable(blue, iface("eth0", "10.88.1.2/24"), port("veth0abcdefghij", "cni0"))
	uplink := iface("out0", "192.0.2.1/24")
	uplink.Default = true
	w.cable(outside, iface("eth0", "192.0.2.2/24"), uplink)
	return w.Topology
}

// several has two bridges, one with an uplink, macvlans, a space in two networks, a cable of its own, and an idle
// bridge.
func several() *topology.Topology {
	uplink := iface("eth0", "203.0.113.7/24", "2001:db8:2::7/64")
	uplink.Kind, uplink.Default = "device", true
	eth1 := port("eth1", "lan0")
	eth1.Kind = "device"
	vlan := iface("eth0.100")
	vlan.Kind, vlan.VLAN, vlan.PeerName = "vlan", 100, "eth0"
	parent := iface("eth2")
	parent.Kind = "device"
	w := newWorld(uplink, bridge("cni0", "10.88.1.1/24"), bridge("lan0"), eth1, vlan, parent, bridge("docker0", "172.17.0.1/16"))
	vlan.Peer = w.Host
	w.Host.Interface("lan0").Label = "network a-long-name"
	web, db := w.space("web", topology.Note{Kind: "port", Text: "tcp 443"}), w.space("db")
	tv, alone := w.space("tv"), w.space("alone")
	w.cable(web, iface("eth0", "10.88.1.2/24", "fd00:88:1::2/64"), port("veth0web", "cni0"))
	w.cable(db, iface("eth0", "10.88.1.3/24"), port("veth0db", "cni0"))
	w.cable(db, iface("lan", "10.88.3.200/24"), port("veth1db", "lan0"))
	w.cable(alone, iface("eth0", "10.9.0.2/32"), iface("veth9", "10.9.0.1/32"))
	macvlan := iface("eth0", "10.88.8.200/24")
	macvlan.Kind, macvlan.Mode, macvlan.Peer, macvlan.PeerName = "macvlan", "bridge", w.Host, "eth2"
	tv.Interfaces = []*topology.Interface{macvlan}
	return w.Topology
}

// crowded has more on a bridge than fits side by side.
func crowded() *topology.Topology {
	w := newWorld(bridge("cni0", "10.88.0.1/16"))
	for _, name := range []string{"api-1", "api-2", "api-3", "cache", "database", "mail", "queue", "search", "worker-1"} {
		w.cable(w.space(name), iface("eth0", "10.88.0."+name[len(name)-1:]+"/16"), port("veth3d8"+name, "cni0"))
	}
	return w.Topology
}

// nameless has words that mean something in the languages of pictures.
func nameless() *topology.Topology {
	w := newWorld(bridge(`b<"r">&`))
	w.cable(w.space(`a "quoted" <name> & more, long enough to be cut somewhere in a card`), iface("eth0"), port(`v<>"`, `b<"r">&`))
	return w.Topology
}
