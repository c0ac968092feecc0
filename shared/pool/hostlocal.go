// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/owner"
)

// host-local keeps a file per address, called like it, with "CONTAINERID\r\nIFNAME" (before its version 0.8 the
// container ID alone), the address leased last per range set, and a file to lock: plugins/ipam/host-local/backend/disk
// in containernetworking/plugins.
const (
	hostLocalLast = "last_reserved_ip."
	hostLocalLock = "lock"
)

// imported is a mark in host-local's directory that the pool of that name has taken its leases over. It is kept there,
// and not with the pool, because that directory outlives a reboot and the pool does not: after a reboot, host-local's
// files are of containers that are gone. Nothing else there is changed, so host-local can be had back.
const imported = ".imported-by-cni-chain."

// importSource is the directory to import from, "" when there is nothing (more) to import. importFrom may be
// host-local's dataDir or the network's directory in it; the latter has no directories.
func (p *Pool) importSource() string {
	source := p.conf.ImportFrom
	if source == "" {
		return ""
	}
	if safeName(p.network) {
		sub := filepath.Join(source, p.network)
		if info, err := os.Stat(sub); err == nil && info.IsDir() {
			source = sub
		}
	}
	if _, err := os.Stat(source); errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	if _, err := os.Lstat(filepath.Join(source, imported+p.name)); err == nil {
		return ""
	}
	return source
}

// importFrom takes over host-local's leases. Every change of the pool does this first, so that a DEL cannot come before
// the lease that it is to free. Killed in the middle, it does it all again, and what is there already stays.
func (p *Pool) importFrom(d *dir, source string) error {
	root, err := os.OpenRoot(source)
	if err != nil {
		return err
	}
	defer root.Close()
	if _, err := root.Lstat(imported + p.name); err == nil { // another process has, while this one waited for the lock
		return nil
	}
	unlock, err := lockHostLocal(root)
	if err != nil {
		return err
	}
	defer unlock()
	from := &dir{root, p.step}
	leases, last, err := p.readHostLocal(from)
	if err != nil {
		return err
	}
	h := newHints(d)
	for _, l := range leases {
		if err := d.adopt(l, h); err != nil {
			return err
		}
	}
	if err := h.flush(); err != nil {
		return err
	}
	pos, err := d.position()
	if err != nil {
		return err
	}
	if len(pos) == 0 && len(last) > 0 {
		if err := d.replace(positionName, position(last).bytes()); err != nil {
			return err
		}
	}
	return from.mark(imported + p.name)
}

// mark makes an empty file. That it is there is all it says.
func (d *dir) mark(name string) error {
	if err := d.step("create " + name); err != nil {
		return err
	}
	f, err := d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// lockHostLocal keeps host-local from writing meanwhile: a lease that it has made but not yet written would be missed.
// It holds its lock for milliseconds.
func lockHostLocal(root *os.Root) (unlock func(), err error) {
	f, err := root.OpenFile(hostLocalLock, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return func() {}, nil
	}
	if err != nil {
		return nil, err
	}
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, unix.EINTR) {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", f.Name(), err), f.Close())
		}
	}
}

// readHostLocal reads the leases, one record per owner, and the addresses leased last.
func (p *Pool) readHostLocal(from *dir) (leases []record, last []netip.Addr, err error) {
	names, err := from.names()
	if err != nil {
		return nil, nil, err
	}
	slices.Sort(names)
	byTag := map[string]*record{}
	for _, name := range names {
		a, err := parseAddr(name)
		isLast := strings.HasPrefix(name, hostLocalLast)
		if err != nil && !isLast {
			continue
		}
		data, err := from.read(name)
		if err != nil {
			return nil, nil, err
		}
		if isLast {
			if a, err := parseAddr(strings.TrimSpace(string(data))); err == nil {
				last = append(last, a)
			}
			continue
		}
		if o, ok := hostLocalOwner(p.network, string(data)); ok {
			if byTag[o.Tag()] == nil {
				byTag[o.Tag()] = &record{file: recordName(o), tag: o.Tag()}
			}
			byTag[o.Tag()].addresses = append(byTag[o.Tag()].addresses, a)
		}
	}
	for _, tag := range slices.Sorted(maps.Keys(byTag)) {
		leases = append(leases, *byTag[tag])
	}
	return leases, last, nil
}

// hostLocalOwner is whom the content of an address file names. A file without a container ID is of an ADD that failed
// (containernetworking/plugins#498) and is nobody's.
func hostLocalOwner(network, content string) (owner.Owner, bool) {
	id, ifName, _ := strings.Cut(strings.TrimSpace(content), "\n")
	o := owner.Owner{Network: network, ContainerID: strings.TrimSpace(id), IfName: strings.TrimSpace(ifName)}
	return o, o.ContainerID != "" && !strings.ContainsAny(o.Tag(), "\n\r\x00")
}

// adopt adds the record's addresses to what its owner holds. One that the pool has leased to somebody else meanwhile
// stays with them.
func (d *dir) adopt(r record, h *hints) error {
	held, _, err := d.readRecord(r.file)
	if err != nil {
		return err
	}
	all := held.addresses
	var free []netip.Addr
	for _, a := range r.addresses {
		taken, err := d.taken(a)
		if err != nil {
			return err
		}
		if taken {
			continue
		}
		free = append(free, a)
		if !slices.Contains(all, a) {
			all = append(all, a)
		}
	}
	if len(free) == 0 {
		return nil
	}
	r.addresses = all
	if err := d.replace(r.file, r.bytes()); err != nil {
		return err
	}
	return d.linkAll(r, free, h)
}

// nameless is the owner as a lease of an old host-local names it, without an interface: whoever has the container ID.
func nameless(o owner.Owner) owner.Owner {
	o.IfName = ""
	return o
}
