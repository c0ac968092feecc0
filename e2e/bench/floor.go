// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"

	"github.com/cni-chain/cni-chain/shared/testnet"
)

// stage is the floor's machine: it does what the kernel has to do for an attachment, in this process and in as few
// messages as can be. That is a veth pair with one end on a bridge and the other in the namespace, address and default
// route there, two nftables elements (masquerade, port), a file. DEL takes the veth and both elements away. It is no
// plugin: no process is started, nothing is read, checked or locked.
type stage struct {
	bridges []netlink.Link
	sets    []*nftables.Set
	live    int
}

func newStage() (*stage, error) {
	s := &stage{}
	conn := &nftables.Conn{}
	table := conn.AddTable(&nftables.Table{Family: nftables.TableFamilyINet, Name: "floor"})
	for _, name := range []string{"masq", "ports"} {
		chain := conn.AddChain(&nftables.Chain{Name: name, Table: table, Type: nftables.ChainTypeNAT,
			Hooknum: nftables.ChainHookPostrouting, Priority: nftables.ChainPriorityNATSource})
		set := &nftables.Set{Table: table, Name: name, KeyType: nftables.TypeIPAddr}
		if err := conn.AddSet(set, nil); err != nil {
			return nil, err
		}
		conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{&expr.Counter{}}})
		s.sets = append(s.sets, set)
	}
	return s, conn.Flush()
}

func (s *stage) do(o order) (r report, err error) {
	switch o.Do {
	case "fill":
		for ; s.live < o.Live && err == nil; s.live++ {
			var ns *testnet.NS
			if ns, err = testnet.Create(fmt.Sprintf("live%d", s.live)); err == nil {
				err = s.add(ns, s.live, networkOf(s.live))
			}
		}
		return r, err
	case "cycle":
		return s.cycle()
	}
	return r, fmt.Errorf("the floor has no %q", o.Do)
}

func (s *stage) cycle() (r report, err error) {
	ns, err := testnet.Create("measured")
	if err != nil {
		return r, err
	}
	defer func() { _ = ns.Close() }()
	start := time.Now()
	if err := s.add(ns, s.live, networkOf(max(0, s.live-1))); err != nil {
		return r, err
	}
	r.Add = time.Since(start)
	start = time.Now()
	if err := s.del(s.live); err != nil {
		return r, err
	}
	r.Del = time.Since(start)
	return r, nil
}

// bridge is that of the n-th network, made when it is first asked for.
func (s *stage) bridge(n int) (netlink.Link, error) {
	for len(s.bridges) <= n {
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.Flags = fmt.Sprintf("br%d", len(s.bridges)), net.FlagUp
		bridge := &netlink.Bridge{LinkAttrs: attrs}
		if err := netlink.LinkAdd(bridge); err != nil {
			return nil, fmt.Errorf("add bridge %s: %w", attrs.Name, err)
		}
		s.bridges = append(s.bridges, bridge)
	}
	return s.bridges[n], nil
}

// floorAddress is the address of the n-th attachment; that of its gateway ends in 0.1.
func floorAddress(n int) net.IP {
	return net.IPv4(10, byte(100+networkOf(n)), 1, byte(n%perBridge)).To4()
}

func floorElement(n int) []nftables.SetElement {
	return []nftables.SetElement{{Key: floorAddress(n)}}
}

// add attaches the n-th container to a network.
func (s *stage) add(ns *testnet.NS, n, network int) error {
	bridge, err := s.bridge(network)
	if err != nil {
		return err
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MasterIndex, attrs.Flags = fmt.Sprintf("floor%d", n), bridge.Attrs().Index, net.FlagUp
	veth := netlink.NewVeth(attrs)
	veth.PeerName, veth.PeerNamespace = "eth0", netlink.NsFd(ns.File().Fd())
	if err := netlink.LinkAdd(veth); err != nil {
		return fmt.Errorf("add the veth: %w", err)
	}
	if err := ns.Do(func() error { return configureFloor(floorAddress(n)) }); err != nil {
		return fmt.Errorf("configure the container: %w", err)
	}
	conn := &nftables.Conn{}
	for _, set := range s.sets {
		if err := conn.SetAddElements(set, floorElement(n)); err != nil {
			return err
		}
	}
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("add the elements: %w", err)
	}
	return os.WriteFile(floorFile(n), []byte("nameserver 192.0.2.53\n"), 0o644)
}

// configureFloor gives eth0 of the thread's namespace its address and default route.
func configureFloor(address net.IP) error {
	link, err := netlink.LinkByName("eth0")
	if err != nil {
		return err
	}
	ours := &netlink.Addr{IPNet: &net.IPNet{IP: address, Mask: net.CIDRMask(16, 32)}}
	if err := netlink.AddrAdd(link, ours); err != nil {
		return err
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return err
	}
	return netlink.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Gw: net.IPv4(address[0], address[1], 0, 1)})
}

func floorFile(n int) string { return filepath.Join("/run", fmt.Sprintf("floor%d", n)) }

func (s *stage) del(n int) error {
	conn := &nftables.Conn{}
	for _, set := range s.sets {
		if err := conn.SetDeleteElements(set, floorElement(n)); err != nil {
			return err
		}
	}
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("delete the elements: %w", err)
	}
	link, err := netlink.LinkByName(fmt.Sprintf("floor%d", n))
	if err != nil {
		return err
	}
	if err := netlink.LinkDel(link); err != nil {
		return fmt.Errorf("delete the veth: %w", err)
	}
	return os.Remove(floorFile(n))
}
