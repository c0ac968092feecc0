// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/nft"
)

// portMaps lead from ports of the host to the container. Ranges are written as single elements: the kernel copies an
// interval map of concatenated keys for every transaction that changes it, so that an ADD would cost what is mapped on
// the whole host; and single elements make overlapping ranges of two attachments collide (EEXIST) without looking.
type portMaps struct {
	host *nft.Set // of one address of the host: address . protocol . port
	any  *nft.Set // of all addresses: protocol . port
	// used counts the mappings of single addresses by protocol and port, so that a mapping of all addresses finds out
	// whether there are any without listing host: its elements refer to counters named so.
	used *nft.Set
}

// users counts attachments: for each list of conditions those that have it, so that its chain and maps go with the
// last, and for each host map those that have an element there. A key is an owner's hash and a number that tells what
// is counted; the elements refer to a counter.
var users = &nft.Set{Name: "ports-users", Key: []nft.Type{nft.IfName, nft.InetService}, Objects: true}

// What is counted, times ten, plus the family.
const (
	countConditions = 0
	countSingles    = 10
)

// familySets are what the attachments of one family share.
type familySets struct {
	portMaps
	hairpin *nft.Set // container . container: it connects to itself
	behind  *nft.Set // container . interface: it is reached through the interface that the packet came from
	local   *nft.Set // containers that the host's loopback address reaches; counts the users of each interface
	all     *nft.Set // containers that masquerade everything
}

// guard are the interfaces on which 127/8 was opened to let replies in, and that must let nothing else in.
var guard = &nft.Set{Name: "ports-guard", Key: []nft.Type{nft.IfName}}

// shared are the sets of all attachments. They are made when something asks for them, as VERSION does not.
var shared = sync.OnceValue(func() map[family]familySets {
	return map[family]familySets{v4: setsOf(v4), v6: setsOf(v6)}
})

func (f family) addrType() nft.Type {
	if f == v4 {
		return nft.IPv4Addr
	}
	return nft.IPv6Addr
}

func (f family) source() nft.Field {
	if f == v4 {
		return nft.Source4
	}
	return nft.Source6
}

func (f family) destination() nft.Field {
	if f == v4 {
		return nft.Destination4
	}
	return nft.Destination6
}

// nfproto is the family's number in netfilter.
func (f family) nfproto() byte {
	if f == v4 {
		return unix.NFPROTO_IPV4
	}
	return unix.NFPROTO_IPV6
}

func (f family) set(name string, data []nft.Type, key ...nft.Type) *nft.Set {
	return &nft.Set{Name: fmt.Sprintf("ports-%s%d", name, f), Key: key, Data: data}
}

func setsOf(f family) familySets {
	addr := f.addrType()
	s := familySets{
		portMaps: mapsOf(f, ""),
		hairpin:  f.set("hairpin", nil, addr, addr),
		behind:   f.set("behind", nil, addr, nft.IfName),
		local:    f.set("local", nil, addr),
		all:      f.set("all", nil, addr),
	}
	s.local.Objects = true
	return s
}

// mapsOf are the maps of attachments with the same conditions, which key stands for; "" is no conditions.
func mapsOf(f family, key string) portMaps {
	to := []nft.Type{f.addrType(), nft.InetService}
	m := portMaps{
		host: f.set("host", to, f.addrType(), nft.InetProto, nft.InetService),
		any:  f.set("any", to, nft.InetProto, nft.InetService),
		used: f.set("used", nil, f.addrType(), nft.InetProto, nft.InetService),
	}
	m.used.Objects = true
	for _, s := range m.sets() {
		s.Name += key
	}
	return m
}

func (m portMaps) sets() []*nft.Set { return []*nft.Set{m.host, m.any, m.used} }

func (s familySets) sets() []*nft.Set {
	return append(s.portMaps.sets(), s.hairpin, s.behind, s.local, s.all)
}

// allSets are all but the register's own and those of conditions.
func allSets() []*nft.Set {
	return slices.Concat([]*nft.Set{guard, users}, shared()[v4].sets(), shared()[v6].sets())
}

// registerCounter counts what is in the register: with the last attachment go the chains and sets.
const registerCounter = "ports"

// register finds what an attachment has.
var register = nft.NewRegister(nft.Inet, "ports").Of(allSets).Also(conditionalSet).Counted(registerCounter)
