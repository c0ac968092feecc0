// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Command static-arp tells a container the MAC addresses of its neighbours, so that it never asks for them.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/shared/netns"
)

// Config is the link's part of a conflist.
type Config struct {
	// Neighbours are MAC addresses by IP address.
	Neighbours map[netip.Addr]string `json:"neighbours"`
}

// Validate says what the types do not.
func (c *Config) Validate() error {
	for ip, mac := range c.Neighbours {
		if _, err := net.ParseMAC(mac); err != nil {
			return chain.Invalid("neighbours."+ip.String(), mac, "a MAC address like 02:00:00:00:00:07")
		}
	}
	return nil
}

// request is one call.
type request = chain.Request[Config]

var plugin = &chain.Plugin[Config]{
	Name:  "static-arp",
	About: "tells a container the MAC addresses of its neighbours, so that it never asks for them.",
	Place: chain.Later,
	Add: func(_ context.Context, r *request) error {
		for ip, mac := range r.Conf.Neighbours {
			err := r.Do(fmt.Sprintf("add neighbour %s at %s to %s", ip, mac, r.IfName),
				func() error { return with(r, ip, mac, netlink.NeighAdd) },
				func() error { return with(r, ip, mac, netlink.NeighDel) })
			if err != nil {
				return err
			}
		}
		return nil
	},
	Check: func(_ context.Context, r *request) (err error) {
		for ip, mac := range r.Conf.Neighbours {
			err = errors.Join(err, with(r, ip, mac, find))
		}
		return err
	},
	Del: func(context.Context, *request) error { return nil }, // the entries end with the interface
}

// with calls f in the container, with the neighbour's entry of its interface.
func with(r *request, ip netip.Addr, text string, f func(*netlink.Neigh) error) error {
	return netns.Do(r.Sandbox(), func() error {
		link, err := netlink.LinkByName(r.IfName)
		if err != nil {
			return err
		}
		mac, _ := net.ParseMAC(text) // validated
		return f(&netlink.Neigh{
			LinkIndex: link.Attrs().Index, IP: ip.AsSlice(), HardwareAddr: mac, State: netlink.NUD_PERMANENT,
		})
	})
}

// find is an error when there is no such entry.
func find(want *netlink.Neigh) error {
	all, err := netlink.NeighList(want.LinkIndex, netlink.FAMILY_ALL)
	if err == nil && !slices.ContainsFunc(all, func(n netlink.Neigh) bool {
		return n.IP.Equal(want.IP) && n.State == want.State && slices.Equal(n.HardwareAddr, want.HardwareAddr)
	}) {
		err = fmt.Errorf("neighbour %s at %s is not there any more", want.IP, want.HardwareAddr)
	}
	return err
}

func main() { plugin.Main() }
