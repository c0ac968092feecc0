// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"errors"
	"net/netip"
	"os"
	"strings"
)

// A block is what one file of bits stands for: as many addresses as a page has bits, since a page is what a file of
// tmpfs takes at least. Blocks are cut by the address alone, so that they fit whatever the ranges become.
const (
	blockBytes = 4096
	blockSize  = blockBytes * 8
)

// hints say which addresses are leased, as far as known: where a search may skip, never what is free.
type hints struct {
	dir     *dir
	blocks  map[netip.Addr]*block // by their first address
	rebuilt bool
}

type block struct {
	bits    [blockBytes]byte
	changed bool
}

func newHints(d *dir) *hints { return &hints{dir: d, blocks: map[netip.Addr]*block{}} }

// blockOf is the first address of the block, and the address's number in it.
func blockOf(a netip.Addr) (base netip.Addr, i int) {
	b := a.AsSlice()
	n := len(b)
	i = int(b[n-2]&0x7f)<<8 | int(b[n-1])
	b[n-2] &= 0x80
	b[n-1] = 0
	base, _ = netip.AddrFromSlice(b)
	return base, i
}

// inBlock is the address of that number.
func inBlock(base netip.Addr, i int) netip.Addr {
	b := base.AsSlice()
	n := len(b)
	b[n-2] |= byte(i >> 8)
	b[n-1] = byte(i)
	a, _ := netip.AddrFromSlice(b)
	return a
}

func (h *hints) block(base netip.Addr) (*block, error) {
	if b := h.blocks[base]; b != nil {
		return b, nil
	}
	data, err := h.dir.read(usedPrefix + base.String())
	if err != nil {
		return nil, err
	}
	b := &block{}
	copy(b.bits[:], data)
	// A process that was killed between making the file and writing it leaves one without a bit: it is to go.
	b.changed = data != nil && b.empty()
	h.blocks[base] = b
	return b, nil
}

// set notes whether an address is leased, until flush in memory only.
func (h *hints) set(a netip.Addr, leased bool) error {
	base, i := blockOf(a)
	b, err := h.block(base)
	if err == nil {
		b.set(i, leased)
	}
	return err
}

func (b *block) empty() bool { return b.bits == [blockBytes]byte{} }

func (b *block) set(i int, leased bool) {
	bit := byte(1) << (i % 8)
	if was := b.bits[i/8]&bit != 0; was != leased {
		b.bits[i/8] ^= bit
		b.changed = true
	}
}

// next is the first address from a to last that is not known to be leased.
func (h *hints) next(a, last netip.Addr) (free netip.Addr, ok bool, err error) {
	end, lastInEnd := blockOf(last)
	for {
		base, i := blockOf(a)
		limit := blockSize - 1
		if base == end {
			limit = lastInEnd
		}
		b, err := h.block(base)
		if err != nil {
			return netip.Addr{}, false, err
		}
		if i = b.clear(i, limit); i <= limit {
			return inBlock(base, i), true, nil
		}
		if base == end {
			return netip.Addr{}, false, nil
		}
		a = inBlock(base, blockSize-1).Next()
	}
}

// clear is the first clear bit from i to limit, or something larger.
func (b *block) clear(i, limit int) int {
	for i <= limit {
		switch {
		case i%8 == 0 && b.bits[i/8] == 0xff:
			i += 8
		case b.bits[i/8]&(1<<(i%8)) != 0:
			i++
		default:
			return i
		}
	}
	return i
}

// flush writes what changed. A file without a bit set goes.
func (h *hints) flush() error {
	for base, b := range h.blocks {
		if !b.changed {
			continue
		}
		if err := h.write(usedPrefix+base.String(), b); err != nil {
			return err
		}
		b.changed = false
	}
	return nil
}

func (h *hints) write(name string, b *block) error {
	if b.empty() {
		return h.dir.remove(name)
	}
	if err := h.dir.step("write " + name); err != nil {
		return err
	}
	f, err := h.dir.root.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b.bits[:], 0)
	return errors.Join(err, f.Close())
}

// rebuild makes the bits anew from the directory and returns the addresses that have a file.
func (h *hints) rebuild() (leased []netip.Addr, err error) {
	names, err := h.dir.names()
	if err != nil {
		return nil, err
	}
	blocks := map[netip.Addr]*block{}
	for _, name := range names {
		if first, ok := strings.CutPrefix(name, usedPrefix); ok {
			if base, err := netip.ParseAddr(first); err == nil {
				blocks[base] = &block{changed: true}
			}
		}
	}
	for _, name := range names {
		a, err := netip.ParseAddr(name)
		if err != nil || a.String() != name {
			continue
		}
		base, i := blockOf(a)
		if blocks[base] == nil {
			blocks[base] = &block{}
		}
		blocks[base].set(i, true)
		leased = append(leased, a)
	}
	h.blocks, h.rebuilt = blocks, true
	return leased, nil
}

// position is where the walk through the ranges stands: the addresses leased last, oldest first. It is shared by all
// range sets, so that an address is found in its set whatever the order in which requests bring theirs.
type position []netip.Addr

// maxPosition is how many sets the position knows; requests that bring ranges of their own could make it grow for ever.
const maxPosition = 16

func (d *dir) position() (position, error) {
	data, err := d.read(positionName)
	var p position
	for line := range strings.Lines(string(data)) {
		if a, err := parseAddr(strings.TrimSpace(line)); err == nil {
			p = append(p, a)
		}
	}
	return p, err
}

// of is the address of the set that was leased last.
func (p position) of(s set) (netip.Addr, bool) {
	for i := len(p) - 1; i >= 0; i-- {
		if _, ok := s.find(p[i]); ok {
			return p[i], true
		}
	}
	return netip.Addr{}, false
}

// moved is the position after the address of the set was leased.
func (p position) moved(s set, a netip.Addr) position {
	var q position
	for _, old := range p {
		if _, ok := s.find(old); !ok {
			q = append(q, old)
		}
	}
	q = append(q, a)
	return q[max(0, len(q)-maxPosition):]
}

func (p position) bytes() []byte {
	text := ""
	for _, a := range p {
		text += a.String() + "\n"
	}
	return []byte(text)
}
