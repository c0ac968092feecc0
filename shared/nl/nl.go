// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Package nl opens rtnetlink handles on the host and inside a container's network namespace, and looks up single links
// with errors that name them. It is a thin layer: everything else is done with the methods of netlink.Handle.
//
// Only targeted gets are here. A dump (a list of all links, addresses or routes) grows with the host and can be
// interrupted by any change to it; where there is no way around one, All repeats it.
package nl

import (
	"errors"
	"fmt"
	"os"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// attempts is how often a dump is tried. Each one is spoilt only by a change during the few microseconds it takes.
const attempts = 10

// Handle is a netlink.Handle for links, addresses, routes, rules and neighbours of one network namespace. It works from
// any thread: the namespace is that of its socket.
type Handle struct {
	*netlink.Handle
}

// Host opens a handle on the network namespace that the process is in. The caller closes it.
func Host() (*Handle, error) {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open netlink socket: %w", err)
	}
	return &Handle{h}, nil
}

// In opens a handle on a namespace, without leaving any thread in it. The caller closes the handle; the file may be
// closed before.
func In(ns *os.File) (*Handle, error) {
	h, err := netlink.NewHandleAt(netns.NsHandle(ns.Fd()), unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open netlink socket in namespace %s: %w", ns.Name(), err)
	}
	return &Handle{h}, nil
}

// LinkByName finds a link. IsNotFound tells that there is none of that name.
func (h *Handle) LinkByName(name string) (netlink.Link, error) {
	link, err := h.Handle.LinkByName(name)
	if err != nil {
		return nil, fmt.Errorf("find interface %q: %w", name, err)
	}
	return link, nil
}

// LinkByIndex finds a link. IsNotFound tells that there is none with that index.
func (h *Handle) LinkByIndex(index int) (netlink.Link, error) {
	link, err := h.Handle.LinkByIndex(index)
	if err != nil {
		return nil, fmt.Errorf("find interface with index %d: %w", index, err)
	}
	return link, nil
}

// IsNotFound says whether the error means that a link is not there, or not there any more.
func IsNotFound(err error) bool {
	_, notFound := errors.AsType[netlink.LinkNotFoundError](err)
	return notFound || errors.Is(err, unix.ENODEV)
}

// All runs a dump and runs it again when a change to the host came in between (the kernel then says so by
// NLM_F_DUMP_INTR, and what it has told may lack objects). An error of another kind is returned as it is.
func All[T any](list func() ([]T, error)) ([]T, error) {
	for n := 1; ; n++ {
		objects, err := list()
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			return objects, err
		}
		if n == attempts {
			return nil, fmt.Errorf("list: spoilt %d times by changes to the host: %w", n, err)
		}
	}
}
