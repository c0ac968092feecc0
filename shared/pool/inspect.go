// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/owner"
)

// Check verifies that the owner holds an address, that all it holds is still its own, and that those of the given
// addresses that lie in the pool's ranges are among them.
func (p *Pool) Check(ctx context.Context, o owner.Owner, r Request, addresses []netip.Addr) error {
	file, err := p.conf.file()
	if err != nil {
		return err
	}
	sets, err := p.conf.sets(r.Ranges, file)
	if err != nil {
		return err
	}
	var held record
	found := false
	err = p.locked(ctx, false, func(d *dir) (err error) {
		for _, name := range []string{recordName(o), recordName(nameless(o))} {
			if held, found, err = d.readRecord(name); found || err != nil {
				break
			}
		}
		if err != nil || !found {
			return err
		}
		missing, err := d.missing(held)
		if err == nil && len(missing) > 0 {
			err = fmt.Errorf("%v of %s is not leased to it any more", missing, o)
		}
		return err
	})
	if err != nil {
		return err
	}
	if !found || len(held.addresses) == 0 {
		return fmt.Errorf("pool %s holds no address for %s", p.Dir(), o)
	}
	return foreign(sets, held, addresses)
}

// foreign finds an address that lies in the ranges and is not among those held.
func foreign(sets []set, held record, addresses []netip.Addr) error {
	for _, a := range addresses {
		a = a.Unmap()
		if slices.Contains(held.addresses, a) {
			continue
		}
		for _, s := range sets {
			if _, ok := s.find(a); ok {
				return fmt.Errorf("address %s is in the pool's ranges but not leased to %s, which holds %v",
					a, describe(held.tag), held.addresses)
			}
		}
	}
	return nil
}

// Status says whether an Allocate without wishes could work now: the subnet file is there (*NotReadyError), the pool's
// directory can be written and no range set is exhausted (*ExhaustedError).
func (p *Pool) Status(ctx context.Context) error {
	file, err := p.conf.file()
	if err != nil {
		return err
	}
	sets, err := p.conf.sets(nil, file)
	if err != nil {
		return err
	}
	if err := p.writable(); err != nil {
		return err
	}
	return p.locked(ctx, false, func(d *dir) error {
		pos, err := d.position()
		if err != nil {
			return err
		}
		s := &search{pool: p.name, dir: d, hints: newHints(d)}
		_, _, err = s.choose(plan{sets: sets, wanted: make([]netip.Addr, len(sets))}, pos)
		return err
	})
}

// writable checks the nearest directory there is.
func (p *Pool) writable() error {
	for dir := p.Dir(); ; dir = filepath.Dir(dir) {
		err := unix.Access(dir, unix.W_OK|unix.X_OK)
		if err == nil {
			return nil
		}
		if !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			return fmt.Errorf("write to %s: %w", dir, err)
		}
	}
}

// Holding is what an owner holds.
type Holding struct {
	Tag       string // owner.Parse takes it apart
	Addresses []netip.Addr
}

// List is all that the pool's owners hold, of every network that uses the pool, ordered by tag. It is for people and
// tools, imports nothing and takes no lock; an Allocate that is under way may be in it.
func (p *Pool) List() ([]Holding, error) {
	leases, err := list(p.conf.DataDir, p.name, p.step)
	var all []Holding
	for _, l := range leases {
		all = append(all, l.Holding)
	}
	return all, err
}

// Listed is a holding as ListDir finds it.
type Listed struct {
	Holding
	Pool string // the name of the pool's directory
	// Missing are those of its addresses that are not its owner's any more: somebody has removed their files.
	Missing []netip.Addr
	Since   time.Time
}

// ListDir is all that is held of all pools in a directory of pools, such as DefaultDataDir, ordered by pool and tag. It
// takes no lock, as List.
func ListDir(dataDir string) ([]Listed, error) {
	entries, err := os.ReadDir(dataDir)
	if err != nil {
		return nil, ignoreMissing(err)
	}
	var all []Listed
	for _, entry := range entries {
		if !entry.IsDir() {
			continue
		}
		leases, err := list(dataDir, entry.Name(), func(string) error { return nil })
		if err != nil {
			return nil, err
		}
		all = append(all, leases...)
	}
	return all, nil
}

// list reads the owner files of one pool.
func list(dataDir, name string, step func(string) error) ([]Listed, error) {
	d, err := openDir(dataDir, name, false, step)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	path := filepath.Join(dataDir, name)
	if err != nil {
		return nil, fmt.Errorf("open pool %s: %w", path, err)
	}
	defer d.root.Close()
	names, err := d.names()
	if err != nil {
		return nil, fmt.Errorf("pool %s: %w", path, err)
	}
	var all []Listed
	for _, file := range names {
		if !strings.HasPrefix(file, ownerPrefix) {
			continue
		}
		l, ok, err := d.listed(file)
		if err != nil {
			return nil, fmt.Errorf("pool %s: %w", path, err)
		}
		if ok {
			l.Pool = name
			all = append(all, l)
		}
	}
	slices.SortFunc(all, func(a, b Listed) int { return strings.Compare(a.Tag, b.Tag) })
	return all, nil
}

// listed reads one owner file; ok is false when it is gone meanwhile, or is none.
func (d *dir) listed(file string) (l Listed, ok bool, err error) {
	r, ok, err := d.readRecord(file)
	if err != nil || !ok {
		return l, false, err
	}
	if l.Missing, err = d.missing(r); err != nil {
		return l, false, err
	}
	l.Holding = Holding{r.tag, r.addresses}
	if info, err := d.root.Lstat(file); err == nil {
		l.Since = info.ModTime()
	}
	return l, true, nil
}
