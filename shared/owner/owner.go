// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Package owner names who a thing on the host belongs to. Everything that a link makes carries the tag of its
// attachment inside the object itself (an interface alias, an nftables or iptables comment, a line of a file), so that
// DEL needs no state and GC is a listing. Names that must be short (interfaces, chains, files) are derived from the
// same three words, so that they can be looked up instead of searched.
package owner

import (
	"bytes"
	"fmt"
	"net"
	"strings"

	"github.com/cni-chain/cni-chain/shared/digest"
)

// Prefix starts every tag.
const Prefix = "cni-chain:"

// The parts of a tag are cut so that a tag never exceeds 127 bytes, the longest comment that nft prints
// (NFTNL_UDATA_COMMENT_MAXLEN in libnftnl); an interface alias may have 255, an iptables comment too.
const (
	maxNetwork     = 36
	maxContainerID = 64
	hashLen        = 12
)

// Owner is one attachment: a container's interface on a network.
type Owner struct {
	Network, ContainerID, IfName string
}

// Tag is the text that marks an object as the owner's: "cni-chain:NETWORK/CONTAINERID/IFNAME", at most 127 bytes.
// A longer network or container ID is cut and ends in "~" and a hash; "~" is in neither alphabet (SPEC.md, CNI 1.1.0),
// so a cut name never equals a whole one.
func (o Owner) Tag() string {
	return NetworkPrefix(o.Network) + shorten(o.ContainerID, maxContainerID) + "/" + o.IfName
}

// NetworkPrefix starts the tag of every attachment of the network.
func NetworkPrefix(network string) string {
	return Prefix + shorten(network, maxNetwork) + "/"
}

// Parse takes a tag apart; ok is false when it is not one of ours. Parts that Tag has cut stay cut.
func Parse(tag string) (o Owner, ok bool) {
	rest, ok := strings.CutPrefix(tag, Prefix)
	if !ok {
		return Owner{}, false
	}
	parts := strings.SplitN(rest, "/", 3)
	if len(parts) != 3 || parts[0] == "" || parts[1] == "" || parts[2] == "" {
		return Owner{}, false
	}
	return Owner{Network: parts[0], ContainerID: parts[1], IfName: parts[2]}, true
}

// HostVeth is the name of the attachment's host veth: "veth", three characters of the network, eight of the whole
// owner. 36^8 names make a collision among thousands of attachments less likely than 1 in 100,000; the alias and the
// MAC tell a collision from an own leftover.
func (o Owner) HostVeth() string {
	return vethPrefix(o.Network) + o.Hash(8)
}

// HostMAC is the MAC of the attachment's host veth, unicast and locally administered. The kernel takes a MAC in the
// message that makes the link, but an alias only afterwards (rtnl_create_link in net/core/rtnetlink.c): the MAC is what
// marks the link in between.
func (o Owner) HostMAC() net.HardwareAddr {
	return hostMAC(o.Network, o.HostVeth())
}

// MadeFor says whether a link that carries no tag is, by its name and MAC, the host veth of some attachment of the
// network: what is left of an attachment whose making was cut off.
func MadeFor(network, name string, mac net.HardwareAddr) bool {
	return strings.HasPrefix(name, vethPrefix(network)) && bytes.Equal(mac, hostMAC(network, name))
}

func hostMAC(network, name string) net.HardwareAddr {
	h := sum("mac", network, name)
	return net.HardwareAddr{h[0]&^1 | 2, h[1], h[2], h[3], h[4], h[5]}
}

func vethPrefix(network string) string { return "veth" + NetworkHash(network, 3) }

// Hash is n characters, 0-9 and a-z, that stand for the owner in names that must be short; n is at most 24.
func (o Owner) Hash(n int) string {
	return base36(sum(o.Network, o.ContainerID, o.IfName), n)
}

// NetworkHash is n characters, 0-9 and a-z, that stand for a network; n is at most 24.
func NetworkHash(network string, n int) string {
	return base36(sum(network), n)
}

// String is the owner for people: network, container and interface.
func (o Owner) String() string {
	return fmt.Sprintf("%s of container %s on network %s", o.IfName, o.ContainerID, o.Network)
}

// shorten cuts s to at most limit bytes, the cut marked by "~" and a hash of the whole.
func shorten(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return s[:limit-1-hashLen] + "~" + base36(sum(s), hashLen)
}

// sum hashes the words so that no two lists of words run together.
func sum(words ...string) [digest.Size]byte {
	return digest.Sum(strings.Join(words, "\x00"))
}

// base36 writes the first n base-36 digits of the hash taken as a fraction.
func base36(h [digest.Size]byte, n int) string {
	const digits = "0123456789abcdefghijklmnopqrstuvwxyz"
	out := make([]byte, n)
	for i := range out {
		carry := 0
		for j := len(h) - 1; j >= 0; j-- {
			carry += int(h[j]) * len(digits)
			h[j] = byte(carry)
			carry >>= 8
		}
		out[i] = digits[carry]
	}
	return string(out)
}
