// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"path/filepath"
	"strings"

	"github.com/cni-chain/cni-chain/shared/owner"
)

// gc does for each attachment of the network that is not valid any more what its DEL would have done. It goes by the
// records, and by the tags in the files of which a reboot has taken the records.
func gc(ctx context.Context, r *request) error {
	valid := map[string]bool{}
	for _, a := range r.Valid {
		valid[owner.Owner{Network: r.Network, ContainerID: a.ContainerID, IfName: a.IfName}.Tag()] = true
	}
	stale := func(tag string) bool {
		return strings.HasPrefix(tag, owner.NetworkPrefix(r.Network)) && !valid[tag]
	}
	all, err := records(r.Network)
	errs := []error{err}
	for _, rec := range all {
		if stale(rec.Owner) {
			errs = append(errs, forget(ctx, r, rec, nil))
		}
	}
	for _, pattern := range patterns(r.Conf.WriteTo) {
		files, err := search(pattern, names{"network": r.Network})
		errs = append(errs, err)
		for _, p := range files {
			errs = append(errs, collectFile(ctx, r, p, stale))
		}
	}
	return errors.Join(errs...)
}

// collectFile removes the stale parts of one file that no record named.
func collectFile(ctx context.Context, r *request, p place, stale func(tag string) bool) error {
	tags, err := p.tags()
	errs := []error{err}
	for _, tag := range tags {
		if stale(tag) {
			errs = append(errs, take(ctx, r, tag, p, nil, true))
		}
	}
	return errors.Join(errs...)
}

// tags are the owners of the file's parts; none when it is not ours.
func (p place) tags() ([]string, error) {
	root, err := p.openRoot(nil)
	if err != nil {
		return nil, unlessMoved(err)
	}
	defer closeFile(root)
	dir, err := openDir(root, filepath.Dir(p.Path))
	if err != nil {
		return nil, unlessMoved(err)
	}
	defer closeFile(dir)
	f, err := look(dir, filepath.Base(p.Path))
	if err != nil {
		return nil, unlessMoved(err)
	}
	defer f.close()
	var tags []string
	for _, part := range f.content().parts {
		tags = append(tags, part.tag)
	}
	return tags, nil
}
