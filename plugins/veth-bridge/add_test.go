// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net"
	"testing"

	current "github.com/containernetworking/cni/pkg/types/100"
	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/testnet"
)

// TestAddCheckDel is the contract: bridge, port and container in the result, in that order and as the kernel has them;
// and a DEL that leaves what was.
func TestAddCheckDel(t *testing.T) {
	c := newContainer(t)
	addBridge(t, "cni0", 0, true)
	before := testnet.Take(t, c.ns)
	result := c.add(t, "")
	bridge, port := mustHave(t, "cni0").Attrs(), mustHave(t, c.owner().HostVeth()).Attrs()
	inside := c.inside(t, "eth0").Attrs()
	want := []*current.Interface{
		{Name: "cni0", Mac: bridge.HardwareAddr.String(), Mtu: 1500},
		{Name: c.owner().HostVeth(), Mac: c.owner().HostMAC().String(), Mtu: 1500},
		{Name: "eth0", Mac: inside.HardwareAddr.String(), Mtu: 1500, Sandbox: c.ns.Path},
	}
	if diff := cmp.Diff(want, result.Interfaces); diff != "" {
		t.Errorf("interfaces (-want +got):\n%s", diff)
	}
	if port.MasterIndex != bridge.Index || port.Alias != c.owner().Tag() {
		t.Errorf("the port is %+v", port)
	}
	if port.Flags&inside.Flags&1 == 0 || inside.RawFlags&unix.IFF_LOWER_UP == 0 {
		t.Errorf("an end is down: %v, %v", port.Flags, inside.Flags)
	}
	c.check(t, "", result).OK(t)
	c.del(t, "")
	same(t, before, c.ns)
	c.del(t, "")
	c.check(t, "", result).Fails(t, codeCheck, "missing")
}

// TestMTU: a number, the way out's, or the kernel's choice; on both ends and on the bridge.
func TestMTU(t *testing.T) {
	for _, m := range []struct {
		name, keys string
		prepare    func(t *testing.T)
		want       int
	}{
		{"kernel's choice", "", nil, 1500},
		{"zero", `"mtu": 0`, nil, 1500},
		{"large", `"mtu": 9000`, nil, 9000},
		{"small", `"mtu": 1400`, nil, 1400},
		{"auto", `"mtu": "auto"`, func(t *testing.T) { wayOutHas(t, 1442) }, 1442},
		{"auto with an uplink", `"mtu": "auto", "uplink": "up0"`, func(t *testing.T) {
			wayOutHas(t, 1442)
			must(t, netlink.LinkSetMTU(addVeth(t, "up0"), 1300))
		}, 1300},
	} {
		t.Run(m.name, func(t *testing.T) {
			c := newContainer(t)
			if m.prepare != nil {
				m.prepare(t)
			}
			result := c.add(t, m.keys)
			links := []netlink.Link{mustHave(t, "cni0"), mustHave(t, c.owner().HostVeth()), c.inside(t, "eth0")}
			for i, l := range links {
				if mtu := l.Attrs().MTU; mtu != m.want || result.Interfaces[i].Mtu != m.want {
					t.Errorf("MTU %d, reported %d, want %d: %s", mtu, result.Interfaces[i].Mtu, m.want, result.Interfaces[i].Name)
				}
			}
			c.check(t, m.keys, result).OK(t)
		})
	}
}

// wayOutHas gives the host a default route by an interface of the MTU.
func wayOutHas(t *testing.T, mtu int) {
	t.Helper()
	out := addVeth(t, "out0")
	must(t, netlink.LinkSetMTU(out, mtu))
	must(t, netlink.RouteAdd(&netlink.Route{LinkIndex: out.Attrs().Index, Scope: netlink.SCOPE_LINK,
		Dst: &net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)}}))
}

func TestMTUAutoWithoutAWayOut(t *testing.T) {
	c := newContainer(t)
	before := testnet.Take(t, c.ns)
	c.run(t, "ADD", `"mtu": "auto"`).Fails(t, 11, "default route", "number")
	same(t, before, c.ns)
}

