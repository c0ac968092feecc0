// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"net/netip"
	"slices"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/source"
)

// addressRange is where a link takes addresses from.
type addressRange struct {
	link *Link
	node *source.Node // the object that has the keys
	at   *source.Node // its "subnet"
	// subnet is valid; first and last are in it unless they say otherwise.
	subnet      netip.Prefix
	first, last netip.Addr
	gateway     netip.Addr // as it is written; the zero Addr when it is not
	pool        string     // networks of one pool never give the same address
}

// ranges are those of all IPAM plugins of the file that lease addresses out of ranges; what is no network is the
// schema's business.
func (f *File) ranges() (list []addressRange) {
	for _, l := range f.Links {
		if l.IPAMType != "host-local" && l.IPAMType != "ip-pool" {
			continue
		}
		objects := []*source.Node{l.IPAM} // the short form
		if sets := l.IPAM.Get("ranges"); sets != nil {
			for _, set := range sets.Nodes {
				objects = append(objects, set.Nodes...)
			}
		}
		for _, n := range objects {
			if r, ok := rangeOf(n); ok {
				r.link, r.pool = l, l.IPAM.Str("pool")
				list = append(list, r)
			}
		}
	}
	return list
}

func rangeOf(n *source.Node) (addressRange, bool) {
	subnet, err := netip.ParsePrefix(n.Str("subnet"))
	if err != nil {
		return addressRange{}, false
	}
	r := addressRange{node: n, at: n.Get("subnet"), subnet: subnet.Masked()}
	r.first, r.last = r.subnet.Addr(), lastOf(r.subnet)
	for key, addr := range map[string]*netip.Addr{"rangeStart": &r.first, "rangeEnd": &r.last, "gateway": &r.gateway} {
		if given, err := netip.ParseAddr(n.Str(key)); err == nil {
			*addr = given.Unmap()
		}
	}
	return r, true
}

// lastOf is the last address of a network.
func lastOf(p netip.Prefix) netip.Addr {
	bytes := p.Addr().AsSlice()
	for i := p.Bits(); i < 8*len(bytes); i++ {
		bytes[i/8] |= 1 << (7 - i%8)
	}
	last, _ := netip.AddrFromSlice(bytes)
	return last
}

// overlaps says whether an address is in both.
func (r addressRange) overlaps(o addressRange) bool {
	return r.first.Is4() == o.first.Is4() && r.first.Compare(o.last) <= 0 && o.first.Compare(r.last) <= 0
}

// cable is the host's interface that the network shares with others, so that its subnet is theirs too: "" for none.
func (f *File) cable() string {
	for _, l := range f.Links {
		for _, key := range []string{"uplink", "master"} {
			if name := l.Node.Str(key); name != "" {
				return name
			}
		}
	}
	return ""
}

// shared says whether the network is a part of one outside.
func (f *File) shared() bool {
	return f.cable() != "" || slices.ContainsFunc(f.Links, func(l *Link) bool {
		return slices.Contains([]string{"macvlan", "ipvlan", "vlan", "host-device"}, l.Type)
	})
}

// bridge is the bridge of the network, "" for none.
func (f *File) bridge() (string, *Link) {
	for _, l := range f.Links {
		if l.Type != "bridge" && l.Type != "veth-bridge" {
			continue
		}
		if name := l.Node.Str("bridge"); name != "" {
			return name, l
		}
		return "cni0", l
	}
	return "", nil
}
