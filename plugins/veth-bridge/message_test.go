// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/nl"
	"github.com/cni-chain/cni-chain/shared/nlsock"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// names of attributes, by those of the attributes around them.
var attrNames = map[string]map[uint16]string{
	"": {unix.IFLA_IFNAME: "name", unix.IFLA_ADDRESS: "address", unix.IFLA_MTU: "mtu", unix.IFLA_NET_NS_FD: "ns",
		unix.IFLA_MASTER: "master", unix.IFLA_IFALIAS: "alias", unix.IFLA_LINKINFO: "info", unix.IFLA_PROTINFO: "port",
		unix.IFLA_AF_SPEC: "spec", unix.IFLA_PROP_LIST: "properties"},
	"info":       {unix.IFLA_INFO_KIND: "kind", unix.IFLA_INFO_DATA: "data"},
	"data":       {vethInfoPeer: "peer", unix.IFLA_BR_VLAN_FILTERING: "vlan_filtering"},
	"port":       {unix.IFLA_BRPORT_MODE: "hairpin", unix.IFLA_BRPORT_ISOLATED: "isolated"},
	"spec":       {attrVLANInfo: "vlan"},
	"properties": {unix.IFLA_ALT_IFNAME: "altname"},
}

// show writes a message for people: the kind, the index, the flags, and the attributes in their order.
func show(m nl.Message) string {
	kinds := map[uint16]string{
		unix.RTM_NEWLINK: "new", unix.RTM_SETLINK: "set", unix.RTM_DELLINK: "del", unix.RTM_NEWLINKPROP: "newprop",
	}
	var w nlsock.Writer
	m.Write(&w, 1)
	body := w.Buf[unix.NLMSG_HDRLEN:]
	text := kinds[binary.NativeEndian.Uint16(w.Buf[4:])]
	if flags := binary.NativeEndian.Uint16(w.Buf[6:]); flags&unix.NLM_F_EXCL != 0 {
		text += " exclusive"
	}
	if body[0] == unix.AF_BRIDGE {
		text += " port"
	}
	return text + showInfo(body)
}

func showInfo(body []byte) string {
	text := ""
	if index := binary.NativeEndian.Uint32(body[4:]); index != 0 {
		text += fmt.Sprintf(" #%d", index)
	}
	if change := binary.NativeEndian.Uint32(body[12:]); change != 0 {
		text += fmt.Sprintf(" flags %#x/%#x", binary.NativeEndian.Uint32(body[8:]), change)
	}
	return text + showAttrs("", body[unix.SizeofIfInfomsg:])
}

func showAttrs(around string, data []byte) string {
	text := ""
	nlsock.EachAttr(data, func(kind uint16, v []byte) {
		name := attrNames[around][kind]
		switch name {
		case "info", "data", "port", "spec", "properties":
			text += " " + name + "{" + strings.TrimSpace(showAttrs(name, v)) + "}"
		case "peer":
			text += " peer{" + strings.TrimSpace(showInfo(v)) + "}"
		case "name", "kind", "altname":
			text += " " + name + " " + nlsock.CString(v)
		case "alias":
			text += fmt.Sprintf(" alias %q", v)
		case "address":
			text += fmt.Sprintf(" address %x", v)
		case "vlan":
			text += fmt.Sprintf(" %d/%#x", binary.NativeEndian.Uint16(v[2:]), binary.NativeEndian.Uint16(v))
		default:
			text += fmt.Sprintf(" %s%s %d", name, map[bool]string{true: fmt.Sprint(kind)}[name == ""], nl.Number(v))
		}
	})
	return text
}

