// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"errors"
	"net/netip"
	"os"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/testnet"
)

// HostDNS is the name server that the host itself uses, and a container that is told of no other.
const HostDNS = "192.0.2.53"

// World is the machine: the host between a network outside, to which it routes, and perhaps one that its containers
// are to be part of.
type World struct {
	Host    *testnet.NS
	Outside *testnet.Outside
	// LAN is the router at the other end of the network's cable; nil where there is no cable.
	LAN *testnet.NS
}

// NewWorld makes the machine that a network needs.
func NewWorld(t testing.TB, n *Network) *World {
	t.Helper()
	w := &World{Host: testnet.HostNS(t), Outside: testnet.NewOutside(t)}
	if err := setHostDNS(); err != nil {
		t.Fatal(err)
	}
	// The kernel finishes IPv6 addresses a moment after they are given; what comes from that is not the plugins' doing.
	port := w.Outside.StartServer(t, "tcp", ":0")
	w.Host.MustAsk(t, "tcp", netip.AddrPortFrom(w.Outside.V6, port).String())
	if name := n.Cable(); name != "" && name != w.Outside.HostLink {
		w.LAN = lay(t, name)
	}
	return w
}

// setHostDNS gives the host its name server. In a user namespace the machine's own file is somebody else's and can only
// be replaced; in a container it may be a mount and can only be written.
func setHostDNS() error {
	const file, draft = "/etc/resolv.conf", "/etc/resolv.conf.e2e"
	text := []byte("nameserver " + HostDNS + "\n")
	if err := os.WriteFile(draft, text, 0o644); err != nil {
		return err
	}
	err := os.Rename(draft, file)
	if errors.Is(err, unix.EBUSY) {
		return errors.Join(os.Remove(draft), os.WriteFile(file, text, 0o644))
	}
	return err
}

// lay lays a cable from the host's interface of the given name to a machine of its own.
func lay(t testing.TB, name string) *testnet.NS {
	t.Helper()
	lan := testnet.NamedNS(t, "lan")
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	veth := netlink.NewVeth(attrs)
	veth.PeerName, veth.PeerNamespace = "eth0", netlink.NsFd(lan.File().Fd())
	if err := netlink.LinkAdd(veth); err != nil {
		t.Fatalf("lay a cable %s: %v", name, err)
	}
	t.Cleanup(func() { _ = netlink.LinkDel(veth) })
	if err := errors.Join(netlink.LinkSetUp(veth), lan.Up("lo", "eth0")); err != nil {
		t.Fatal(err)
	}
	return lan
}

// Route gives the LAN's machine the addresses that the containers have for their gateway.
func (w *World) Route(t testing.TB, a *Attachment) {
	t.Helper()
	if w.LAN == nil {
		return
	}
	for _, addr := range a.Addresses() {
		if !addr.Gateway.IsValid() {
			continue
		}
		gateway := netip.PrefixFrom(addr.Gateway, addr.Bits())
		if err := w.LAN.Do(func() error { return testnet.Configure("eth0", gateway) }); err != nil {
			t.Fatal(err)
		}
	}
}
