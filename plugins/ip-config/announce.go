// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

// Neighbours may remember another container's MAC for an address, so the new one is announced: by a gratuitous ARP
// request and an unsolicited neighbour advertisement. The kernel sends both when a link's MAC is set, also to what it
// is, if arp_notify and ndisc_notify are 1 (inetdev_event in net/ipv4/devinet.c, ndisc_netdev_event in
// net/ipv6/ndisc.c). The settings stay: when a later link such as tuning changes the MAC, that is announced too. To
// send the packets here would take a packet socket, and closing one takes 8 to 16 ms (synchronize_net in
// packet_release).

// enableAnnouncements sets arp_notify; ndisc_notify is among the settings of IPv6.
func (b *container) enableAnnouncements(r *request) error {
	if on, ok := b.link.Setting4(arpNotify); !ok || on != 0 || !speaksARP(b.link) {
		return nil
	}
	return r.Do("set arp_notify of "+r.IfName,
		func() error { return b.setARPNotify(b.link.Index, 1) },
		b.undo(func(c *conn) error { return c.setARPNotify(b.link.Index, 0) }))
}

// announce tells the neighbours of all addresses of the interface. One that does not hear it finds out a little later:
// nothing here is an error.
func (b *container) announce(r *request) {
	if !speaksARP(b.link) {
		return
	}
	if err := b.setMAC(b.link.Index, b.link.MAC); err != nil {
		r.Log.Info("the addresses are not announced to the neighbours", "err", err)
	}
}
