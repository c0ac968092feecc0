// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/nl"
	"github.com/cni-chain/cni-chain/shared/nlsock"
)

// What golang.org/x/sys does not name: IFLA_BRIDGE_VLAN_INFO, BRIDGE_VLAN_INFO_ and BRIDGE_VLANDB_ of
// linux/if_bridge.h.
const (
	attrVLANInfo = 2

	vlanPVID       = 1 << 1
	vlanUntagged   = 1 << 2
	vlanRangeBegin = 1 << 3
	vlanRangeEnd   = 1 << 4

	attrVLANEntry    = 1
	attrVLANEntryIn  = 1
	attrVLANRangeEnd = 2

	vlanInfoSize = 4 // struct bridge_vlan_info
	vlanMsgSize  = 8 // struct br_vlan_msg
)

// vlans are the VLANs from first to last, and how a port is in them.
type vlans struct {
	first, last uint16
	flags       uint16
}

// vlanPlan is what VLANs a port is to be in, in the order to tell the kernel, and which default one it is to leave
// (0 = none). The native VLAN comes after the trunk, so that it stays native when the trunk has it too.
func vlanPlan(conf *Config, defaultPVID uint16) (join []vlans, leave uint16) {
	if conf.Vlan == 0 && len(conf.VlanTrunk) == 0 {
		return nil, 0
	}
	for _, t := range conf.VlanTrunk {
		if t.MinID != nil {
			join = append(join, vlans{uint16(*t.MinID), uint16(*t.MaxID), 0})
		}
		if t.ID != nil {
			join = append(join, vlans{uint16(*t.ID), uint16(*t.ID), 0})
		}
	}
	native := uint16(conf.Vlan)
	if native == 0 {
		native = 1 // what upstream's bridge gives a trunk without "vlan"
	}
	join = append(join, vlans{native, native, vlanPVID | vlanUntagged})
	keeps := func(v vlans) bool { return v.first <= defaultPVID && defaultPVID <= v.last }
	if !conf.PreserveDefaultVlan && !slices.ContainsFunc(join, keeps) {
		leave = defaultPVID
	}
	return join, leave
}

// vlanSettings are the messages that put a port into its VLANs, with the memberships in order.
func vlanSettings(index int, conf *Config, defaultPVID uint16) []portSetting {
	join, leave := vlanPlan(conf, defaultPVID)
	if len(join) == 0 {
		return nil
	}
	settings := []portSetting{{what: "join VLANs " + vlanText(join), vlan: true,
		message: vlanMessage(unix.RTM_SETLINK, index, join)}}
	if leave != 0 {
		settings = append(settings, portSetting{what: fmt.Sprintf("leave default VLAN %d", leave), vlan: true,
			message: vlanMessage(unix.RTM_DELLINK, index, []vlans{{leave, leave, 0}})})
	}
	return settings
}

// vlanMessage adds VLANs to a port (RTM_SETLINK), or takes them from it (RTM_DELLINK).
func vlanMessage(kind uint16, index int, list []vlans) nl.Message {
	return setPort(kind, index, func(w *nlsock.Writer) {
		spec := w.Nest(unix.IFLA_AF_SPEC)
		for _, v := range list {
			if v.first == v.last {
				writeVLAN(w, v.flags, v.first)
				continue
			}
			writeVLAN(w, v.flags|vlanRangeBegin, v.first)
			writeVLAN(w, v.flags|vlanRangeEnd, v.last)
		}
		w.CloseNest(spec)
	})
}

func writeVLAN(w *nlsock.Writer, flags, id uint16) {
	info := binary.NativeEndian.AppendUint16(nil, flags)
	w.Bytes(attrVLANInfo, binary.NativeEndian.AppendUint16(info, id))
}

func vlanText(list []vlans) string {
	var words []string
	for _, v := range list {
		word := fmt.Sprint(v.first)
		if v.first != v.last {
			word += fmt.Sprintf("-%d", v.last)
		}
		if v.flags&vlanPVID != 0 {
			word += " (untagged)"
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}

// portVLANs reads the VLANs that a port is in (RTM_GETVLAN, Linux 5.6).
func (c *conn) portVLANs(index int) ([]vlans, error) {
	head := make([]byte, vlanMsgSize)
	head[0] = unix.AF_BRIDGE
	binary.NativeEndian.PutUint32(head[4:], uint32(index))
	list, err := nl.List(c.Conn, nl.Message{Kind: unix.RTM_GETVLAN, Head: head}, parseVLANs)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return nil, errNoFilter()
	}
	if err != nil {
		return nil, fmt.Errorf("list VLANs of the port with index %d: %w", index, err)
	}
	return list, nil
}

// parseVLANs reads a RTM_NEWVLAN.
func parseVLANs(body []byte) (list []vlans) {
	nlsock.EachAttr(body[min(vlanMsgSize, len(body)):], func(kind uint16, entry []byte) {
		if kind != attrVLANEntry {
			return
		}
		var v vlans
		nlsock.EachAttr(entry, func(kind uint16, value []byte) {
			switch {
			case kind == attrVLANEntryIn && len(value) >= vlanInfoSize:
				v.flags = binary.NativeEndian.Uint16(value) & (vlanPVID | vlanUntagged)
				v.first = binary.NativeEndian.Uint16(value[2:])
				v.last = max(v.last, v.first)
			case kind == attrVLANRangeEnd:
				v.last = uint16(nl.Number(value))
			}
		})
		list = append(list, v)
	})
	return list
}

// lacking are the VLANs of the plan that a port is not in, or not in that way.
func lacking(plan, have []vlans) (lack []vlans) {
	for id := uint16(1); id <= maxVLAN; id++ {
		want, wanted := memberOf(plan, id)
		if !wanted {
			continue
		}
		if is, member := memberOf(have, id); !member || is != want {
			lack = append(lack, vlans{id, id, want})
		}
	}
	return lack
}

// memberOf says how a list has a VLAN; the last mention counts, as it does when the list is told to the kernel.
func memberOf(list []vlans, id uint16) (flags uint16, ok bool) {
	for _, v := range list {
		if v.first <= id && id <= v.last {
			flags, ok = v.flags, true
		}
	}
	return flags, ok
}
