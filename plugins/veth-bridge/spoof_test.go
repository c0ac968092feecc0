// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net"
	"sync"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/cni-chain/cni-chain/shared/nft"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

const spoofKeys = `"macspoofchk": true`

// TestMacSpoofChk: frames from another MAC than the container's are dropped, other ports' are not looked at, and CHECK
// says what is wrong.
func TestMacSpoofChk(t *testing.T) {
	guardedOne, free, target := newContainer(t), newContainer(t), newContainer(t)
	result := guardedOne.add(t, spoofKeys)
	free.add(t, "")
	target.add(t, spoofKeys)
	guardedOne.address(t, "192.0.2.1/24")
	free.address(t, "192.0.2.2/24")
	target.address(t, "192.0.2.3/24")
	for _, c := range []container{guardedOne, free} {
		reach(t, c, target, "192.0.2.3", true)
	}
	guardedOne.setMAC(t, net.HardwareAddr{2, 0, 0, 0, 0, 9})
	free.setMAC(t, net.HardwareAddr{2, 0, 0, 0, 0, 8})
	reach(t, guardedOne, target, "192.0.2.3", false)
	reach(t, free, target, "192.0.2.3", true)
	guardedOne.check(t, spoofKeys, result).Fails(t, codeCheck, "macspoofchk", "02:00:00:00:00:09")
}

func (c container) setMAC(t *testing.T, mac net.HardwareAddr) {
	t.Helper()
	must(t, c.ns.Do(func() error { return netlink.LinkSetHardwareAddr(hostLink(t, c.ifName), mac) }))
}

// TestMacSpoofChkGoesWithTheLast: the table is there as long as a port is guarded.
func TestMacSpoofChkGoesWithTheLast(t *testing.T) {
	a, b := newContainer(t), newContainer(t)
	addBridge(t, "cni0", 0, true)
	before := testnet.Take(t, a.ns, b.ns)
	a.add(t, spoofKeys)
	result := b.add(t, spoofKeys)
	a.del(t, spoofKeys)
	b.check(t, spoofKeys, result).OK(t)
	b.del(t, spoofKeys)
	same(t, before, a.ns, b.ns)
}

// TestMacSpoofChkAtOnce: attachments come and go, and with the last one of the moment the table.
func TestMacSpoofChkAtOnce(t *testing.T) {
	const containers, rounds = 6, 15
	var all []container
	for range containers {
		all = append(all, newContainer(t))
	}
	addBridge(t, "cni0", 0, true)
	before := testnet.Take(t)
	var wait sync.WaitGroup
	for _, c := range all {
		wait.Go(func() {
			for range rounds {
				result, err := c.try(t, "ADD", spoofKeys)
				if err == nil {
					_, err = c.try(t, "CHECK", with(spoofKeys, `"prevResult": `+result))
				}
				if err == nil {
					_, err = c.try(t, "DEL", spoofKeys)
				}
				if err != nil {
					t.Errorf("%s: %v", c.id, err)
				}
			}
		})
	}
	wait.Wait()
	same(t, before)
}

// TestMacSpoofChkDrift: each thing that is missing is named.
func TestMacSpoofChkDrift(t *testing.T) {
	for _, d := range []struct {
		name   string
		change func(tx *nft.Tx, c container, mac net.HardwareAddr)
		says   string
	}{
		{"rule", func(tx *nft.Tx, _ container, _ net.HardwareAddr) { tx.FlushChain(guardChain.Name) }, "rule"},
		{"port", func(tx *nft.Tx, c container, _ net.HardwareAddr) {
			tx.DeleteElements(guarded, nft.Element{Key: nft.Name(c.owner().HostVeth())})
		}, "set guarded"},
		{"MAC", func(tx *nft.Tx, c container, mac net.HardwareAddr) {
			tx.DeleteElements(allowed, nft.Element{Key: nft.Join(nft.Name(c.owner().HostVeth()), mac)})
		}, "set allowed"},
		{"table", func(tx *nft.Tx, _ container, _ net.HardwareAddr) { tx.DeleteTable() }, "missing"},
	} {
		t.Run(d.name, func(t *testing.T) {
			c := newContainer(t)
			addBridge(t, "cni0", 0, true)
			before := testnet.Take(t, c.ns)
			result := c.add(t, spoofKeys)
			conn, err := nft.Open()
			must(t, err)
			defer func() { _ = conn.Close() }()
			tx := conn.Begin(nft.Bridge)
			d.change(tx, c, c.inside(t, "eth0").Attrs().HardwareAddr)
			must(t, tx.Commit())
			c.check(t, spoofKeys, result).Fails(t, codeCheck, "macspoofchk", d.says)
			c.del(t, spoofKeys)
			same(t, before, c.ns)
		})
	}
}
