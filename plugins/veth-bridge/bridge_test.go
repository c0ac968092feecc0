// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/shared/nl"
	"github.com/cni-chain/cni-chain/shared/sysctl"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// TestBridgeIsMade: with a MAC of its own, our mark, without router advertisements, and it stays. The host veth has no
// IPv6 at all.
func TestBridgeIsMade(t *testing.T) {
	c := newContainer(t)
	c.add(t, "")
	bridge := mustHave(t, "cni0").Attrs()
	if bridge.Alias != bridgeMark || bridge.Flags&net.FlagUp == 0 || !isBridgeMAC("cni0", bridge.HardwareAddr) {
		t.Errorf("the bridge is %+v", bridge)
	}
	for _, name := range []string{"cni0", c.owner().HostVeth()} {
		if ra, err := sysctl.Get("net/ipv6/conf/" + name + "/accept_ra"); err != nil || ra != "0" {
			t.Errorf("accept_ra of %s is %q, %v", name, ra, err)
		}
	}
	for name, want := range map[string]string{"cni0": "0", c.owner().HostVeth(): "1"} {
		if off, err := sysctl.Get("net/ipv6/conf/" + name + "/disable_ipv6"); err != nil || off != want {
			t.Errorf("disable_ipv6 of %s is %q, %v", name, off, err)
		}
	}
	if dad, err := sysctl.Get("net/ipv6/conf/cni0/accept_dad"); err != nil || dad != "0" {
		t.Errorf("accept_dad of the bridge is %q, %v", dad, err)
	}
	c.del(t, "")
	if after := mustHave(t, "cni0").Attrs(); after.HardwareAddr.String() != bridge.HardwareAddr.String() {
		t.Errorf("its MAC is %s, was %s", after.HardwareAddr, bridge.HardwareAddr)
	}
}

func TestBridgeMACIsMarked(t *testing.T) {
	mac := newBridgeMAC("cni0")
	if !isBridgeMAC("cni0", mac) || isBridgeMAC("cni1", mac) || mac[0]&3 != 2 {
		t.Errorf("%v: of cni0 %v, of cni1 %v", mac, isBridgeMAC("cni0", mac), isBridgeMAC("cni1", mac))
	}
	mac[5]++
	if isBridgeMAC("cni0", mac) || isBridgeMAC("cni0", nil) {
		t.Error("another MAC is taken for one of ours")
	}
}

// TestOwnBridgeIsBroughtInLine: what differs is changed, and a CHECK said so before.
func TestOwnBridgeIsBroughtInLine(t *testing.T) {
	for _, d := range []struct {
		name, keys string
		drift      func(t *testing.T, bridge netlink.Link)
		says       string
	}{
		{"MTU", `"mtu": 1400`, func(t *testing.T, b netlink.Link) { must(t, netlink.LinkSetMTU(b, 1500)) }, "MTU"},
		{"down", "", func(t *testing.T, b netlink.Link) { must(t, netlink.LinkSetDown(b)) }, "down"},
		{"not promiscuous", `"promiscMode": true`, func(t *testing.T, b netlink.Link) { must(t, netlink.SetPromiscOff(b)) },
			"promiscuous"},
		{"without its mark", "", func(t *testing.T, b netlink.Link) { must(t, netlink.LinkSetAlias(b, "")) }, "quite made"},
		{"left while being removed", "", func(t *testing.T, b netlink.Link) {
			must(t, netlink.LinkSetAlias(b, removingMark))
		}, ""}, // a DEL may be at it that is about to leave the bridge alone
	} {
		t.Run(d.name, func(t *testing.T) {
			c, other := newContainer(t), newContainer(t)
			result := c.add(t, d.keys)
			d.drift(t, mustHave(t, "cni0"))
			if checked := c.check(t, d.keys, result); d.says == "" {
				checked.OK(t)
			} else {
				checked.Fails(t, codeCheck, "cni0", d.says)
			}
			other.add(t, d.keys)
			if alias := mustHave(t, "cni0").Attrs().Alias; alias != bridgeMark {
				t.Errorf("the bridge's alias is %q", alias)
			}
			c.check(t, d.keys, result).OK(t)
		})
	}
}

// TestForeignBridge: one that fits is used and never changed but for being brought up; one that does not is refused.
func TestForeignBridge(t *testing.T) {
	t.Run("fits", func(t *testing.T) {
		c := newContainer(t)
		addBridge(t, "br9", 1500, true)
		before := testnet.Take(t, c.ns)
		const keys = `"bridge": "br9", "mtu": 1500, "removeBridge": true`
		result := c.add(t, keys)
		c.check(t, keys, result).OK(t)
		c.del(t, keys)
		same(t, before, c.ns)
	})
	t.Run("down", func(t *testing.T) {
		c := newContainer(t)
		addBridge(t, "br9", 0, false)
		c.add(t, `"bridge": "br9"`)
		if mustHave(t, "br9").Attrs().Flags&net.FlagUp == 0 || mustHave(t, "br9").Attrs().Alias != "" {
			t.Errorf("the bridge is %+v", mustHave(t, "br9").Attrs())
		}
	})
	for _, r := range []struct {
		name, keys string
		code       uint
		says       []string
	}{
		{"MTU", `"mtu": 9000`, codeBridge, []string{"br9", "1500", "9000", "ip link set br9 mtu 9000"}},
		{"VLAN filtering", `"vlan": 7`, 0, []string{"VLAN"}},
	} {
		t.Run(r.name, func(t *testing.T) {
			c := newContainer(t)
			addBridge(t, "br9", 1500, true)
			if r.code == 0 {
				r.code = codeLacks
				if kernelFilters(t, "br9") {
					r.code, r.says = codeBridge, append(r.says, "vlan_filtering 1")
				}
			}
			before := testnet.Take(t, c.ns)
			c.run(t, "ADD", with(`"bridge": "br9"`, r.keys)).Fails(t, r.code, r.says...)
			same(t, before, c.ns)
		})
	}
}

