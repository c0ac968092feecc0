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
	if veth == nil {
		var findErr error
		veth, findErr = c.renamed(r, o)
		err = errors.Join(err, findErr)
	}
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

// renamed finds the attachment's veth by its other end, in case that somebody has renamed it.
func (c *conn) renamed(r *request, o owner.Owner) (*nl.Link, error) {
	if r.Sandbox() == nil {
		return nil, nil
	}
	id, err := c.NSID(r.Sandbox())
	if err != nil || id < 0 {
		return nil, err
	}
	inside, err := c.Link(nl.Which{Name: o.IfName, NSID: id, Elsewhere: true})
	if err != nil || inside == nil || inside.Peer == 0 {
		return nil, err
	}
	veth, err := c.Link(nl.Which{Index: inside.Peer})
	if err != nil || veth == nil || !isOurs(veth, o) {
		return nil, err
	}
	return veth, nil
}

// gc removes what carries the network's tag and is not in the list of valid attachments, and goes on over errors. One
// listing of links finds veths that are whole, veths that are not, and interfaces of earlier links.
func gc(_ context.Context, r *request) error {
	c, err := dial()
	if err != nil {
		return err
	}
	defer c.Close()
	valid := map[string]bool{} // tags, and names of veths that have no tag yet
	for _, v := range r.Valid {
		o := owner.Owner{Network: r.Network, ContainerID: v.ContainerID, IfName: v.IfName}
		valid[o.Tag()], valid[o.HostVeth()] = true, true
	}
	links, err := nl.List(c.Conn, nl.ListLinks(nil), func(body []byte) []*nl.Link {
		return []*nl.Link{nl.ParseLink(body)}
	})
	errs := []error{err}
	for _, l := range links {
		if staleVeth(l, r.Network, valid) {
			errs = append(errs, c.delete(l))
		}
		for _, name := range l.AltNames {
			tag := tagOfAltName(name)
			if strings.HasPrefix(tag, owner.NetworkPrefix(r.Network)) && !valid[tag] {
				errs = append(errs, c.release(l, name))
			}
		}
	}
	errs = append(errs, unguardAll(r.Network, func(tag string) bool { return valid[tag] }))
	return errors.Join(errs...)
}

// staleVeth says whether a link is a veth of the network, marked or not yet marked, of an attachment that is not valid.
func staleVeth(l *nl.Link, network string, valid map[string]bool) bool {
	switch {
	case l.Kind != "veth":
		return false
	case l.Alias == "":
		return owner.MadeFor(network, l.Name, l.MAC) && !valid[l.Name]
	}
	return strings.HasPrefix(l.Alias, owner.NetworkPrefix(network)) && !valid[l.Alias]
}
