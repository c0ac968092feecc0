// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/digest"
)

// Register remembers in the kernel what each owner has in shared sets, so that it can be found and deleted by the
// owner's tag alone, without listing what others have.
//
// It is a set of its own. An owner has the keys HASH . 0, HASH . 1 and so on; their comments are its tag and then lines
// of text that say which elements are its own ("ports-any4 tcp . 80,8000-8099") and what else the link wants to
// remember ("note netns ..."). They are written and deleted in the same transaction as the elements that they speak of.
//
// One chain per owner, its rules' comments the lines, would read as well, and was tried: every transaction on the host,
// whatever it changes, walks all chains (nf_tables_commit in net/netfilter/nf_tables_api.c), so that an ADD became
// three times slower with 5,000 attachments. An element costs the same however many there are.
type Register struct {
	table Table
	set   *Set
	sets  func() []*Set
	more  func(name string) *Set
	count string
}

// NewRegister describes the register called name.
func NewRegister(table Table, name string) *Register {
	none := func() []*Set { return nil }
	return &Register{table: table, set: &Set{Name: name, Key: []Type{IfName, InetService}}, sets: none}
}

// Of gives the sets that owners have elements in. They are asked for when they are needed: a register is a variable of
// a program, most of whose calls do without. It returns r.
func (r *Register) Of(sets func() []*Set) *Register {
	r.sets = sets
	return r
}

// Also adds sets that are made as they are needed: of a name that Of has not given, find says which set it is,
// or nil. It returns r.
func (r *Register) Also(find func(name string) *Set) *Register {
	r.more = find
	return r
}

// Counted makes the register's elements refer to a counter of that name, to be made along with the set
// ([Tx.AddCounter]): [Register.Delete] then deletes and returns it with the last owner, which has to clear
// away the register itself. It returns r.
func (r *Register) Counted(counter string) *Register {
	r.count, r.set.Objects = counter, true
	return r
}

func (r *Register) find(name string) *Set {
	for _, s := range r.sets() {
		if s.Name == name {
			return s
		}
	}
	if r.more == nil {
		return nil
	}
	return r.more(name)
}

// Set is the register's own set, to be made along with the other sets.
func (r *Register) Set() *Set { return r.set }

// Holding is what one owner has.
type Holding struct {
	// Owner is the tag. It is the comment of each of the elements.
	Owner string
	// Notes are what the link wants to read on DEL; a line has any length, but no line break.
	Notes []string
	// Elements are the owner's elements in the shared sets. Add makes the owner's tag their comment; what Get returns has
	// their keys alone.
	Elements []InSet

	lines int // in the register, of what Get returns
	// others: somebody else has elements too, who is not in the register either.
	others bool
}

// Recorded says whether the register has the holding. When somebody has emptied the register, Get and Owners find
// elements by what stands at each of them, as DEL needs it; for CHECK they are not as they should be.
func (h *Holding) Recorded() bool { return h != nil && h.lines > 0 }

// InSet is some elements of one set.
type InSet struct {
	Set      *Set
	Elements []Element
}

// maxComment is the longest comment that nft prints and reads, without the NUL (NFTNL_UDATA_COMMENT_MAXLEN of
// libnftnl).
const maxComment = 127

const notePrefix, moreNotePrefix = "note ", "note+ "

// Add writes the holding and its elements into the transaction. It fails with EEXIST when the owner is there already,
// or when one of the elements is somebody's.
func (r *Register) Add(tx *Tx, h Holding) {
	lines := []string{h.Owner}
	for _, note := range h.Notes {
		lines = append(lines, noteLines(note)...)
	}
	for _, in := range h.Elements {
		lines = append(lines, keyLines(in.Set, in.Elements)...)
	}
	records := make([]Element, len(lines))
	for i, line := range lines {
		records[i] = Element{Key: recordKey(h.Owner, i), Object: r.count, Comment: line}
	}
	tx.AddElements(r.set, records...)
	for _, in := range h.Elements {
		for i := range in.Elements {
			in.Elements[i].Comment = h.Owner
		}
		tx.AddElements(in.Set, in.Elements...)
	}
}

// usualLines is more than most owners have, so that one question will do, and not much more: each line that is not
// there is an answer, too.
const usualLines = 12

// Get finds what an owner has; nil when it is not there. It costs what the owner has, and asks once for what few lines
// hold.
func (r *Register) Get(c *Conn, owner string) (*Holding, error) {
	var lines []string
	for ask := usualLines; ; ask = getAtOnce {
		keys := make([][]byte, ask)
		for i := range keys {
			keys[i] = recordKey(owner, len(lines)+i)
		}
		found, err := c.Elements(r.table, r.set, keys...)
		if err != nil {
			return nil, err
		}
		for _, e := range found {
			if e == nil && len(lines) == 0 {
				return r.lost(c, owner)
			}
			if e == nil {
				return r.parse(owner, lines)
			}
			lines = append(lines, e.Comment)
		}
	}
}

