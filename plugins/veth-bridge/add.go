// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/shared/nl"
	"github.com/cni-chain/cni-chain/shared/owner"
)

type request = chain.Request[Config]

// attachment is one ADD: what is asked for, and what has been found and made so far.
type attachment struct {
	*request
	conn  *conn
	owner owner.Owner
	mac   net.HardwareAddr // what the container's interface is to have; nil: what it has
	mtu   int              // 0: the kernel's choice

	bridge    *nl.Link
	uplink    *nl.Link // nil when none is asked for
	port      *nl.Link // the host end of the veth, or the interface of an earlier link
	container *nl.Link // the veth's other end, when the port is a veth
	taken     bool     // the port is an interface of an earlier link
}

// add connects the container. The order keeps every point at which the process may die recoverable, and no frame of
// the container passes before all that limits it is in place: the veth comes up last but one, and its alias, which
// says that the attachment is whole, comes last.
func add(ctx context.Context, r *request) error {
	a, err := newAttachment(r)
	if err != nil {
		return err
	}
	defer a.conn.Close()
	earlier, err := a.earlierInterface()
	if err != nil {
		return err
	}
	if err := a.ensureBridge(ctx); err != nil {
		return err
	}
	if earlier == "" {
		err = a.makeVeth()
	} else {
		err = a.takeInterface(earlier)
	}
	if err != nil {
		return err
	}
	for _, step := range []func() error{
		a.guard, func() error { return a.join(ctx) }, a.trunkUplink, a.markVeth,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	a.fillResult()
	return nil
}

// newAttachment reads the request. Nothing has been changed when it fails.
func newAttachment(r *request) (a *attachment, err error) {
	if err := misplaced(r.Call.StdinData); err != nil {
		return nil, err
	}
	a = &attachment{request: r, owner: ownerOf(r)}
	if a.mac, err = r.Conf.mac(r.Args); err != nil {
		return nil, err
	}
	if a.mtu, err = r.Conf.MTU.bytes(); err != nil {
		return nil, err
	}
	if a.conn, err = dial(); err != nil {
		return nil, err
	}
	if r.Conf.MTU == mtuAuto {
		if a.mtu, err = a.autoMTU(); err != nil {
			_ = a.conn.Close()
			return nil, err
		}
	}
	return a, nil
}

func ownerOf(r *request) owner.Owner {
	return owner.Owner{Network: r.Network, ContainerID: r.ContainerID, IfName: r.IfName}
}

// earlierInterface is the interface on the host that an earlier link has made for this container, "" when there is none
// and a veth is to be made: a convention of CNI (CONVENTIONS.md) that makes a tap a port of the bridge.
func (a *attachment) earlierInterface() (string, error) {
	if a.Prev == nil {
		return "", nil
	}
	var names []string
	for _, i := range a.Prev.Interfaces {
		switch {
		case i.Sandbox != "":
			return "", nil
		case i.Name != a.Conf.Bridge:
			names = append(names, i.Name)
		}
	}
	switch len(names) {
	case 0:
		return "", nil
	case 1:
		return names[0], nil
	}
	return "", chain.Errorf(chain.CodeConfig, "prevResult has several interfaces on the host (%s) and none in the "+
		"container: only one can be the container's port of the bridge", strings.Join(names, ", "))
}

// errExists is the error of an ADD for what exists.
func (a *attachment) errExists(format string, args ...any) error {
	return chain.Errorf(codeExists, "%s: nothing was changed; %s", fmt.Sprintf(format, args...),
		"the runtime is to DEL the attachment first")
}
