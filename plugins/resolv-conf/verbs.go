// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"os"
	"slices"

	"github.com/containernetworking/cni/pkg/types"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/shared/owner"
)

type request = chain.Request[Config]

func tagOf(r *request) string {
	return owner.Owner{Network: r.Network, ContainerID: r.ContainerID, IfName: r.IfName}.Tag()
}

// add decides, and writes the record and then the files: whatever moment a crash chooses, each file has a record.
func add(ctx context.Context, r *request) error {
	files, notes, err := placesOf(r, r.NetNS)
	if err != nil {
		return err
	}
	own, more, err := decide(&r.Conf, r.Result.DNS)
	if err != nil {
		return err
	}
	own.tag = tagOf(r)
	for _, note := range append(notes, more...) {
		r.Log.Warn(note)
	}
	if err := keepRecord(ctx, r, files, own); err != nil {
		return err
	}
	for _, p := range files {
		if err := write(ctx, r, p, own); err != nil {
			return err
		}
	}
	r.Result.DNS = own.dns()
	return nil
}

// placesOf are the places of writeTo. A process without a root directory of its own has none in "auto".
func placesOf(r *request, netns string) (files []place, notes []string, err error) {
	files, notes, err = places(r.Conf.WriteTo, netns, namesOf(r.Network, r.ContainerID, r.IfName, netns))
	pid, ok := processOf(netns)
	if err != nil || !ok || slices.Contains(r.Conf.WriteTo, toRootFS) || !slices.Contains(files, rootOf(pid)) {
		return files, notes, err
	}
	root, err := rootOf(pid).openRoot(r.Sandbox())
	if errors.Is(err, errHostRoot) {
		files = slices.DeleteFunc(files, func(p place) bool { return p == rootOf(pid) })
		return files, append(notes, err.Error()+": the name servers are in the result alone"), nil
	}
	if err == nil {
		closeFile(root)
	}
	return files, notes, err
}

// keepRecord writes down where the attachment's part will be. The link may stand in a chain twice: the second one's
// files join those of the first. What an earlier life of the container has left, in another namespace, goes first.
func keepRecord(ctx context.Context, r *request, files []place, own part) error {
	before, err := readRecord(own.tag)
	if err != nil && !errors.Is(err, errGarbled) {
		return err
	}
	if before != nil && before.NetNS != r.NetNS {
		if err := forget(ctx, r, before, nil); err != nil {
			return err
		}
		before = nil
	}
	if len(files) == 0 {
		return nil
	}
	now := &record{Owner: own.tag, NetNS: r.NetNS}
	for _, p := range files {
		now.Files = append(now.Files, entry{place: p, Part: own.lines()})
	}
	undo := func() error { return now.takeBack(context.WithoutCancel(ctx), r.Sandbox()) }
	if before != nil {
		for _, e := range before.Files {
			if !slices.Contains(files, e.place) {
				now.Files = append(now.Files, e)
			}
		}
		undo = before.write
	}
	return r.Do("record the places of resolv.conf", now.write, undo)
}

// takeBack forgets a record when nothing that it names is left. By now nothing should be; but where a file could not
// be taken back, the record is what DEL finds it by.
func (r *record) takeBack(ctx context.Context, sandbox *os.File) error {
	var errs []error
	for _, e := range r.Files {
		errs = append(errs, e.remove(ctx, sandbox, r.Owner, false))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return removeRecord(r.Owner)
}

func write(ctx context.Context, r *request, p place, own part) error {
	var before *part
	do := func() error {
		was, cut, err := p.add(ctx, r.Sandbox(), own)
		before = was
		for _, note := range cut {
			r.Log.Warn("of what " + p.String() + " has from several networks, left out: " + note)
		}
		return err
	}
	undo := func() error {
		ctx := context.WithoutCancel(ctx)
		if before == nil {
			return p.remove(ctx, r.Sandbox(), own.tag, false)
		}
		_, _, err := p.add(ctx, r.Sandbox(), *before)
		return err
	}
	return r.Do("write "+p.String(), do, undo)
}

// dns is the part as a result has it.
func (p part) dns() types.DNS {
	c, _ := content{parts: []part{p}}.effective()
	return types.DNS{Nameservers: c.Servers, Domain: c.Domain, Search: c.Search, Options: c.Options}
}

// del takes the part out of every file that the record names. Without a record (a reboot, or nothing to delete) the
// files are where writeTo says, and are told by their tag.
func del(ctx context.Context, r *request) error {
	tag := tagOf(r)
	rec, err := readRecord(tag)
	if err != nil && !errors.Is(err, errGarbled) {
		return err
	}
	if rec != nil {
		return forget(ctx, r, rec, r.Sandbox())
	}
	if err != nil {
		r.Log.Warn("going on without the record", "err", err)
	}
	files, err := guess(r)
	errs := []error{err}
	for _, p := range files {
		errs = append(errs, take(ctx, r, tag, p, r.Sandbox(), true))
	}
	return errors.Join(append(errs, removeRecord(tag))...)
}

// forget takes all that the record names back, and then the record.
func forget(ctx context.Context, r *request, rec *record, sandbox *os.File) error {
	var errs []error
	for _, e := range rec.Files {
		errs = append(errs, take(ctx, r, rec.Owner, e.place, sandbox, false))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return r.Do("forget the places of "+rec.Owner, func() error { return removeRecord(rec.Owner) }, nil)
}

// take takes the owner's part out of one file.
func take(ctx context.Context, r *request, tag string, p place, sandbox *os.File, orphan bool) error {
	return r.Do("take the part of "+tag+" out of "+p.String(),
		func() error { return p.remove(ctx, sandbox, tag, orphan) }, nil)
}

// guess is where the attachment's files can be: where ADD would write them now, or, for a namespace whose name is not
// known, wherever there are such files.
func guess(r *request) ([]place, error) {
	netns := r.Call.Netns
	known := namesOf(r.Network, r.ContainerID, r.IfName, netns)
	var all []place
	if pid, ok := processOf(netns); ok {
		all = append(all, rootOf(pid))
	}
	var errs []error
	for _, pattern := range patterns(r.Conf.WriteTo) {
		found, err := search(pattern, known)
		all = append(all, found...)
		errs = append(errs, err)
	}
	return all, errors.Join(errs...)
}

// check compares each file with what ADD wrote there. It goes by the record: configuration and host may say something
// else by now.
func check(ctx context.Context, r *request) error {
	tag := tagOf(r)
	rec, err := readRecord(tag)
	if err != nil {
		return chain.Errorf(codeMissing, "%w", err)
	}
	if rec == nil {
		files, _, err := placesOf(r, r.NetNS)
		if err != nil || len(files) == 0 {
			return err
		}
		return chain.Errorf(codeMissing, "%s has no record of %s: ADD has not been, or DEL has, or somebody has emptied /run",
			stateDir, files[0])
	}
	var errs []error
	for _, e := range rec.Files {
		errs = append(errs, e.check(ctx, r.Sandbox(), tag, e.Part))
	}
	return errors.Join(errs...)
}