// Delete writes into the transaction the deletion of what the holdings say, after looking up which of the elements
// exist and still carry the owner's tag: what somebody else has put there meanwhile is not touched. Counters that only
// these elements refer to are deleted too, and returned: what they stand for has no user any more.
func (r *Register) Delete(c *Conn, tx *Tx, holdings ...*Holding) (freed []*Object, err error) {
	references := map[string]uint32{}
	for _, h := range holdings {
		found, err := c.ElementsOf(r.table, h.Elements...)
		if err != nil {
			return nil, err
		}
		for i, in := range h.Elements {
			own := owned(found[i], h.Owner)
			for _, e := range own {
				if e.Object != "" {
					references[e.Object]++
				}
			}
			tx.DeleteElements(in.Set, own...)
		}
		for i := range h.lines {
			tx.DeleteElements(r.set, Element{Key: recordKey(h.Owner, i)})
		}
		if r.count != "" && !h.others {
			references[r.count] += uint32(h.lines)
		}
	}
	if slices.ContainsFunc(holdings, func(h *Holding) bool { return h.others }) {
		delete(references, r.count)
	}
	counters, err := c.Counters(r.table, slices.Sorted(maps.Keys(references))...)
	if err != nil {
		return nil, err
	}
	for _, counter := range counters {
		if counter != nil && counter.Use == references[counter.Name] {
			tx.DeleteCounter(counter.Name)
			freed = append(freed, counter)
		}
	}
	return freed, nil
}

// owned are those of the elements that exist and carry the owner's tag.
func owned(found []*Element, owner string) (own []Element) {
	for _, e := range found {
		if e != nil && e.Comment == owner {
			own = append(own, *e)
		}
	}
	return own
}

// Owners lists the tags of all that are in the register and start with prefix. It costs what the register holds.
func (r *Register) Owners(c *Conn, prefix string) ([]string, error) {
	seen := map[string]bool{}
	var owners []string
	err := c.Dump(r.table, r.set, func() {}, func(e Element) {
		first := len(e.Key) == length(r.set.Key) && e.Key[unix.IFNAMSIZ] == 0 && e.Key[unix.IFNAMSIZ+1] == 0
		if first && strings.HasPrefix(e.Comment, prefix) && !seen[e.Comment] {
			seen[e.Comment] = true
			owners = append(owners, e.Comment)
		}
	})
	if err != nil || len(owners) > 0 {
		return owners, err
	}
	err = r.each(c, func(_ *Set, e Element) {
		if strings.HasPrefix(e.Comment, prefix) && !seen[e.Comment] {
			seen[e.Comment] = true
			owners = append(owners, e.Comment)
		}
	})
	return owners, err
}

// recordKey is the key of an owner's i-th line. The first field has room for 15 characters: 75 bits of a hash.
func recordKey(owner string, i int) []byte {
	h := digest.Sum(owner)
	var name [unix.IFNAMSIZ - 1]byte
	for at := range name {
		bit := 5 * at
		word := binary.BigEndian.Uint16(h[bit/8:])
		name[at] = "abcdefghijklmnopqrstuvwxyz234567"[word>>(11-bit%8)&31]
	}
	return Join(Name(string(name[:])), Port(uint16(i)))
}

// parse reads the lines of an owner.
func (r *Register) parse(owner string, lines []string) (*Holding, error) {
	if len(lines) == 0 {
		return nil, nil
	}
	if lines[0] != owner {
		return nil, fmt.Errorf("look up %s in set %s: its key is taken by %q", owner, r.set.Name, lines[0])
	}
	h := &Holding{Owner: owner, lines: len(lines)}
	bySet := map[string]int{}
	for _, line := range lines[1:] {
		if rest, ok := strings.CutPrefix(line, notePrefix); ok {
			h.Notes = append(h.Notes, rest)
			continue
		}
		if rest, ok := strings.CutPrefix(line, moreNotePrefix); ok && len(h.Notes) > 0 {
			h.Notes[len(h.Notes)-1] += rest
			continue
		}
		name, keys, _ := strings.Cut(line, " ")
		set := r.find(name)
		if set == nil {
			return nil, fmt.Errorf("look up %s in set %s: it has elements in an unknown set: %q", owner, r.set.Name, line)
		}
		elems, err := parseKeys(set, keys)
		if err != nil {
			return nil, fmt.Errorf("look up %s in set %s: %w", owner, r.set.Name, err)
		}
		at, ok := bySet[name]
		if !ok {
			at = len(h.Elements)
			bySet[name] = at
			h.Elements = append(h.Elements, InSet{Set: set})
		}
		h.Elements[at].Elements = append(h.Elements[at].Elements, elems...)
	}
	return h, nil
}
