// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package testnet

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/bits"

	"golang.org/x/sys/unix"
)

// sizeofTcmsg is the size of struct tcmsg, which starts messages: linux/rtnetlink.h.
const sizeofTcmsg = 20

// Attributes of queueing disciplines, classes and filters: linux/rtnetlink.h, linux/pkt_cls.h.
const (
	tcaKind    = 1
	tcaOptions = 2
	tcaChain   = 11
	u32Class   = 1 // TCA_U32_CLASSID
	u32Select  = 5 // TCA_U32_SEL
)

// Where filters hang at a clsact qdisc, and where at an ingress qdisc: linux/pkt_sched.h.
var hooks = map[string][]uint32{"clsact": {0xfffffff2, 0xfffffff3}, "ingress": {0xffff0000}}

// collectTC lists queueing disciplines, their classes and filters. The disciplines that the kernel gives an interface
// by itself (handle 0) come with its carrier and are left out.
func (c *collector) collectTC() error {
	qdiscs, err := c.route.dump(unix.NETLINK_ROUTE, unix.RTM_GETQDISC, make([]byte, sizeofTcmsg))
	if err != nil {
		return err
	}
	classful := map[uint32]bool{}
	for _, body := range qdiscs {
		if len(body) < sizeofTcmsg {
			continue
		}
		device, handle := binary.NativeEndian.Uint32(body[4:]), binary.NativeEndian.Uint32(body[8:])
		if handle == 0 && !c.scope.Volatile {
			continue
		}
		attrs := parseAttributes(body, sizeofTcmsg)
		c.addTC("qdisc", body, handleName(handle), fields("kind", attrs.str(tcaKind),
			"options", hex.EncodeToString(attrs.get(tcaOptions))))
		parents := hooks[attrs.str(tcaKind)]
		if parents == nil {
			parents = []uint32{handle}
			classful[device] = true
		}
		for _, parent := range parents {
			if err := c.collectFilters(device, parent); err != nil {
				return err
			}
		}
	}
	for device := range classful {
		if err := c.collectClasses(device); err != nil {
			return err
		}
	}
	return nil
}

func (c *collector) collectClasses(device uint32) error {
	answers, err := c.route.dump(unix.NETLINK_ROUTE, unix.RTM_GETTCLASS, tcmsg(device, 0))
	if err != nil {
		return err
	}
	for _, body := range answers {
		if len(body) >= sizeofTcmsg {
			attrs := parseAttributes(body, sizeofTcmsg)
			c.addTC("class", body, handleName(binary.NativeEndian.Uint32(body[8:])), fields("kind", attrs.str(tcaKind),
				"options", hex.EncodeToString(attrs.get(tcaOptions))))
		}
	}
	return nil
}

// collectFilters lists the filters at one hook. Their options have counters and interface indexes in them; what a u32
// filter selects, the one kind that CNI plugins use, has not.
func (c *collector) collectFilters(device, parent uint32) error {
	answers, err := c.route.dump(unix.NETLINK_ROUTE, unix.RTM_GETTFILTER, tcmsg(device, parent))
	if err != nil {
		return err
	}
	for _, body := range answers {
		if len(body) < sizeofTcmsg {
			continue
		}
		attrs := parseAttributes(body, sizeofTcmsg)
		info := binary.NativeEndian.Uint32(body[16:]) // TC_H_MAKE(priority, protocol in network byte order)
		list := fields("kind", attrs.str(tcaKind),
			"priority", fmt.Sprint(info>>16),
			"protocol", fmt.Sprintf("%#04x", bits.ReverseBytes16(uint16(info))),
			"chain", nonZero(attrs.number(tcaChain)))
		if attrs.str(tcaKind) == "u32" {
			options := attrs.nested(tcaOptions)
			list = append(list, fields("select", hex.EncodeToString(options.get(u32Select)),
				"class", handleName(uint32(options.number(u32Class))))...)
		}
		c.addTC("filter", body, fmt.Sprintf("%#x", binary.NativeEndian.Uint32(body[8:])), list)
	}
	return nil
}

func (c *collector) addTC(what string, body []byte, handle string, list []Field) {
	key := fmt.Sprintf("%s %s on %s parent %s", what, handle,
		c.device(binary.NativeEndian.Uint32(body[4:])), handleName(binary.NativeEndian.Uint32(body[12:])))
	c.add(Object{Section: TC, Key: key, Fields: list})
}

// tcmsg is a struct tcmsg that asks for what hangs under parent at an interface.
func tcmsg(device, parent uint32) []byte {
	message := make([]byte, sizeofTcmsg)
	binary.NativeEndian.PutUint32(message[4:], device)
	binary.NativeEndian.PutUint32(message[12:], parent)
	return message
}

// firstAuto and lastAuto bound the major numbers that the kernel gives out one after the other to who asks for none
// (qdisc_alloc_handle in net/sched/sch_api.c).
const firstAuto, lastAuto = 0x8000, 0xfffe

// handleName writes a handle as tc(8) does.
func handleName(handle uint32) string {
	if major := handle >> 16; major >= firstAuto && major <= lastAuto {
		return fmt.Sprintf("auto:%x", handle&0xffff)
	}
	return fmt.Sprintf("%x:%x", handle>>16, handle&0xffff)
}
