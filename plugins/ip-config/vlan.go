// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/shared/lock"
	"github.com/cni-chain/cni-chain/shared/nl"
	"github.com/cni-chain/cni-chain/shared/nlsock"
	"github.com/cni-chain/cni-chain/shared/owner"
)

// Attributes and flags that golang.org/x/sys does not name: VETH_INFO_PEER of linux/veth.h, and IFLA_BRIDGE_VLAN_INFO
// with its flags of linux/if_bridge.h.
const (
	vethInfoPeer   = 1
	bridgeVLANInfo = 2
	vlanMaster     = 1 << 0
	vlanPVID       = 1 << 1
	vlanUntagged   = 1 << 2
	defaultVLAN    = 1
)

// vlanName is the interface that has the gateway of a VLAN; upstream's bridge plugin calls it so too.
func vlanName(bridge string, vlan int) string { return fmt.Sprintf("%s.%d", bridge, vlan) }

// vlanPort is its other end, a port of the bridge.
func vlanPort(name string) string { return "vgw" + owner.NetworkHash(name, 11) }

// ensureVLAN makes the gateway's interface in the VLAN unless it exists: a veth pair, one end a port of the bridge and
// an untagged member of the VLAN, the other end for the host. Like the bridge it belongs to the network, and stays.
func (g *gateway) ensureVLAN(ctx context.Context, r *request) error {
	name := vlanName(g.bridge.Name, r.Conf.VLAN)
	if len(name) >= unix.IFNAMSIZ {
		return chain.Invalid("vlan", r.Conf.VLAN, "the gateway's interface would be called %q, "+
			"and a name has at most 15 bytes: give the bridge a shorter one", name)
	}
	made := false
	err := r.Do("make interface "+name, func() error {
		release, err := lock.Acquire(ctx, "bridge-"+g.bridge.Name)
		if err != nil {
			return err
		}
		defer release()
		if g.on, err = g.linkByName(name); nl.IsGone(err) {
			made = true
			g.on, err = g.makeVLAN(name, r.Conf.VLAN)
		}
		return err
	}, g.undo(func(g *gateway) error {
		if !made {
			return nil
		}
		if shared, err := g.shared(); shared || err != nil {
			return err
		}
		return ignore(g.deleteLink(name), unix.ENODEV)
	}))
	if err != nil {
		return err
	}
	if g.on.Kind != "veth" {
		return chain.Errorf(codeGateway, "the interface %q, which the gateway of VLAN %d is to be on, is a %s and not ours",
			name, r.Conf.VLAN, g.on.Kind)
	}
	return nil
}

// makeVLAN makes the pair and puts its port into the VLAN; when that fails nothing stays.
func (g *gateway) makeVLAN(name string, vlan int) (*nl.Link, error) {
	// The MAC is given, as udev changes one that the kernel has chosen (systemd's 99-default.link).
	if err := g.Do(vlanPair(name, nl.RandomMAC(), g.bridge)); err != nil {
		return nil, err
	}
	made, err := g.linkByName(name)
	if err == nil {
		err = g.joinVLAN(name, vlan)
	}
	if err == nil {
		err = g.setUp(made.Index, true)
	}
	if err != nil {
		return nil, errors.Join(err, ignore(g.deleteLink(name), unix.ENODEV))
	}
	return made, nil
}

// joinVLAN makes the port an untagged member of the VLAN and of no other, and brings it up.
func (g *gateway) joinVLAN(name string, vlan int) error {
	port, err := g.linkByName(vlanPort(name))
	if err != nil {
		return err
	}
	if err := g.Do(vlanMember(unix.RTM_SETLINK, port.Index, vlan, vlanPVID|vlanUntagged)); err != nil {
		if errors.Is(err, unix.EOPNOTSUPP) {
			return chain.Errorf(codeLacks, "put %s into VLAN %d: %w: the kernel lacks CONFIG_BRIDGE_VLAN_FILTERING",
				port.Name, vlan, err)
		}
		return fmt.Errorf("put %s into VLAN %d: %w", port.Name, vlan, err)
	}
	if vlan != defaultVLAN {
		if err := g.Do(vlanMember(unix.RTM_DELLINK, port.Index, defaultVLAN, 0)); err != nil {
			return fmt.Errorf("take %s out of VLAN %d: %w", port.Name, defaultVLAN, err)
		}
	}
	return g.setUp(port.Index, true)
}

// vlanPair is the message that makes both ends at once, down, as the port is not yet in its VLAN. The port is the
// link that the message is about, as the kernel takes no IFLA_MASTER for the other end (rtnl_create_link).
func vlanPair(name string, mac net.HardwareAddr, bridge *nl.Link) nl.Message {
	return nl.Message{
		Kind: unix.RTM_NEWLINK, Flags: unix.NLM_F_CREATE | unix.NLM_F_EXCL,
		Head: nl.IfInfo(0, 0, 0),
		Attrs: func(w *nlsock.Writer) {
			w.Text(unix.IFLA_IFNAME, vlanPort(name))
			nl.Native(w, unix.IFLA_MTU, uint32(bridge.MTU))
			nl.Native(w, unix.IFLA_MASTER, uint32(bridge.Index))
			info := w.Nest(unix.IFLA_LINKINFO)
			w.Text(unix.IFLA_INFO_KIND, "veth")
			data := w.Nest(unix.IFLA_INFO_DATA)
			peer := w.Nest(vethInfoPeer)
			w.Buf = append(w.Buf, nl.IfInfo(0, 0, 0)...)
			w.Text(unix.IFLA_IFNAME, name)
			w.Bytes(unix.IFLA_ADDRESS, mac)
			nl.Native(w, unix.IFLA_MTU, uint32(bridge.MTU))
			w.CloseNest(peer)
			w.CloseNest(data)
			w.CloseNest(info)
		},
	}
}

// vlanMember is the message that puts a port into a VLAN (RTM_SETLINK) or takes it out (RTM_DELLINK).
func vlanMember(kind uint16, port, vlan int, flags uint16) nl.Message {
	head := nl.IfInfo(port, 0, 0)
	head[0] = unix.AF_BRIDGE
	return nl.Message{Kind: kind, Head: head, Attrs: func(w *nlsock.Writer) {
		at := w.Nest(unix.IFLA_AF_SPEC)
		info := binary.NativeEndian.AppendUint16(nil, flags)
		w.Bytes(bridgeVLANInfo, binary.NativeEndian.AppendUint16(info, uint16(vlan)))
		w.CloseNest(at)
	}}
}

// deleteLink deletes an interface by its name.
func (c *conn) deleteLink(name string) error {
	return c.Do(nl.Message{Kind: unix.RTM_DELLINK, Head: nl.IfInfo(0, 0, 0), Attrs: func(w *nlsock.Writer) {
		w.Text(unix.IFLA_IFNAME, name)
	}})
}
