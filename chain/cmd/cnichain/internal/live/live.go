// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Package live finds the attachments of this host by the tags that all they have carries (package owner): interfaces,
// elements of nftables, rules of iptables, leases, parts of resolv.conf. It asks no runtime and reads no conflist, so
// it sees what is there, and not what should be: what somebody took away with its record, such as the whole rule set,
// it cannot miss. It changes nothing.
package live

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/topology"
	"github.com/cni-chain/cni-chain/shared/owner"
	"github.com/cni-chain/cni-chain/shared/pool"
)

// Attachment is a container's interface on a network, and all that carries its tag. Its keys in JSON are an interface:
// they are added to, not changed.
type Attachment struct {
	Network     string `json:"network"`
	ContainerID string `json:"containerID"`
	IfName      string `json:"ifName"`
	// NetNS is a path of the container's network namespace, "" when it is gone or not known.
	NetNS string `json:"netns,omitempty"`
	// Interface is the container's, Host the host's end of it, each absent when there is none.
	Interface *Interface `json:"interface,omitempty"`
	Host      *Interface `json:"hostInterface,omitempty"`
	// Addresses are those of the interface in CIDR notation, or those that are leased when it is gone.
	Addresses []string `json:"addresses,omitempty"`
	Ports     []Port   `json:"ports,omitempty"`
	DNS       []DNS    `json:"dns,omitempty"`
	// Since is when the oldest of its files was written, absent when it has none.
	Since *time.Time `json:"since,omitempty"`
	// Healthy says that all is there and fits together; Problems why not.
	Healthy  bool     `json:"healthy"`
	Problems []string `json:"problems,omitempty"`
	// Pieces are what a DEL would remove.
	Pieces []Piece `json:"pieces"`

	// netns are paths that its records name.
	netns  []namespace
	leases []string
	space  *topology.Space
}

// Interface is one end of an attachment.
type Interface struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
	MAC  string `json:"mac,omitempty"`
	MTU  int    `json:"mtu,omitempty"`
	// Master is the bridge that the interface is a port of.
	Master string `json:"master,omitempty"`
}

// Port is a port of the host, or Count of them in a row, that leads to the container.
type Port struct {
	Protocol string `json:"protocol"`
	// HostIP is absent for all addresses.
	HostIP        string `json:"hostIP,omitempty"`
	HostPort      int    `json:"hostPort"`
	ContainerIP   string `json:"containerIP"`
	ContainerPort int    `json:"containerPort"`
	Count         int    `json:"count"`
}

// DNS is a resolv.conf that was written for the attachment.
type DNS struct {
	File string `json:"file"`
	// Lines are the attachment's part of it: "nameserver 192.0.2.53".
	Lines []string `json:"lines"`
}

// Piece is one thing that carries the tag.
type Piece struct {
	// Kind is interface, spoof check, masquerade, port, lease or resolv.conf.
	Kind  string `json:"kind"`
	What  string `json:"what"`
	Where string `json:"where"`
}

// Space is the attachment's namespace in the topology that it was found with, nil when it is gone.
func (a *Attachment) Space() *topology.Space { return a.space }

func (a *Attachment) piece(kind, what, where string) {
	a.Pieces = append(a.Pieces, Piece{kind, what, where})
}

func (a *Attachment) problem(text string) {
	if !slices.Contains(a.Problems, text) {
		a.Problems = append(a.Problems, text)
	}
}

func (a *Attachment) since(t time.Time) {
	if !t.IsZero() && (a.Since == nil || t.Before(*a.Since)) {
		a.Since = &t
	}
}

// Places are the directories of files that carry tags. The zero Places are where the links put them unless told
// otherwise.
type Places struct{ Pools, ResolvConf string }

// Read finds all attachments of the topology's host, ordered by network, container and interface. An error is of one
// kind of thing that could not be read; the rest is in the list.
func Read(ctx context.Context, t *topology.Topology, places Places) ([]*Attachment, error) {
	places.Pools = cmp.Or(places.Pools, pool.DefaultDataDir)
	places.ResolvConf = cmp.Or(places.ResolvConf, resolvConfDir)
	f := &finder{byTag: map[string]*Attachment{}}
	f.links(t)
	err := errors.Join(f.nftables(), f.iptables(ctx), f.pools(places.Pools), f.resolvConf(places.ResolvConf))
	list := make([]*Attachment, 0, len(f.byTag))
	for _, a := range f.byTag {
		a.locate(t)
		a.judge()
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b *Attachment) int {
		return cmp.Or(strings.Compare(a.Network, b.Network), strings.Compare(a.ContainerID, b.ContainerID),
			strings.Compare(a.IfName, b.IfName))
	})
	return list, err
}

// finder collects what carries the same tag.
type finder struct{ byTag map[string]*Attachment }

// of is the attachment of a tag; ok is false for a text that is no tag.
func (f *finder) of(tag string) (a *Attachment, ok bool) {
	o, ok := owner.Parse(tag)
	if !ok {
		return nil, false
	}
	a = f.byTag[tag]
	if a == nil {
		a = &Attachment{Network: o.Network, ContainerID: o.ContainerID, IfName: o.IfName}
		f.byTag[tag] = a
	}
	return a, true
}