func kernelFilters(t *testing.T, bridge string) bool {
	t.Helper()
	c, err := dial()
	must(t, err)
	defer func() { _ = c.Close() }()
	l, err := c.Link(nl.Which{Name: bridge})
	must(t, err)
	return l.Bridge.CanFilter
}

func TestBridgeThatIsNone(t *testing.T) {
	c := newContainer(t)
	addVeth(t, "cni0")
	before := testnet.Take(t, c.ns)
	c.run(t, "ADD", "").Fails(t, codeForeign, "cni0", "no bridge", "veth")
	c.run(t, "STATUS", "").Fails(t, 50, "cni0", "no bridge")
	c.del(t, `"removeBridge": true`)
	same(t, before, c.ns)
}

// TestRemoveBridge: with its last port, whoever's that is, and only when it is ours.
func TestRemoveBridge(t *testing.T) {
	a, b := newContainer(t), newContainer(t)
	before := testnet.Take(t, a.ns, b.ns)
	const keys = `"removeBridge": true`
	a.add(t, keys)
	b.add(t, keys)
	a.del(t, keys)
	mustHave(t, "cni0")
	foreign := addVeth(t, "guest0")
	must(t, netlink.LinkSetMaster(foreign, mustHave(t, "cni0")))
	b.del(t, keys)
	if mustHave(t, "cni0").Attrs().Alias != bridgeMark {
		t.Error("the bridge has lost its mark")
	}
	must(t, netlink.LinkDel(foreign))
	b.del(t, keys)
	same(t, before, a.ns, b.ns)
}

func TestRemoveBridgeReleasesTheUplink(t *testing.T) {
	c := newContainer(t)
	addVeth(t, "up0")
	before := testnet.Take(t, c.ns)
	const keys = `"removeBridge": true, "uplink": "up0"`
	c.add(t, keys)
	if mustHave(t, "up0").Attrs().MasterIndex != mustHave(t, "cni0").Attrs().Index {
		t.Error("the uplink is not on the bridge")
	}
	c.del(t, keys)
	same(t, before, c.ns)
}

// TestRemovalMeetsAdd: DELs that remove the bridge with the last port, and ADDs that need it, at the same time.
func TestRemovalMeetsAdd(t *testing.T) {
	const containers, rounds, keys = 4, 25, `"removeBridge": true`
	var all []container
	for range containers {
		all = append(all, newContainer(t))
	}
	before := testnet.Take(t)
	var wait sync.WaitGroup
	for _, c := range all {
		wait.Go(func() {
			for range rounds {
				result, err := c.try(t, "ADD", keys)
				if err == nil {
					_, err = c.try(t, "CHECK", with(keys, `"prevResult": `+result))
				}
				if err == nil {
					_, err = c.try(t, "DEL", keys)
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

// TestFiftyOnAMissingBridge: all of them make the bridge, and there is one.
func TestFiftyOnAMissingBridge(t *testing.T) {
	var all []container
	for range 50 {
		all = append(all, newContainer(t))
	}
	var wait sync.WaitGroup
	for _, c := range all {
		wait.Go(func() {
			if _, err := c.try(t, "ADD", ""); err != nil {
				t.Errorf("%s: %v", c.id, err)
			}
		})
	}
	wait.Wait()
	bridge := mustHave(t, "cni0").Attrs().Index
	for _, c := range all {
		if got := mustHave(t, c.owner().HostVeth()).Attrs().MasterIndex; got != bridge {
			t.Errorf("%s is on the bridge with index %d, want %d", c.id, got, bridge)
		}
	}
}

// TestSpanningTree: ADD ends when the port forwards, which takes twice the forward delay.
func TestSpanningTree(t *testing.T) {
	c := newContainer(t)
	bridge := addBridge(t, "cni0", 0, true)
	// The shortest that there is, BR_MIN_FORWARD_DELAY of net/bridge/br_private_stp.h, in 1/100 s.
	must(t, setBridgeNumbers(bridge, map[uint16]uint32{unix.IFLA_BR_FORWARD_DELAY: 200, unix.IFLA_BR_STP_STATE: 1}))
	result := c.add(t, "")
	c.check(t, "", result).OK(t)
	must(t, netlink.LinkSetDown(mustHave(t, c.owner().HostVeth())))
	c.check(t, "", result).Fails(t, codeCheck, "down")
}

// TestHostsHaveDifferentBridgeMACs: hosts with an uplink are one network.
func TestHostsHaveDifferentBridgeMACs(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		mac := newBridgeMAC("cni0")
		if seen[fmt.Sprint(mac)] {
			t.Fatalf("%v twice", mac)
		}
		seen[fmt.Sprint(mac)] = true
	}
}

// TestFullBridge: a bridge without room says how many ports it takes.
func TestFullBridge(t *testing.T) {
	err := explainFull(fmt.Errorf("set master: %w", unix.EXFULL))
	if chain.CodeOf(err) != chain.CodeTryAgain || !strings.Contains(err.Error(), "1,024 ports") {
		t.Errorf("%v", err)
	}
	if other := explainFull(unix.EBUSY); !errors.Is(other, unix.EBUSY) || chain.CodeOf(other) != chain.CodeTryAgain {
		t.Errorf("%v", other)
	}
}
