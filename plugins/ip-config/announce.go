// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// announcer tells the neighbours on a link who has an address now. They may remember another container's MAC for it.
type announcer struct{ fd int }

// openAnnouncer makes a packet socket in the namespace of the calling thread. Its protocol is 0: it receives nothing.
func openAnnouncer() (*announcer, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open packet socket: %w", err)
	}
	return &announcer{fd}, nil
}

func (a *announcer) close() { _ = unix.Close(a.fd) }

// tell broadcasts one address: a gratuitous ARP request (RFC 5227, 3), or an unsolicited neighbour advertisement
// (RFC 4861, 7.2.6).
func (a *announcer) tell(l *link, ip netip.Addr) error {
	packet := announceARP(l.mac, ip)
	address := &unix.SockaddrLinklayer{
		Protocol: swap(unix.ETH_P_ARP), Ifindex: l.index, Halen: 6, Addr: [8]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	}
	if ip.Is6() {
		packet = announceND(l.mac, ip)
		// All nodes (RFC 2464, 7).
		address.Protocol, address.Addr = swap(unix.ETH_P_IPV6), [8]byte{0x33, 0x33, 0, 0, 0, 1}
	}
	for {
		err := unix.Sendto(a.fd, packet, 0, address)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// swap gives a protocol the byte order of the network, which sockaddr_ll has.
func swap(v uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, v))
}

// announceARP is an ARP request of RFC 826 for the sender's own address.
func announceARP(mac net.HardwareAddr, ip netip.Addr) []byte {
	p := []byte{0, 1, 8, 0, 6, 4, 0, 1} // Ethernet, IPv4, lengths of their addresses, request
	p = append(p, mac...)
	p = append(p, ip.AsSlice()...)
	p = append(p, 0, 0, 0, 0, 0, 0)
	return append(p, ip.AsSlice()...)
}

// announceND is an IPv6 packet with a neighbour advertisement to all nodes (RFC 4861, 4.4), with the override flag, and
// the MAC as an option.
func announceND(mac net.HardwareAddr, ip netip.Addr) []byte {
	const (
		advertisement = 136
		override      = 0x20
		hopLimit      = 255 // any other is refused: nobody beyond the link can have sent it
		linkLayer     = 2   // option: target link-layer address
	)
	body := []byte{advertisement, 0, 0, 0, override, 0, 0, 0}
	body = append(body, ip.AsSlice()...)
	body = append(body, linkLayer, 1)
	body = append(body, mac...)

	all := netip.MustParseAddr("ff02::1")
	p := []byte{6 << 4, 0, 0, 0, 0, byte(len(body)), unix.IPPROTO_ICMPV6, hopLimit}
	p = append(p, ip.AsSlice()...)
	p = append(p, all.AsSlice()...)
	binary.BigEndian.PutUint16(body[2:], checksum(p[8:], body))
	return append(p, body...)
}

// checksum is that of ICMPv6 (RFC 4443, 2.3): over both addresses, the length, the protocol and the body.
func checksum(addresses, body []byte) uint16 {
	data := append([]byte{}, addresses...)
	data = binary.BigEndian.AppendUint32(data, uint32(len(body)))
	data = append(data, 0, 0, 0, unix.IPPROTO_ICMPV6)
	data = append(data, body...)
	var sum uint32
	for i := 0; i+1 < len(data); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(data[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// announceAll tells the neighbours of all addresses. A neighbour that does not hear it finds out a little later:
// nothing here is an error.
func (b *container) announceAll(r *request, p *plan) {
	if b.announce == nil || !b.link.speaksARP() {
		return
	}
	for _, a := range p.addresses {
		if err := b.announce.tell(b.link, a.prefix.Addr()); err != nil {
			r.Log.Info("address not announced to the neighbours", "address", a.prefix.Addr(), "err", err)
		}
	}
}
