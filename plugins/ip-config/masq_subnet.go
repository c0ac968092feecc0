// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/nft"
	"github.com/cni-chain/cni-chain/shared/owner"
)

// subnet is what the attachments of a network whose addresses are in one subnet have in common: a set, a chain with a
// rule, and a counter of the elements, all of one name that follows from network and subnet alone. So nobody has to
// look up what there is, and everybody who finds it missing makes the same.
type subnet struct {
	network string
	prefix  netip.Prefix // masked
}

// subnetsOf are the subnets of a network's addresses, without repetition.
func subnetsOf(network string, addresses []netip.Prefix) []subnet {
	var all []subnet
	for _, a := range addresses {
		if s := (subnet{network, a.Masked()}); !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

// maxNetworkName keeps the names of sets and chains below the kernel's 255 bytes (NFT_NAME_MAXLEN).
const maxNetworkName = 100

// subnetPrefix starts the names of a network's subnets; it starts those of "net-2" as well when the network is "net",
// so what goes by it looks at the counts.
func subnetPrefix(network string) string {
	if len(network) > maxNetworkName {
		network = owner.NetworkHash(network, 24)
	}
	return "masq-" + network + "-"
}

// name is "masq-podnet-10.88.0.0/16", or "masq-podnet-fd00__/64": nft reads no colon in a name.
func (s subnet) name() string {
	return subnetPrefix(s.network) + strings.ReplaceAll(s.prefix.String(), ":", "_")
}

func (s subnet) set() *nft.Set { return findSubnet(s.name()) }

// findSubnet is the set of a name.
func findSubnet(name string) *nft.Set {
	if !strings.HasPrefix(name, "masq-") {
		return nil
	}
	key := nft.IPv4Addr
	if strings.Contains(name[strings.LastIndexByte(name, '-'):], "_") {
		key = nft.IPv6Addr
	}
	return &nft.Set{Name: name, Key: []nft.Type{key}, Objects: true}
}

// elements are those of the addresses that are in the subnet.
func (s subnet) elements(addresses []netip.Prefix) []nft.Element {
	var elements []nft.Element
	for _, a := range addresses {
		if a.Masked() == s.prefix {
			elements = append(elements, nft.Element{Key: nft.Addr(a.Addr()), Object: s.name()})
		}
	}
	return elements
}

// comment says in the rule what it is for.
func (s subnet) comment() string {
	return owner.NetworkPrefix(s.network) + " masquerade what leaves " + s.prefix.String()
}

// srcnat is where source addresses are translated (NF_IP_PRI_NAT_SRC of linux/netfilter_ipv4.h).
const srcnat = 100

// base writes what all attachments and those of the subnets need, whether it is there or not.
func base(tx *nft.Tx, subnets []subnet) {
	tx.AddTable()
	tx.AddCounter(owners.Set().Name, "attachments that are masqueraded")
	tx.AddSet(owners.Set())
	for _, s := range subnets {
		name := s.name()
		tx.AddCounter(name, s.comment())
		tx.AddSet(s.set())
		tx.AddChain(nft.Chain{Name: name, Hook: &nft.Hook{Type: "nat", Num: unix.NF_INET_POST_ROUTING, Priority: srcnat}})
		tx.FlushChain(name)
		tx.AddRule(name, s.rule())
	}
}

// rule masquerades what comes from one of the set's addresses and goes neither to its own subnet nor to many.
func (s subnet) rule() nft.Rule {
	family, source, destination := byte(unix.NFPROTO_IPV4), nft.Source4, nft.Destination4
	if s.prefix.Addr().Is6() {
		family, source, destination = unix.NFPROTO_IPV6, nft.Source6, nft.Destination6
	}
	outside := func(p netip.Prefix) []nft.Expr {
		return nft.Masked(destination, net.CIDRMask(p.Bits(), p.Addr().BitLen()), p.Addr().AsSlice(), true)
	}
	return nft.Rule{
		Exprs: nft.All(
			nft.Is(nft.Family, []byte{family}),
			nft.In(s.set(), source),
			outside(s.prefix),
			outside(multicast(s.prefix.Addr())),
			[]nft.Expr{nft.Masquerade()},
		),
		Comment: s.comment(),
	}
}