// TestMACSources: the runtime wins over args, which win over CNI_ARGS.
func TestMACSources(t *testing.T) {
	const runtime, args = `"runtimeConfig": {"mac": "02:00:00:00:00:01"}`, `"args": {"cni": {"mac": "02:00:00:00:00:02"}}`
	for _, m := range []struct{ name, keys, cniArgs, want string }{
		{"CNI_ARGS", "", "IgnoreUnknown=1;MAC=02:00:00:00:00:03;K8S_POD_NAME=p", "02:00:00:00:00:03"},
		{"args", args, "MAC=02:00:00:00:00:03", "02:00:00:00:00:02"},
		{"runtime", with(runtime, args), "MAC=02:00:00:00:00:03", "02:00:00:00:00:01"},
	} {
		t.Run(m.name, func(t *testing.T) {
			c := newContainer(t)
			call := c.call("ADD", m.keys)
			call.Args = m.cniArgs
			result := &current.Result{}
			runCall(t, call).Result(t, result)
			if got := c.inside(t, "eth0").Attrs().HardwareAddr.String(); got != m.want || result.Interfaces[2].Mac != m.want {
				t.Errorf("MAC %s, reported %s, want %s", got, result.Interfaces[2].Mac, m.want)
			}
		})
	}
	t.Run("bad one in CNI_ARGS", func(t *testing.T) {
		c := newContainer(t)
		call := c.call("ADD", "")
		call.Args = "MAC=01:00:00:00:00:03"
		runCall(t, call).Fails(t, 7, "CNI_ARGS", "01:00:00:00:00:03", "group")
	})
}

func TestPortSettings(t *testing.T) {
	for _, s := range []struct {
		keys                       string
		hairpin, isolated, promisc bool
	}{
		{"", false, false, false},
		{`"hairpinMode": true`, true, false, false},
		{`"portIsolation": true`, false, true, false},
		{`"hairpinMode": true, "portIsolation": true`, true, true, false},
		{`"promiscMode": true`, false, false, true},
	} {
		t.Run(s.keys, func(t *testing.T) {
			c := newContainer(t)
			result := c.add(t, s.keys)
			port := mustHave(t, c.owner().HostVeth())
			info, err := netlink.LinkGetProtinfo(port)
			must(t, err)
			if info.Hairpin != s.hairpin || info.Isolated != s.isolated {
				t.Errorf("hairpin %v, isolated %v", info.Hairpin, info.Isolated)
			}
			if got := mustHave(t, "cni0").Attrs().RawFlags&unix.IFF_PROMISC != 0; got != s.promisc {
				t.Errorf("promiscuous %v", got)
			}
			c.check(t, s.keys, result).OK(t)
		})
	}
}

// TestDisableContainerInterface: the container's end stays down and ADD does not wait for it; a later link may bring
// it up.
func TestDisableContainerInterface(t *testing.T) {
	c := newContainer(t)
	const keys = `"disableContainerInterface": true`
	result := c.add(t, keys)
	if c.inside(t, "eth0").Attrs().Flags&1 != 0 {
		t.Error("the container's interface is up")
	}
	c.check(t, keys, result).OK(t)
	must(t, c.ns.Up("eth0"))
	c.check(t, keys, result).OK(t)
}

// TestTraffic: two containers reach each other through the bridge, unless their ports are isolated.
func TestTraffic(t *testing.T) {
	for _, isolated := range []bool{false, true} {
		t.Run(fmt.Sprintf("isolated %v", isolated), func(t *testing.T) {
			a, b := newContainer(t), newContainer(t)
			keys := fmt.Sprintf(`"portIsolation": %v`, isolated)
			a.add(t, keys)
			b.add(t, keys)
			a.address(t, "192.0.2.1/24")
			b.address(t, "192.0.2.2/24")
			reach(t, a, b, "192.0.2.2", !isolated)
		})
	}
}

// TestSecondInterface: a container has two interfaces on one network, and one on another, and each goes by itself.
func TestSecondInterface(t *testing.T) {
	one := newContainer(t)
	two, other := one, one
	two.ifName = "eth1"
	other.ifName, other.network = "eth2", "other"
	one.add(t, "")
	before := testnet.Take(t, one.ns)
	resultTwo, resultOther := two.add(t, ""), other.add(t, `"bridge": "br1"`)
	two.check(t, "", resultTwo).OK(t)
	other.check(t, `"bridge": "br1"`, resultOther).OK(t)
	other.del(t, `"bridge": "br1", "removeBridge": true`)
	two.del(t, "")
	same(t, before, one.ns)
}
