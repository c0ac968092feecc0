// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"net"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/cni-chain/cni-chain/chain/chaintest"
	"github.com/cni-chain/cni-chain/shared/sysctl"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// Each test here is named after a defect of upstream's bridge: the number of the thread in containernetworking/plugins,
// or Seen for one that no thread is about. docs/upstream-parity.md lists them.

// TestUpstream29FailedAddLeavesVeth: also #32.
func TestUpstream29FailedAddLeavesVeth(t *testing.T) {
	c := newContainer(t)
	before := testnet.Take(t, c.ns)
	// TestFailedAddRestores does so from other starts.
	steps := 0
	chaintest.FailEachStep(t, plugin, c.call("ADD", ""), func(*testing.T) { steps++ }, func(t *testing.T) string {
		return testnet.Diff(before, testnet.Take(t, c.ns))
	})
	if steps == 0 {
		t.Error("no step was failed")
	}
}

// TestUpstream60BridgeMACFollowsPorts: a bridge without an address takes the lowest MAC of its ports, and udev's.
func TestUpstream60BridgeMACFollowsPorts(t *testing.T) {
	c, other := newContainer(t), newContainer(t)
	result := c.add(t, "")
	mac := mustHave(t, "cni0").Attrs().HardwareAddr.String()
	low := addVeth(t, "low0")
	must(t, netlink.LinkSetHardwareAddr(low, net.HardwareAddr{2, 0, 0, 0, 0, 1}))
	must(t, netlink.LinkSetMaster(low, mustHave(t, "cni0")))
	other.add(t, "")
	if got := mustHave(t, "cni0").Attrs().HardwareAddr.String(); got != mac || result.Interfaces[0].Mac != mac {
		t.Errorf("the bridge's MAC is %s, was %s", got, mac)
	}
}

// TestUpstream620BridgeMACOfZeros: a bridge that has lost its last port has a MAC that nobody can set again.
func TestUpstream620BridgeMACOfZeros(t *testing.T) {
	c := newContainer(t)
	mac := c.add(t, "").Interfaces[0].Mac
	c.del(t, "")
	if again := c.add(t, "").Interfaces[0].Mac; again != mac {
		t.Errorf("the bridge's MAC is %s, was %s", again, mac)
	}
}

// TestUpstream805VethMACChangesAfterAdd: a MAC that the kernel has drawn may be changed by udev; one that was given
// is not.
func TestUpstream805VethMACChangesAfterAdd(t *testing.T) {
	c := newContainer(t)
	c.add(t, "")
	for _, l := range []netlink.Link{mustHave(t, c.owner().HostVeth()), c.inside(t, "eth0")} {
		if l.Attrs().HardwareAddr[0]&3 != 2 {
			t.Errorf("MAC %s of %s", l.Attrs().HardwareAddr, l.Attrs().Name)
		}
	}
	if got := mustHave(t, c.owner().HostVeth()).Attrs().HardwareAddr.String(); got != c.owner().HostMAC().String() {
		t.Errorf("the port's MAC is %s, asked for %s", got, c.owner().HostMAC())
	}
}

// TestUpstream810DelWithoutNamespaceLeaks: also #210 and #1078.
func TestUpstream810DelWithoutNamespaceLeaks(t *testing.T) {
	c := newContainer(t)
	addBridge(t, "cni0", 0, true)
	before := testnet.Take(t, c.ns)
	c.add(t, spoofKeys)
	c.ns.Path = ""
	c.del(t, spoofKeys)
	same(t, before, c.ns)
}

// TestUpstream484AdvertisementsOnTheHost: the host takes no routes from what a container sends.
func TestUpstream484AdvertisementsOnTheHost(t *testing.T) {
	c := newContainer(t)
	c.add(t, "")
	for _, name := range []string{"cni0", c.owner().HostVeth()} {
		if ra, err := sysctl.Get("net/ipv6/conf/" + name + "/accept_ra"); err != nil || ra != "0" {
			t.Errorf("accept_ra of %s is %q, %v", name, ra, err)
		}
	}
}

// TestUpstream484AdvertisementsOfAnOwnersBridge: upstream turns them off on any bridge, so that a host which is itself
// configured by them on its own bridge loses its address.
func TestUpstream484AdvertisementsOfAnOwnersBridge(t *testing.T) {
	c := newContainer(t)
	addBridge(t, "br9", 0, true)
	c.add(t, `"bridge": "br9"`)
	if ra, err := sysctl.Get("net/ipv6/conf/br9/accept_ra"); err != nil || ra != "1" {
		t.Errorf("accept_ra of somebody's bridge is %q, %v", ra, err)
	}
}

// TestUpstream987CheckOfLayer2Fails: upstream's CHECK wants an IPAM plugin.
func TestUpstream987CheckOfLayer2Fails(t *testing.T) {
	c := newContainer(t)
	c.check(t, "", c.add(t, "")).OK(t)
}

