// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"

	current "github.com/containernetworking/cni/pkg/types/100"

	"github.com/cni-chain/cni-chain/shared/nl"
)

// fillResult puts what the attachment consists of in front of what earlier links have put into the result, as all links
// after this one expect it: the bridge first, the port second, the container's interface third. MACs and MTUs are what
// the kernel said last.
func (a *attachment) fillResult() {
	ours := []*current.Interface{asResult(a.bridge), asResult(a.port)}
	if a.container != nil {
		c := asResult(a.container)
		c.Sandbox = a.NetNS
		ours = append(ours, c)
	}
	inFront(a.Result, ours)
}

func asResult(l *nl.Link) *current.Interface {
	return &current.Interface{Name: l.Name, Mac: l.MAC.String(), Mtu: l.MTU}
}

// inFront puts interfaces first. One that is in the result already moves, and ips follow the interface they are of.
func inFront(r *current.Result, ours []*current.Interface) {
	was := r.Interfaces
	r.Interfaces = ours
	now := make([]int, len(was))
	for i, w := range was {
		now[i] = slices.IndexFunc(ours, func(o *current.Interface) bool { return o.Name == w.Name && o.Sandbox == w.Sandbox })
		if now[i] < 0 {
			now[i] = len(r.Interfaces)
			r.Interfaces = append(r.Interfaces, w)
		} else if o := ours[now[i]]; o.SocketPath == "" && o.PciID == "" {
			o.SocketPath, o.PciID = w.SocketPath, w.PciID
		}
	}
	for _, ip := range r.IPs {
		if ip.Interface != nil {
			*ip.Interface = now[*ip.Interface]
		}
	}
}
