// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/nft"
	"github.com/cni-chain/cni-chain/shared/nlsock"
)

// Three questions and two changes of routing, put to the kernel directly: a library for all of rtnetlink would be half
// of this program.

// The local route to ::1. The metric keeps it behind that of lo, which has 0. The protocol marks it as ours among those
// of RTPROT_ in linux/rtnetlink.h, all of which are below 200 but for EIGRP's 192 and what routing daemons register.
const (
	loopbackMetric   = 2048
	loopbackProtocol = 201
)

// fibMatch is RTM_F_FIB_MATCH of linux/rtnetlink.h: answer with the entry, not with what it comes to.
const fibMatch = 0x2000

// sizeofRtMsg is the size of struct rtmsg.
const sizeofRtMsg = unix.SizeofRtMsg

// rtmsg writes a struct rtmsg for one address.
func rtmsg(w *nlsock.Writer, addr netip.Addr, table, protocol, scope, kind uint8) {
	afi := uint8(unix.AF_INET)
	if addr.Is6() {
		afi = unix.AF_INET6
	}
	w.Buf = append(w.Buf, afi, uint8(addr.BitLen()), 0, 0, table, protocol, scope, kind)
	w.Buf = binary.NativeEndian.AppendUint32(w.Buf, 0) // flags
	w.Bytes(unix.RTA_DST, nft.Addr(addr))
}

func native(n int) []byte { return binary.NativeEndian.AppendUint32(nil, uint32(n)) }

// rtnetlink sends one message and gives the answers to f.
func rtnetlink(write func(w *nlsock.Writer, seq uint32), f func(nlsock.Message)) error {
	sock, err := nlsock.Open(unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	var w nlsock.Writer
	write(&w, sock.NextSeq())
	w.End()
	if err = sock.Send(w.Buf); err == nil {
		err = sock.ReadAll(func(m nlsock.Message) error {
			if m.Kind != unix.NLMSG_ERROR {
				f(m)
				return nil
			}
			if r := nlsock.ParseRefusal(m); r.Errno != 0 {
				return r.Errno
			}
			return nil
		})
	}
	return errors.Join(err, sock.Close())
}

// linkTo is the interface that leads to an address, and whether the address is on the same link, without a gateway.
func linkTo(addr netip.Addr) (link string, direct bool, err error) {
	index, local := 0, false
	direct = true
	err = rtnetlink(func(w *nlsock.Writer, seq uint32) {
		w.Begin(unix.RTM_GETROUTE, 0, seq)
		rtmsg(w, addr, 0, 0, 0, 0)
	}, func(m nlsock.Message) {
		if m.Kind != unix.RTM_NEWROUTE || len(m.Body) < sizeofRtMsg {
			return
		}
		local = m.Body[7] == unix.RTN_LOCAL
		nlsock.EachAttr(m.Body[sizeofRtMsg:], func(kind uint16, value []byte) {
			switch {
			case kind == unix.RTA_OIF && len(value) == 4:
				index = int(binary.NativeEndian.Uint32(value))
			case kind == unix.RTA_GATEWAY, kind == unix.RTA_VIA:
				direct = false
			}
		})
	})
	if err != nil || index == 0 {
		return "", false, fmt.Errorf("find the route to %s: %w", addr, err)
	}
	link, err = linkName(index)
	return link, direct && !local, err
}

// linkName is the name of an interface.
func linkName(index int) (name string, err error) {
	err = rtnetlink(func(w *nlsock.Writer, seq uint32) {
		w.Begin(unix.RTM_GETLINK, 0, seq)
		w.Buf = append(w.Buf, make([]byte, unix.SizeofIfInfomsg)...)
		binary.NativeEndian.PutUint32(w.Buf[len(w.Buf)-unix.SizeofIfInfomsg+4:], uint32(index))
	}, func(m nlsock.Message) {
		if len(m.Body) < unix.SizeofIfInfomsg {
			return
		}
		nlsock.EachAttr(m.Body[unix.SizeofIfInfomsg:], func(kind uint16, value []byte) {
			if kind == unix.IFLA_IFNAME {
				name = nlsock.CString(value)
			}
		})
	})
	if err != nil || name == "" {
		return "", fmt.Errorf("look up interface %d: %w", index, err)
	}
	return name, nil
}

// linkIndex is the number of an interface; 0 when there is none of that name.
func linkIndex(name string) (index int, err error) {
	err = rtnetlink(func(w *nlsock.Writer, seq uint32) {
		w.Begin(unix.RTM_GETLINK, 0, seq)
		w.Buf = append(w.Buf, make([]byte, unix.SizeofIfInfomsg)...)
		w.Text(unix.IFLA_IFNAME, name)
	}, func(m nlsock.Message) {
		if len(m.Body) >= unix.SizeofIfInfomsg {
			index = int(int32(binary.NativeEndian.Uint32(m.Body[4:])))
		}
	})
	if errors.Is(err, unix.ENODEV) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("look up interface %s: %w", name, err)
	}
	return index, nil
}

// loopbackRoute sends a message about the local route to ::1 through the interface.
func loopbackRoute(kind, flags uint16, index int) error {
	return rtnetlink(func(w *nlsock.Writer, seq uint32) {
		w.Begin(kind, flags|unix.NLM_F_ACK, seq)
		rtmsg(w, netip.IPv6Loopback(), unix.RT_TABLE_LOCAL, loopbackProtocol, unix.RT_SCOPE_UNIVERSE, unix.RTN_LOCAL)
		w.Bytes(unix.RTA_OIF, native(index))
		w.Bytes(unix.RTA_PRIORITY, native(loopbackMetric))
	}, func(nlsock.Message) {})
}

// addLoopbackRoute makes the route unless it is there.
func addLoopbackRoute(link string) error {
	index, err := linkIndex(link)
	if err != nil {
		return err
	}
	err = loopbackRoute(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_EXCL, index)
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	return err
}

// deleteLoopbackRoute deletes the route if it is there and ours. With the interface, it is gone.
func deleteLoopbackRoute(link string) error {
	index, err := linkIndex(link)
	if err != nil || index == 0 {
		return err
	}
	err = loopbackRoute(unix.RTM_DELROUTE, 0, index)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("delete the local route to ::1 through %s: %w", link, err)
	}
	return nil
}

// hasLoopbackRoute says whether the route is there. The answer names the interface of the route that was found, not lo,
// only to a question for the entry itself.
func hasLoopbackRoute(link string) (bool, error) {
	index, err := linkIndex(link)
	if err != nil || index == 0 {
		return false, err
	}
	found := false
	err = rtnetlink(func(w *nlsock.Writer, seq uint32) {
		w.Begin(unix.RTM_GETROUTE, 0, seq)
		rtmsg(w, netip.IPv6Loopback(), 0, 0, 0, 0)
		binary.NativeEndian.PutUint32(w.Buf[nlsock.Align(unix.NLMSG_HDRLEN)+8:], fibMatch)
		w.Bytes(unix.RTA_OIF, native(index))
	}, func(m nlsock.Message) {
		if m.Kind != unix.RTM_NEWROUTE || len(m.Body) < sizeofRtMsg || m.Body[7] != unix.RTN_LOCAL {
			return
		}
		nlsock.EachAttr(m.Body[sizeofRtMsg:], func(kind uint16, value []byte) {
			found = found || kind == unix.RTA_OIF && int(binary.NativeEndian.Uint32(value)) == index
		})
	})
	if errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.EHOSTUNREACH) {
		return false, nil
	}
	return found, err
}
