// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"

	"github.com/cni-chain/cni-chain/shared/testnet"
)

// floorCycle does what the kernel has to do for an attachment, in this process and in as few messages as can be: a veth
// pair with one end on a bridge and the other in the namespace, address and default route there, two nftables elements
// (masquerade, port), a file. DEL takes the veth and both elements away. It is no plugin: no process is started,
// nothing is read, checked or locked.
func floorCycle(o order) (r report, err error) {
	if o.Do != "cycle" {
		return r, nil
	}
	stage, err := floorStage()
	if err != nil {
		return r, err
	}
	ns, err := testnet.Create("floor")
	if err != nil {
		return r, err
	}
	defer func() { _ = ns.Close() }()
	start := time.Now()
	if err := stage.add(ns); err != nil {
		return r, err
	}
	r.Add = time.Since(start)
	start = time.Now()
	if err := stage.del(); err != nil {
		return r, err
	}
	r.Del = time.Since(start)
	return r, nil
}

// stage is what is there before the first attachment.
type stage struct {
	bridge netlink.Link
	sets   []*nftables.Set
}

var floorStage = sync.OnceValues(func() (*stage, error) {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "floor0"
	bridge := &netlink.Bridge{LinkAttrs: attrs}
	if err := netlink.LinkAdd(bridge); err != nil {
		return nil, fmt.Errorf("add the bridge: %w", err)
	}
	if err := netlink.LinkSetUp(bridge); err != nil {
		return nil, err
	}
	s := &stage{bridge: bridge}
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
})

var floorKey = []nftables.SetElement{{Key: net.IPv4(10, 0, 0, 2).To4()}}

func (s *stage) add(ns *testnet.NS) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MasterIndex, attrs.Flags = "floorveth", s.bridge.Attrs().Index, net.FlagUp
	veth := netlink.NewVeth(attrs)
	veth.PeerName, veth.PeerNamespace = "eth0", netlink.NsFd(ns.File().Fd())
	if err := netlink.LinkAdd(veth); err != nil {
		return fmt.Errorf("add the veth: %w", err)
	}
	err := ns.Do(func() error {
		link, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		address := &netlink.Addr{IPNet: &net.IPNet{IP: net.IPv4(10, 0, 0, 2), Mask: net.CIDRMask(24, 32)}}
		if err := netlink.AddrAdd(link, address); err != nil {
			return err
		}
		if err := netlink.LinkSetUp(link); err != nil {
			return err
		}
		return netlink.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Gw: net.IPv4(10, 0, 0, 1)})
	})
	if err != nil {
		return fmt.Errorf("configure the container: %w", err)
	}
	conn := &nftables.Conn{}
	for _, set := range s.sets {
		if err := conn.SetAddElements(set, floorKey); err != nil {
			return err
		}
	}
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("add the elements: %w", err)
	}
	return os.WriteFile(filepath.Join("/run", "floor"), []byte("nameserver 192.0.2.53\n"), 0o644)
}

func (s *stage) del() error {
	conn := &nftables.Conn{}
	for _, set := range s.sets {
		if err := conn.SetDeleteElements(set, floorKey); err != nil {
			return err
		}
	}
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("delete the elements: %w", err)
	}
	link, err := netlink.LinkByName("floorveth")
	if err != nil {
		return err
	}
	if err := netlink.LinkDel(link); err != nil {
		return fmt.Errorf("delete the veth: %w", err)
	}
	return os.Remove(filepath.Join("/run", "floor"))
}
