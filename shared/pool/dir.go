// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/cni-chain/cni-chain/shared/owner"
)

// Names in a pool's directory that are not addresses.
const (
	ownerPrefix  = "owner-"
	usedPrefix   = "used-"
	positionName = "position"
	newName      = "new"
)

// dir is a pool's open directory. All its functions want the pool's lock to be held.
type dir struct {
	root *os.Root
	// step is called before everything that is done to a file; tests count, fail or kill there.
	step func(what string) error
}

// openDir opens a pool's directory beneath dataDir, and makes both if asked to; os.Root keeps a link in the pool's
// place from leading elsewhere. Without create the error is fs.ErrNotExist when there is none.
func openDir(dataDir, name string, create bool, step func(string) error) (*dir, error) {
	if create {
		if err := makeDirs(filepath.Join(dataDir, name), step); err != nil {
			return nil, err
		}
	}
	parent, err := os.OpenRoot(dataDir)
	if err != nil {
		return nil, err
	}
	defer parent.Close()
	root, err := parent.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	return &dir{root, step}, nil
}

func makeDirs(path string, step func(string) error) error {
	if _, err := os.Lstat(path); err == nil {
		return nil // what it is, opening it tells
	}
	if err := step("mkdir " + filepath.Base(path)); err != nil {
		return err
	}
	return os.MkdirAll(path, 0o700)
}

// replace writes a file as a whole: at any time it has its old content or its new one.
func (d *dir) replace(name string, content []byte) error {
	if err := d.remove(newName); err != nil { // what a killed process left
		return err
	}
	err := d.writeNew(content)
	if err == nil {
		err = d.step("rename " + newName + " to " + name)
	}
	if err == nil {
		err = d.root.Rename(newName, name)
	}
	if err != nil {
		return errors.Join(err, d.remove(newName))
	}
	return nil
}

func (d *dir) writeNew(content []byte) error {
	if err := d.step("create " + newName); err != nil {
		return err
	}
	f, err := d.root.OpenFile(newName, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = d.step("write " + newName)
	if err == nil {
		_, err = f.Write(content)
	}
	if err == nil {
		err = f.Sync() // costs nothing in /run; on a disk, a crash of the machine must not leave a lease without an owner
	}
	return errors.Join(err, f.Close())
}

// remove removes a file; one that is not there is no error.
func (d *dir) remove(name string) error {
	if err := d.step("remove " + name); err != nil {
		return err
	}
	return ignoreMissing(d.root.Remove(name))
}

// link gives a file a second name, if that is free.
func (d *dir) link(name, second string) error {
	if err := d.step("link " + second); err != nil {
		return err
	}
	return d.root.Link(name, second)
}

// taken says whether an address has a file.
func (d *dir) taken(a netip.Addr) (bool, error) {
	if err := d.step("look for " + a.String()); err != nil {
		return false, err
	}
	_, err := d.root.Lstat(a.String())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// names are all names in the directory.
func (d *dir) names() ([]string, error) {
	if err := d.step("list"); err != nil {
		return nil, err
	}
	f, err := d.root.Open(".")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}

// read is a file's content, nil if it is missing or no regular file. Ours are short; of any other only the beginning
// is read.
func (d *dir) read(name string) ([]byte, error) {
	if err := d.step("read " + name); err != nil {
		return nil, err
	}
	info, err := d.root.Lstat(name)
	if err != nil || !info.Mode().IsRegular() {
		return nil, ignoreMissing(err)
	}
	f, err := d.root.Open(name)
	if err != nil {
		return nil, ignoreMissing(err)
	}
	defer f.Close()
	data := make([]byte, min(info.Size(), 64<<10))
	n, err := io.ReadFull(f, data)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return data[:n], nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// record is an owner file, and by its hard links each address file.
type record struct {
	file      string // its name as owner file
	tag       string
	addresses []netip.Addr
}

func recordName(o owner.Owner) string { return ownerPrefix + o.Hash(24) }

func (r record) bytes() []byte {
	text := r.tag + "\n"
	for _, a := range r.addresses {
		text += a.String() + "\n"
	}
	return []byte(text)
}

// readRecord reads an owner file. ok is false when it is missing, or is none.
func (d *dir) readRecord(name string) (r record, ok bool, err error) {
	data, err := d.read(name)
	if err != nil {
		return record{}, false, err
	}
	lines := strings.Split(string(data), "\n")
	if !strings.HasPrefix(lines[0], owner.Prefix) {
		return record{}, false, nil
	}
	r = record{file: name, tag: lines[0]}
	for _, line := range lines[1:] {
		if a, err := parseAddr(line); err == nil {
			r.addresses = append(r.addresses, a)
		}
	}
	return r, true, nil
}

// holder is the tag of whoever holds the address: "" when nobody does, or the file has none.
func (d *dir) holder(a netip.Addr) (tag string, err error) {
	r, _, err := d.readRecord(a.String())
	return r.tag, err
}

// missing are the record's addresses that are not its owner's.
func (d *dir) missing(r record) ([]netip.Addr, error) {
	var missing []netip.Addr
	for _, a := range r.addresses {
		tag, err := d.holder(a)
		if err != nil {
			return nil, err
		}
		if tag != r.tag {
			missing = append(missing, a)
		}
	}
	return missing, nil
}

// take writes the record, then takes its addresses. After an error nothing of it is there.
func (d *dir) take(r record, h *hints) error {
	err := d.replace(r.file, r.bytes())
	if err == nil {
		err = d.linkAll(r, r.addresses, h)
	}
	if err == nil {
		err = h.flush()
	}
	if err != nil {
		return errors.Join(err, d.giveBack(r, h))
	}
	return nil
}

// linkAll takes addresses for the record's owner.
func (d *dir) linkAll(r record, addresses []netip.Addr, h *hints) error {
	for _, a := range addresses {
		err := d.link(r.file, a.String())
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("address %s was taken meanwhile by a process that does not hold the pool's lock: %w", a, err)
		}
		if err == nil {
			err = h.set(a, true)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// giveBack frees the record's addresses, as far as they are its owner's, then removes it. The bits go first: one that
// stayed would hide a free address, one that is missing is found out.
func (d *dir) giveBack(r record, h *hints) error {
	var own []netip.Addr
	for _, a := range r.addresses {
		tag, err := d.holder(a)
		if err != nil {
			return err
		}
		if tag == r.tag {
			own = append(own, a)
		} else if taken, err := d.taken(a); err != nil {
			return err
		} else if taken {
			continue
		}
		// Also of an address whose file somebody has removed: its bit would hide it.
		if err := h.set(a, false); err != nil {
			return err
		}
	}
	if err := h.flush(); err != nil {
		return err
	}
	for _, a := range own {
		if err := d.remove(a.String()); err != nil {
			return err
		}
	}
	return d.remove(r.file)
}
