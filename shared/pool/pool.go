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

	"github.com/cni-chain/cni-chain/shared/lock"
	"github.com/cni-chain/cni-chain/shared/owner"
)

// Pool is a network's pool of addresses. It is cheap to make, and safe for use by any number of goroutines and
// processes.
type Pool struct {
	conf    Config
	network string
	name    string                  // of the pool's directory
	step    func(what string) error // see dir
}

// Open is the network's pool as configured. It neither checks the configuration nor touches anything, so that Release
// and GC work with whatever is left of a configuration.
func Open(network string, conf Config) *Pool {
	p := &Pool{conf: conf, network: network, name: conf.Pool, step: func(string) error { return nil }}
	if p.name == "" {
		p.name = network
	}
	p.name = fileName(p.name)
	if p.conf.DataDir == "" {
		p.conf.DataDir = DefaultDataDir
	}
	return p
}

// safeName says whether a name is one that networks have (SPEC.md, section Network configuration): letters, digits and
// "_.-", the first a letter or digit. Such a name is safe as a file's, too.
func safeName(name string) bool {
	const first = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	return name != "" && strings.Contains(first, name[:1]) && strings.Trim(name, first+"_.-") == ""
}

// fileName is the name itself where it can be one, else "~" and a hash; "~" is in no network's name.
func fileName(name string) string {
	if len(name) <= 64 && safeName(name) {
		return name
	}
	return "~" + owner.NetworkHash(name, 24)
}

// Dir is the pool's directory.
func (p *Pool) Dir() string { return filepath.Join(p.conf.DataDir, p.name) }

// locked runs fn on the pool's directory while nobody else changes it. Unless create, there being no directory means
// that there is nothing to do.
func (p *Pool) locked(ctx context.Context, create bool, fn func(*dir) error) error {
	source := p.importSource()
	if _, err := os.Lstat(p.Dir()); errors.Is(err, fs.ErrNotExist) && !create && source == "" {
		return nil
	}
	release, err := lock.Acquire(ctx, "pool-"+p.name)
	if err != nil {
		return err
	}
	defer release()
	d, err := openDir(p.conf.DataDir, p.name, create || source != "", p.step)
	if errors.Is(err, fs.ErrNotExist) && !create {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open pool %s: %w", p.Dir(), err)
	}
	defer d.root.Close()
	if source != "" {
		if err := p.importFrom(d, source); err != nil {
			return fmt.Errorf("import host-local's leases from %s: %w", source, err)
		}
	}
	if err := fn(d); err != nil {
		return p.explain(err)
	}
	return nil
}

// explain adds the pool to errors that only name a file in it.
func (p *Pool) explain(err error) error {
	var path *fs.PathError
	var link *os.LinkError
	if errors.As(err, &path) || errors.As(err, &link) {
		return fmt.Errorf("pool %s: %w", p.Dir(), err)
	}
	return err
}

// Allocate leases the owner an address of each range set. When the owner holds addresses that fit the request already,
// it returns those (Lease.Existing); when they do not fit, that is an error which changes nothing. After any error
// nobody holds anything else than before. Errors are *ConfigError, *NotReadyError, *ExhaustedError, *TakenError, or
// of the file system.
func (p *Pool) Allocate(ctx context.Context, o owner.Owner, r Request) (Lease, error) {
	plan, err := p.conf.plan(r)
	if err != nil {
		return Lease{}, err
	}
	if strings.ContainsAny(o.Tag(), "\n\r\x00") {
		return Lease{}, fmt.Errorf("lease an address to %q: a name with a line break", o.Tag())
	}
	var lease Lease
	err = p.locked(ctx, true, func(d *dir) error {
		held, ok, err := d.readRecord(recordName(o))
		if err != nil {
			return err
		}
		h := newHints(d)
		if ok {
			missing, err := d.missing(held)
			if err != nil {
				return err
			}
			if len(missing) == 0 && len(held.addresses) > 0 {
				return existing(plan, held, &lease)
			}
			// The ADD that wrote it was killed before it had all: no interface can have them.
			if err := d.giveBack(held, h); err != nil {
				return err
			}
		}
		return p.take(d, h, o, plan, &lease)
	})
	return lease, err
}

// existing answers with what the owner holds.
func existing(plan plan, held record, lease *Lease) error {
	l, ok := plan.lease(held.addresses)
	if !ok {
		return fmt.Errorf("%s holds %v already, which is not what is asked for now: DEL it first",
			describe(held.tag), held.addresses)
	}
	l.Existing = true
	*lease = l
	return nil
}

// take chooses addresses, moves the position and takes them, in this order: an address that a killed ADD gets back is
// not the next one's.
func (p *Pool) take(d *dir, h *hints, o owner.Owner, plan plan, lease *Lease) error {
	pos, err := d.position()
	if err != nil {
		return err
	}
	s := &search{pool: p.name, dir: d, hints: h}
	chosen, pos, err := s.choose(plan, pos)
	if err != nil {
		return err
	}
	if err := d.replace(positionName, pos.bytes()); err != nil {
		return err
	}
	if err := d.take(record{recordName(o), o.Tag(), chosen}, h); err != nil {
		return err
	}
	*lease, _ = plan.lease(chosen) // one of each set, as chosen
	return nil
}

// Release gives back all that the owner holds. It needs nothing but the names; that there is nothing is no error. known
// are addresses that it is known to have had (from a result, say), which are looked at even if its owner file was lost.
func (p *Pool) Release(ctx context.Context, o owner.Owner, known ...netip.Addr) error {
	return p.locked(ctx, false, func(d *dir) error {
		return errors.Join(d.remove(newName), d.release(o, known), d.release(nameless(o), known))
	})
}

func (d *dir) release(o owner.Owner, known []netip.Addr) error {
	r, _, err := d.readRecord(recordName(o))
	if err != nil {
		return err
	}
	r.file, r.tag = recordName(o), o.Tag()
	for _, a := range known {
		if a = a.Unmap(); a.IsValid() && a.Zone() == "" && !slices.Contains(r.addresses, a) {
			r.addresses = append(r.addresses, a)
		}
	}
	return d.giveBack(r, newHints(d))
}

// GC releases what the network's attachments hold, except those that are valid, and goes on over errors. It looks at
// every address, so that it also frees those whose owner file was lost.
func (p *Pool) GC(ctx context.Context, valid []owner.Owner) error {
	keep := map[string]bool{}
	for _, o := range valid {
		keep[o.Tag()] = true
		keep[nameless(o).Tag()] = true
	}
	return p.locked(ctx, false, func(d *dir) error {
		errs := []error{d.remove(newName)}
		names, err := d.names()
		errs = append(errs, err)
		h := newHints(d)
		for _, name := range names {
			_, err := netip.ParseAddr(name)
			if err != nil && !strings.HasPrefix(name, ownerPrefix) {
				continue
			}
			r, ok, err := d.readRecord(name)
			if err == nil && ok && strings.HasPrefix(r.tag, owner.NetworkPrefix(p.network)) && !keep[r.tag] {
				err = d.giveBack(r, h)
			}
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	})
}
