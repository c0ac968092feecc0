// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package testnet

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Sizes of struct ifaddrmsg and struct ndmsg, which start messages: linux/if_addr.h, linux/neighbour.h.
const (
	sizeofIfaddrmsg = 8
	sizeofNdmsg     = 12
)

// addressFlags are the names of IFA_F_* from bit 0 on, as ip-address(8) has them; "tentative" and "optimistic" pass by
// themselves.
var addressFlags = []string{
	"secondary", "nodad", "", "dadfailed", "home", "deprecated", "", "permanent", "mngtmpaddr", "noprefixroute",
	"autojoin", "stable-privacy",
}

// volatileAddressFlags are the names of those left out.
var volatileAddressFlags = []string{"", "", "optimistic", "", "", "", "tentative"}

// Values of IFA_PROTO and the attribute itself, newer than golang.org/x/sys: linux/if_addr.h.
const (
	ifaProto         = 11
	ifaProtoKernelLL = 3
)

// collectAddresses lists the addresses of interfaces.
func (c *collector) collectAddresses() error {
	answers, err := c.route.dump(unix.NETLINK_ROUTE, unix.RTM_GETADDR, make([]byte, sizeofIfaddrmsg))
	if err != nil {
		return err
	}
	for _, body := range answers {
		if len(body) < sizeofIfaddrmsg {
			continue
		}
		attrs := parseAttributes(body, sizeofIfaddrmsg)
		address, _ := netip.AddrFromSlice(attrs.get(unix.IFA_ADDRESS))
		byKernel := attrs.number(ifaProto) == ifaProtoKernelLL || isEUI64(address)
		if byKernel && !c.scope.Volatile {
			continue
		}
		c.addAddress(body, attrs)
	}
	return nil
}

func (c *collector) addAddress(body []byte, attrs attributes) {
	own, peer := attrs.get(unix.IFA_LOCAL), attrs.get(unix.IFA_ADDRESS)
	if own == nil {
		own = peer
	}
	key := fmt.Sprintf("%s %s/%d", c.device(binary.NativeEndian.Uint32(body[4:])), ip(own), body[1])
	if !bytes.Equal(own, peer) {
		key += " peer " + ip(peer)
	}
	flags := uint32(body[2])
	if all := attrs.get(unix.IFA_FLAGS); len(all) == 4 {
		flags = binary.NativeEndian.Uint32(all)
	}
	list := fields(
		"scope", scopeName(body[3]),
		"flags", words(flags, addressFlags),
		"label", attrs.str(unix.IFA_LABEL),
		"broadcast", ip(attrs.get(unix.IFA_BROADCAST)),
		"metric", nonZero(attrs.number(unix.IFA_RT_PRIORITY)),
		"lifetime", lifetime(attrs.get(unix.IFA_CACHEINFO)),
	)
	if c.scope.Volatile {
		list = append(list, fields("progress", words(flags, volatileAddressFlags))...)
	}
	c.add(Object{Section: Addresses, Key: key, Fields: list})
}

// lifetime is "limited" for an address that will go by itself: ifa_valid, the second member of struct ifa_cacheinfo,
// is not INFINITY_LIFE_TIME.
func lifetime(cacheInfo []byte) string {
	if len(cacheInfo) >= 8 && binary.NativeEndian.Uint32(cacheInfo[4:]) != ^uint32(0) {
		return "limited"
	}
	return ""
}

// isEUI64 reports whether the address is the link-local one that the kernel makes of a MAC (RFC 4291, appendix A), some
// time after the link came up.
func isEUI64(address netip.Addr) bool {
	b := address.As16()
	return address.Is6() && address.IsLinkLocalUnicast() && b[11] == 0xff && b[12] == 0xfe
}

// scopeName is the name of an address' or a route's scope, from linux/rtnetlink.h.
func scopeName(scope byte) string {
	names := map[byte]string{
		unix.RT_SCOPE_UNIVERSE: "global", unix.RT_SCOPE_SITE: "site", unix.RT_SCOPE_LINK: "link",
		unix.RT_SCOPE_HOST: "host", unix.RT_SCOPE_NOWHERE: "nowhere",
	}
	if name := names[scope]; name != "" {
		return name
	}
	return fmt.Sprint(scope)
}

// neighbourFlags are the names of NTF_* from bit 0 on.
var neighbourFlags = []string{"use", "self", "master", "proxy", "ext-learned", "offloaded", "sticky", "router"}

// collectNeighbours lists the permanent neighbours, and the addresses that the host answers for.
func (c *collector) collectNeighbours() error {
	proxies := make([]byte, sizeofNdmsg)
	proxies[10] = unix.NTF_PROXY
	for _, request := range [][]byte{make([]byte, sizeofNdmsg), proxies} {
		answers, err := c.route.dump(unix.NETLINK_ROUTE, unix.RTM_GETNEIGH, request)
		if err != nil {
			return err
		}
		for _, body := range answers {
			if len(body) < sizeofNdmsg {
				continue
			}
			state, flags := binary.NativeEndian.Uint16(body[8:]), body[10]
			if state&unix.NUD_PERMANENT == 0 && flags&unix.NTF_PROXY == 0 && !c.scope.Volatile {
				continue
			}
			attrs := parseAttributes(body, sizeofNdmsg)
			key := fmt.Sprintf("%s on %s", ip(attrs.get(unix.NDA_DST)), c.device(binary.NativeEndian.Uint32(body[4:])))
			list := fields("mac", mac(attrs.get(unix.NDA_LLADDR)), "flags", words(uint32(flags), neighbourFlags))
			if c.scope.Volatile {
				list = append(list, Field{"state", fmt.Sprintf("%#x", state)})
			}
			c.add(Object{Section: Neighbours, Key: key, Fields: list})
		}
	}
	return nil
}

// collectFDB lists what bridges forward where, without what they have learned.
func (c *collector) collectFDB() error {
	answers, err := c.route.dump(unix.NETLINK_ROUTE, unix.RTM_GETNEIGH, ifinfo(unix.AF_BRIDGE))
	if err != nil {
		return err
	}
	for _, body := range answers {
		if len(body) < sizeofNdmsg {
			continue
		}
		attrs := parseAttributes(body, sizeofNdmsg)
		state := binary.NativeEndian.Uint16(body[8:])
		static := state&(unix.NUD_PERMANENT|unix.NUD_NOARP) != 0
		// A multicast address without a master is a group that the interface itself listens to; IPv6 joins and leaves
		// those with its addresses.
		address := attrs.get(unix.NDA_LLADDR)
		group := len(address) > 0 && address[0]&1 != 0 && attrs.get(unix.NDA_MASTER) == nil
		if (!static || group) && !c.scope.Volatile {
			continue
		}
		key := fmt.Sprintf("%s on %s", mac(address), c.device(binary.NativeEndian.Uint32(body[4:])))
		if vlan := attrs.decimal(unix.NDA_VLAN); vlan != "" {
			key += " vlan " + vlan
		}
		c.add(Object{Section: FDB, Key: key, Fields: fields(
			"master", c.device(uint32(attrs.number(unix.NDA_MASTER))),
			"state", fmt.Sprintf("%#x", state),
			"flags", words(uint32(body[10]), neighbourFlags),
			"to", ip(attrs.get(unix.NDA_DST)),
		)})
	}
	return c.collectVlans()
}