// TestUpstream352MTUOfAnExistingBridge: also containernetworking/cni#356. It is ignored.
func TestUpstream352MTUOfAnExistingBridge(t *testing.T) {
	a, b := newContainer(t), newContainer(t)
	a.add(t, "")
	b.add(t, `"mtu": 9000`)
	if mtu := mustHave(t, "cni0").Attrs().MTU; mtu != 9000 {
		t.Errorf("the bridge's MTU is %d", mtu)
	}
}

// TestUpstream951InterfaceThatStaysDown: also #997.
func TestUpstream951InterfaceThatStaysDown(t *testing.T) {
	c := newContainer(t)
	c.add(t, `"disableContainerInterface": true`)
	if c.inside(t, "eth0").Attrs().Flags&net.FlagUp != 0 {
		t.Error("it is up")
	}
}

// TestUpstream884HostNameCanBeForetold: also #344.
func TestUpstream884HostNameCanBeForetold(t *testing.T) {
	c := newContainer(t)
	if name := c.add(t, "").Interfaces[1].Name; name != c.owner().HostVeth() {
		t.Errorf("the port is %s, want %s", name, c.owner().HostVeth())
	}
}

// TestUpstream366RaceForTheBridge: also #283. TestFiftyOnAMissingBridge and TestRemovalMeetsAdd show more.
func TestUpstream366RaceForTheBridge(t *testing.T) {
	const n = 8
	errs := make(chan error, n)
	for range n {
		c := newContainer(t)
		go func() {
			_, err := c.try(t, "ADD", "")
			errs <- err
		}()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

// TestUpstream965NativeVLANInTheTrunk: also #231. Upstream adds the trunk after the native VLAN, which then is native
// no more when the trunk has it.
func TestUpstream965NativeVLANInTheTrunk(t *testing.T) {
	join, _ := vlanPlan(decode(t, `"vlan": 8, "vlanTrunk": [{"minID": 7, "maxID": 9}]`), 1)
	if flags, _ := memberOf(join, 8); flags != vlanPVID|vlanUntagged {
		t.Errorf("VLAN 8 has flags %#x", flags)
	}
}

// TestUpstreamSeenResultWithoutMTU: cniVersion 1.1.0 has a field for it.
func TestUpstreamSeenResultWithoutMTU(t *testing.T) {
	for _, i := range newContainer(t).add(t, "").Interfaces {
		if i.Mtu != 1500 {
			t.Errorf("%s has MTU %d", i.Name, i.Mtu)
		}
	}
}

// TestUpstreamSeenTapIsIgnored: CNI's conventions let a bridge take a host interface of prevResult; upstream makes a
// veth.
func TestUpstreamSeenTapIsIgnored(t *testing.T) {
	c := newContainer(t)
	addTap(t)
	c.add(t, tapKeys)
	if mustHave(t, "tap0").Attrs().MasterIndex == 0 || c.inside(t, "eth0") != nil {
		t.Error("the tap is not the port")
	}
}

// TestUpstreamSeenUnknownKeysAreIgnored: with "mtuu" the MTU is not what was meant, and nobody says so.
func TestUpstreamSeenUnknownKeysAreIgnored(t *testing.T) {
	newContainer(t).run(t, "ADD", `"mtuu": 9000`).Fails(t, 2, "mtuu", "9000", `"mtu"`)
}

// TestUpstreamSeenHostNamespace: ADD in the host's own namespace makes the interface, and then an error; DEL deletes
// the host's.
func TestUpstreamSeenHostNamespace(t *testing.T) {
	c := newContainer(t)
	addVeth(t, "eth0")
	c.ns = testnet.HostNS(t)
	before := testnet.Take(t)
	c.run(t, "ADD", "").Fails(t, 8, "host's own")
	c.run(t, "DEL", "").OK(t)
	same(t, before)
}

// TestNerdctl3355RestartedContainer: ADD after a crash of the runtime says that the interface exists.
func TestNerdctl3355RestartedContainer(t *testing.T) {
	c := newContainer(t)
	c.add(t, "")
	c.ns = testnet.NewNS(t)
	c.add(t, "")
}

// TestReadBackResultIsAccepted: what ADD prints is a prevResult for CHECK and DEL in every version that has them.
func TestReadBackResultIsAccepted(t *testing.T) {
	for _, version := range []string{"0.4.0", "1.0.0", "1.1.0"} {
		c := newContainer(t)
		conf := map[string]any{"cniVersion": version, "name": "net", "type": "veth-bridge"}
		call := c.call("ADD", "")
		call.Config = conf
		conf["prevResult"] = json.RawMessage(runCall(t, call).OK(t).Stdout)
		for _, cmd := range []string{"CHECK", "DEL"} {
			call.Command = cmd
			runCall(t, call).OK(t)
		}
	}
}
