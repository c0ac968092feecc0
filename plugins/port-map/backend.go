// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/shared/nft"
)

// markDir has an empty file for each attachment that the iptables backend has mapped ports for. Its name is the tag. It
// is there before the rules and goes after them, so that DEL and GC know without running iptables whether there is
// anything of theirs to find.
const markDir = "/run/cni-chain/port-map"

func markFile(tag string) string {
	return filepath.Join(markDir, strings.ReplaceAll(tag, "/", ","))
}

// addByBackend maps the ports by the backend that is configured, or else by the one that works.
func addByBackend(ctx context.Context, r *request, p *plan) error {
	if r.Conf.Backend == backendIPTables {
		return addIPTables(ctx, r, p)
	}
	err := addNFTables(ctx, r, p)
	if r.Conf.Backend == "" && unsupported(err) {
		r.Log.Info("this kernel has no nftables for NAT, iptables is used instead", "err", err)
		if !(iptables{p.sides[0].family}).works() {
			return errors.Join(errNoIPTables, err)
		}
		return addIPTables(ctx, r, p)
	}
	return err
}

// unsupported says whether a kernel that lacks nftables, or a part of it, would give the error to an ADD.
func unsupported(err error) bool {
	var refused *nft.Error
	if errors.As(err, &refused) && refused.Set == nil && refused.Errno == unix.ENOENT {
		return true // a chain type or an expression that is not built in
	}
	return noNFTables(err)
}

// noNFTables says whether the kernel has no nftables at all.
func noNFTables(err error) bool {
	for _, errno := range []error{unix.EPROTONOSUPPORT, unix.EAFNOSUPPORT, unix.EOPNOTSUPP} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

func addNFTables(ctx context.Context, r *request, p *plan) error {
	if err := nativeConditions(p); err != nil {
		return err
	}
	return r.Do("map host ports", func() error {
		return withNFTables(ctx, r.Log, func(n *nftables) error { return n.add(p) })
	}, func() error { return delNFTables(context.WithoutCancel(ctx), r, p.owner.Tag()) })
}

// nativeConditions refuses conditions that only iptables understands.
func nativeConditions(p *plan) error {
	for _, s := range p.sides {
		if _, err := parseConditions(s.family, s.words); err != nil {
			return chain.Invalid(fmt.Sprintf("conditionsV%d", s.family), strings.Join(s.words, " "), "%v", err)
		}
	}
	return nil
}

func addIPTables(ctx context.Context, r *request, p *plan) error {
	for _, s := range p.sides {
		if err := oneDestination(s); err != nil {
			return err
		}
	}
	tag := p.owner.Tag()
	return r.Do("map host ports", func() error {
		if err := markIPTables(tag); err != nil {
			return err
		}
		dead := map[string]bool{}
		err := underLock(ctx, func() error {
			for _, s := range p.sides {
				if err := (iptables{s.family}).addSide(ctx, r.Log, p, s, dead); err != nil {
					return err
				}
			}
			return nil
		})
		if err == nil && len(dead) > 0 {
			err = delIPTables(ctx, slices.Collect(maps.Keys(dead))...) // what they have in the other family
		}
		if err != nil {
			err = errors.Join(err, delIPTables(context.WithoutCancel(ctx), tag))
		}
		return err
	}, func() error { return delIPTables(context.WithoutCancel(ctx), tag) })
}

// oneDestination refuses what iptables cannot match: two destination addresses.
func oneDestination(s *side) error {
	has := false
	for _, word := range s.words {
		has = has || word == "-d" || word == "--dst" || word == "--destination"
	}
	for _, c := range s.conditions {
		has = has || c.what == condDestination
	}
	for _, p := range s.ports {
		if has && p.addr.IsValid() {
			return chain.Errorf(chain.CodeConfig, "%s.hostIP: iptables cannot match it beside the destination address of "+
				"conditionsV%d", p.path, s.family)
		}
	}
	return nil
}

func markIPTables(tag string) error {
	if err := os.MkdirAll(markDir, 0o700); err != nil {
		return err
	}
	file, err := os.OpenFile(markFile(tag), os.O_CREATE|os.O_WRONLY|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return errors.Join(err, removeMark(tag))
	}
	return file.Close()
}

// markedForIPTables are the tags, starting with prefix, of attachments that the iptables backend may have something of.
func markedForIPTables(prefix string) ([]string, error) {
	entries, err := os.ReadDir(markDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var tags []string
	for _, e := range entries {
		// The name of an interface may have a comma, the other words may not.
		if tag := strings.Replace(e.Name(), ",", "/", 2); strings.HasPrefix(tag, prefix) {
			tags = append(tags, tag)
		}
	}
	return tags, err
}

// delIPTables takes back what those of the owners have in iptables that are marked.
func delIPTables(ctx context.Context, tags ...string) error {
	var marked []string
	for _, tag := range tags {
		_, err := os.Lstat(markFile(tag))
		if err == nil {
			marked = append(marked, tag)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if len(marked) == 0 {
		return nil
	}
	return searchIPTables(ctx, marked...)
}

// searchIPTables takes back what owners have in iptables, marked or not.
func searchIPTables(ctx context.Context, tags ...string) error {
	owners := map[string]bool{}
	for _, tag := range tags {
		owners[tag] = true
	}
	var containers []netip.Addr
	err := underLock(ctx, func() error {
		var failed error
		for _, f := range []family{v4, v6} {
			found, err := (iptables{f}).del(ctx, owners)
			containers = append(containers, found...)
			failed = errors.Join(failed, err)
		}
		return failed
	})
	if err == nil {
		for _, tag := range tags {
			err = errors.Join(err, removeMark(tag))
		}
	}
	return errors.Join(err, flushTo(containers))
}

// removeMark deletes the file, and the directory after the last.
func removeMark(tag string) error {
	if err := os.Remove(markFile(tag)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	_ = os.Remove(markDir) // not empty: others are marked
	return nil
}

// number reads a port that iptables has printed.
func number(text string) int {
	n, _ := strconv.Atoi(text)
	return n
}
