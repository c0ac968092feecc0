// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"strings"

	"github.com/cni-chain/cni-chain/shared/nl"
	"github.com/cni-chain/cni-chain/shared/owner"
)

// del removes what carries the attachment's tag, found by the name that follows from it: no namespace, no prevResult
// and no configuration is needed, and it costs the same however many attachments there are.
func del(ctx context.Context, r *request) error {
	c, err := dial()
	if err != nil {
		return err
	}
	defer c.Close()
	o := ownerOf(r)
	err = errors.Join(removePort(c, r, o), unguard(o.Tag()))
	if r.Conf.RemoveBridge && validName("bridge", r.Conf.Bridge) == nil {
		err = errors.Join(err, c.removeBridge(ctx, r.Conf.Bridge, r.Conf.Uplink))
	}
	return err
}

// removePort deletes the attachment's veth, or gives back the interface of an earlier link.
func removePort(c *conn, r *request, o owner.Owner) error {
	altName := altNameOf(o)
	links, err := c.Links(nl.Which{Name: o.HostVeth()}, nl.Which{AltName: altName})
	if err != nil {
		return err
	}
	if taken := links[1]; taken != nil {
		err = c.release(taken, altName)
	}
	veth := links[0]
	switch {
	case veth == nil:
		return err
	case isOurs(veth, o):
		return errors.Join(err, c.delete(veth))
	}
	r.Log.Warn("an interface has the name of the attachment's veth and is not ours: left alone", "interface",
		veth.Describe())
	return err
}

// gc removes what carries the network's tag and is not in the list of valid attachments, and goes on over errors. One
// listing of links finds veths that are whole, veths that are not, and interfaces of earlier links.
func gc(_ context.Context, r *request) error {
	c, err := dial()
	if err != nil {
		return err
	}
	defer c.Close()
	keepTag, keepName := map[string]bool{}, map[string]bool{}
	for _, v := range r.Valid {
		o := owner.Owner{Network: r.Network, ContainerID: v.ContainerID, IfName: v.IfName}
		keepTag[o.Tag()], keepName[o.HostVeth()] = true, true
	}
	links, err := nl.List(c.Conn, nl.ListLinks(nil), func(body []byte) []*nl.Link {
		return []*nl.Link{nl.ParseLink(body)}
	})
	errs := []error{err}
	prefix := owner.NetworkPrefix(r.Network)
	for _, l := range links {
		switch {
		case l.Kind == "veth" && strings.HasPrefix(l.Alias, prefix) && !keepTag[l.Alias],
			l.Kind == "veth" && l.Alias == "" && owner.MadeFor(r.Network, l.Name, l.MAC) && !keepName[l.Name]:
			errs = append(errs, c.delete(l))
		}
		for _, name := range l.AltNames {
			if tag := tagOfAltName(name); strings.HasPrefix(tag, prefix) && !keepTag[tag] {
				errs = append(errs, c.release(l, name))
			}
		}
	}
	errs = append(errs, unguardAll(r.Network, func(tag string) bool { return keepTag[tag] }))
	return errors.Join(errs...)
}