// TestMessages: what the kernel is asked for.
func TestMessages(t *testing.T) {
	p := pair{host: "veth0", container: "eth0", hostMAC: []byte{2, 0, 0, 0, 0, 1}, containerMAC: []byte{2, 0, 0, 0, 0, 2},
		mtu: 1400, up: true, ns: os.Stdin}
	down := p
	down.up, down.mtu = false, 0
	on := true
	for _, c := range []struct {
		name string
		m    nl.Message
		want string
	}{
		{"both ends of a veth", p.make(), "new exclusive flags 0x1/0x1 ns 0 name eth0 address 020000000002 mtu 1400 " +
			"info{kind veth data{peer{name veth0 address 020000000001 mtu 1400}}}"},
		{"a veth whose inner end stays down", down.make(), "new exclusive ns 0 name eth0 address 020000000002 " +
			"info{kind veth data{peer{name veth0 address 020000000001}}}"},
		{"bridge", bridgeMessage("cni0", []byte{2, 0, 0, 0, 0, 3}), "new exclusive name cni0 address 020000000003 " +
			"info{kind bridge}"},
		{"change of a bridge", setting{mtu: 1400, alias: bridgeMark, filters: &on, flags: 0x101, change: 0x101}.message(4),
			`new #4 flags 0x101/0x101 mtu 1400 alias "cni-chain:bridge" info{kind bridge data{vlan_filtering 1}}`},
		{"plain port, up at once", setMaster(5, 4, unix.IFF_UP), "set #5 flags 0x1/0x1 master 4"},
		{"port flags", portFlags(5, true, false), "set port #5 port{hairpin 1 isolated 0}"},
		{"tag", setAlias(5, "cni-chain:net/c/eth0"), `set #5 alias "cni-chain:net/c/eth0"`},
		{"mark of a tap", property(unix.RTM_NEWLINKPROP, 5, "cni-chain:net,c,eth0"), "newprop exclusive #5 " +
			"properties{altname cni-chain:net,c,eth0}"},
	} {
		if diff := cmp.Diff(c.want, show(c.m)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// TestVLANMessages: upstream's keys, as what is asked of the kernel; the kernel of most test machines cannot do it.
// A VLAN is shown as ID/flags: 0x6 is untagged and native (PVID), 0x8 and 0x10 begin and end a range.
func TestVLANMessages(t *testing.T) {
	const leave = "del port #5 spec{1/0x0}"
	for _, c := range []struct {
		name, keys string
		want       []string
	}{
		{"none", `"vlan": 0`, nil},
		{"empty trunk", `"vlanTrunk": []`, nil},
		{"vlan", `"vlan": 7`, []string{"set port #5 spec{7/0x6}", leave}},
		{"vlan, in the default one too", `"vlan": 7, "preserveDefaultVlan": true`, []string{"set port #5 spec{7/0x6}"}},
		{"the default one", `"vlan": 1`, []string{"set port #5 spec{1/0x6}"}},
		{"trunk by ID", `"vlanTrunk": [{"id": 7}, {"id": 9}]`, []string{"set port #5 spec{7/0x0 9/0x0 1/0x6}"}},
		{"trunk by range", `"vlanTrunk": [{"minID": 7, "maxID": 9}]`, []string{"set port #5 spec{7/0x8 9/0x10 1/0x6}"}},
		{"trunk by both", `"vlanTrunk": [{"id": 3, "minID": 7, "maxID": 9}]`, []string{"set port #5 spec{7/0x8 9/0x10 " +
			"3/0x0 1/0x6}"}},
		{"vlan and trunk", `"vlan": 8, "vlanTrunk": [{"minID": 7, "maxID": 9}]`, []string{"set port #5 spec{7/0x8 9/0x10 " +
			"8/0x6}", leave}},
		{"a range with the default one", `"vlan": 8, "vlanTrunk": [{"minID": 1, "maxID": 4094}]`,
			[]string{"set port #5 spec{1/0x8 4094/0x10 8/0x6}"}},
	} {
		var got []string
		for _, s := range vlanSettings(5, decode(t, c.keys), 1) {
			got = append(got, show(s.message))
			if !s.vlan || s.what == "" {
				t.Errorf("%s: %+v", c.name, s)
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// TestVLANsAreRead: what the kernel says a port is in, and what of the plan lacks.
func TestVLANsAreRead(t *testing.T) {
	body := make([]byte, vlanMsgSize)
	var w nlsock.Writer
	for _, v := range []vlans{{7, 9, 0}, {8, 8, vlanPVID | vlanUntagged}} {
		entry := w.Nest(attrVLANEntry)
		info := binary.NativeEndian.AppendUint16(nil, v.flags)
		w.Bytes(attrVLANEntryIn, binary.NativeEndian.AppendUint16(info, v.first))
		if v.first != v.last {
			w.Bytes(attrVLANRangeEnd, binary.NativeEndian.AppendUint16(nil, v.last))
		}
		w.CloseNest(entry)
	}
	have := parseVLANs(append(body, w.Buf...))
	want := []vlans{{7, 9, 0}, {8, 8, vlanPVID | vlanUntagged}}
	if diff := cmp.Diff(want, have, cmp.AllowUnexported(vlans{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if lack := lacking(want, have); len(lack) != 0 {
		t.Errorf("lacks %v", lack)
	}
	if got := vlanText(lacking([]vlans{{6, 9, 0}}, have)); got != "6, 8" {
		t.Errorf("lacks %s, want 6, and 8 for being untagged", got)
	}
	if parseVLANs(nil) != nil {
		t.Error("nothing is read as something")
	}
}

// TestVLANs runs where the kernel can do it.
func TestVLANs(t *testing.T) {
	c := newContainer(t)
	addBridge(t, "probe0", 0, false)
	if !kernelFilters(t, "probe0") {
		const keys = `"vlan": 7`
		before := testnet.Take(t, c.ns)
		c.run(t, "ADD", keys).Fails(t, codeLacks, "VLAN filtering", "CONFIG_BRIDGE_VLAN_FILTERING")
		same(t, before, c.ns)
		c.del(t, keys)
		testnet.Lacks(t, "VLAN filtering of bridges")
	}
	for _, keys := range []string{
		`"vlan": 7`, `"vlanTrunk": [{"minID": 7, "maxID": 9}]`, `"vlan": 8, "vlanTrunk": [{"minID": 7, "maxID": 9}]`,
	} {
		t.Run(keys, func(t *testing.T) {
			c := newContainer(t)
			c.check(t, keys, c.add(t, keys)).OK(t)
		})
	}
}
