// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/nlsock"
)

// getAtOnce is how many single objects are asked for with one sendmsg: as many answers, of up to 8 KiB of kernel memory
// each (NLMSG_GOODSIZE), fit the default receive buffer of 208 KiB.
const getAtOnce = 16

// maxRestarts ends a dump that other transactions keep changing under our hands.
const maxRestarts = 100

// Object is a counter.
type Object struct {
	Name, Comment string
	// Use is the number of elements and rules that refer to it.
	Use uint32
}

// Elements looks elements up by their keys. The list is as long as keys; an element that does not exist is nil, also
// when the set or the table does not.
func (c *Conn) Elements(table Table, s *Set, keys ...[]byte) ([]*Element, error) {
	in := InSet{Set: s, Elements: make([]Element, len(keys))}
	for i, key := range keys {
		in.Elements[i].Key = key
	}
	found, err := c.ElementsOf(table, in)
	if err != nil {
		return nil, err
	}
	return found[0], nil
}

// ElementsOf looks up, by their keys, elements of several sets. The lists are those of the sets, see Elements.
func (c *Conn) ElementsOf(table Table, ins ...InSet) ([][]*Element, error) {
	found := make([][]*Element, len(ins))
	type place struct{ set, element int }
	var places []place
	for i, in := range ins {
		found[i] = make([]*Element, len(in.Elements))
		for j := range in.Elements {
			places = append(places, place{i, j})
		}
	}
	err := c.get(len(places), func(w *nlsock.Writer, i int, seq uint32) {
		at := places[i]
		w.BeginGen(get(unix.NFT_MSG_GETSETELEM), 0, seq, table.Family, 0)
		w.Text(unix.NFTA_SET_ELEM_LIST_TABLE, table.Name)
		w.Text(unix.NFTA_SET_ELEM_LIST_SET, ins[at.set].Set.Name)
		list := w.Nest(unix.NFTA_SET_ELEM_LIST_ELEMENTS)
		writeElement(w, Element{Key: ins[at.set].Elements[at.element].Key})
		w.CloseNest(list)
		w.End()
	}, func(i int, m nlsock.Message) {
		eachElement(m, func(e Element) { found[places[i].set][places[i].element] = &e })
	})
	if err != nil {
		return nil, fmt.Errorf("look up elements of table %v: %w", table, err)
	}
	return found, nil
}

// Counters looks counters up by name; one that does not exist is nil.
func (c *Conn) Counters(table Table, names ...string) ([]*Object, error) {
	found := make([]*Object, len(names))
	err := c.get(len(names), func(w *nlsock.Writer, i int, seq uint32) {
		w.BeginGen(get(unix.NFT_MSG_GETOBJ), 0, seq, table.Family, 0)
		w.Text(unix.NFTA_OBJ_TABLE, table.Name)
		w.Text(unix.NFTA_OBJ_NAME, names[i])
		w.Uint32(unix.NFTA_OBJ_TYPE, unix.NFT_OBJECT_COUNTER)
		w.End()
	}, func(i int, m nlsock.Message) { found[i] = parseObject(m) })
	if err != nil {
		return nil, fmt.Errorf("look up counters: %w", err)
	}
	return found, nil
}

// AllCounters lists the counters of the table. It costs what the table has of them.
func (c *Conn) AllCounters(table Table) ([]*Object, error) {
	var all []*Object
	err := c.dump(unix.NFT_MSG_GETOBJ, table.Family, func(w *nlsock.Writer) {
		w.Text(unix.NFTA_OBJ_TABLE, table.Name)
		w.Uint32(unix.NFTA_OBJ_TYPE, unix.NFT_OBJECT_COUNTER)
	}, func() { all = nil }, func(m nlsock.Message) { all = append(all, parseObject(m)) })
	if err != nil {
		return nil, fmt.Errorf("list the counters of table %v: %w", table, err)
	}
	return all, nil
}

func parseObject(m nlsock.Message) *Object {
	o := &Object{}
	nlsock.EachAttr(nlsock.GenAttrs(m.Body), func(kind uint16, value []byte) {
		switch kind {
		case unix.NFTA_OBJ_NAME:
			o.Name = nlsock.CString(value)
		case unix.NFTA_OBJ_USE:
			o.Use = binary.BigEndian.Uint32(value)
		case attrObjectUserdata:
			o.Comment = comment(value)
		}
	})
	return o
}

// HasChains says of each name whether the chain exists.
func (c *Conn) HasChains(table Table, names ...string) ([]bool, error) {
	found := make([]bool, len(names))
	err := c.get(len(names), func(w *nlsock.Writer, i int, seq uint32) {
		w.BeginGen(get(unix.NFT_MSG_GETCHAIN), 0, seq, table.Family, 0)
		w.Text(unix.NFTA_CHAIN_TABLE, table.Name)
		w.Text(unix.NFTA_CHAIN_NAME, names[i])
		w.End()
	}, func(i int, _ nlsock.Message) { found[i] = true })
	if err != nil {
		return nil, fmt.Errorf("look up chains of table %v: %w", table, err)
	}
	return found, nil
}

// HasSets says of each set whether it exists.
func (c *Conn) HasSets(table Table, sets ...*Set) ([]bool, error) {
	found := make([]bool, len(sets))
	err := c.get(len(sets), func(w *nlsock.Writer, i int, seq uint32) {
		w.BeginGen(get(unix.NFT_MSG_GETSET), 0, seq, table.Family, 0)
		w.Text(unix.NFTA_SET_TABLE, table.Name)
		w.Text(unix.NFTA_SET_NAME, sets[i].Name)
		w.End()
	}, func(i int, _ nlsock.Message) { found[i] = true })
	if err != nil {
		return nil, fmt.Errorf("look up sets of table %v: %w", table, err)
	}
	return found, nil
}

func get(kind uint16) uint16 { return unix.NFNL_SUBSYS_NFTABLES<<8 | kind }

// get asks for n single objects, several with one sendmsg. Each has one answer: itself or ENOENT.
func (c *Conn) get(n int, ask func(w *nlsock.Writer, i int, seq uint32), answer func(i int, m nlsock.Message)) error {
	for done := 0; done < n; done += getAtOnce {
		var w nlsock.Writer
		first := c.sock.NextSeq() + 1
		for i := done; i < min(done+getAtOnce, n); i++ {
			ask(&w, i, c.sock.NextSeq())
		}
		if err := c.sock.Send(w.Buf); err != nil {
			return err
		}
		err := c.sock.ReadAll(func(m nlsock.Message) error {
			i := int(m.Seq - first)
			if i < 0 || i >= getAtOnce {
				return nil
			}
			if m.Kind != unix.NLMSG_ERROR {
				answer(done+i, m)
				return nil
			}
			if r := nlsock.ParseRefusal(m); r.Errno != 0 && r.Errno != unix.ENOENT {
				return r.Errno
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Dump calls f for every element of a set; a set that does not exist has none. Other transactions at the same time may
// make f see elements twice: restart is called before it starts anew. It costs what the set holds; use Elements to find
// some.
func (c *Conn) Dump(table Table, s *Set, restart func(), f func(Element)) error {
	err := c.dump(unix.NFT_MSG_GETSETELEM, table.Family, func(w *nlsock.Writer) {
		w.Text(unix.NFTA_SET_ELEM_LIST_TABLE, table.Name)
		w.Text(unix.NFTA_SET_ELEM_LIST_SET, s.Name)
	}, restart, func(m nlsock.Message) { eachElement(m, f) })
	if err != nil {
		return fmt.Errorf("list set %s: %w", s.Name, err)
	}
	return nil
}

// Rules lists the rules of one chain, or with "" of all chains of the table: chains, comments and handles, not
// expressions. What does not exist has none.
func (c *Conn) Rules(table Table, chain string) ([]Rule, error) {
	var rules []Rule
	err := c.dump(unix.NFT_MSG_GETRULE, table.Family, func(w *nlsock.Writer) {
		w.Text(unix.NFTA_RULE_TABLE, table.Name)
		if chain != "" {
			w.Text(unix.NFTA_RULE_CHAIN, chain)
		}
	}, func() { rules = nil }, func(m nlsock.Message) {
		var r Rule
		nlsock.EachAttr(nlsock.GenAttrs(m.Body), func(kind uint16, value []byte) {
			switch kind {
			case unix.NFTA_RULE_CHAIN:
				r.Chain = nlsock.CString(value)
			case unix.NFTA_RULE_HANDLE:
				r.Handle = binary.BigEndian.Uint64(value)
			case unix.NFTA_RULE_USERDATA:
				r.Comment = comment(value)
			}
		})
		rules = append(rules, r)
	})
	if err != nil {
		return nil, fmt.Errorf("list the rules of table %v: %w", table, err)
	}
	return rules, nil
}

// dump asks for a list. The kernel says in NLM_F_DUMP_INTR that the list changed meanwhile; then it starts again.
func (c *Conn) dump(kind uint16, family uint8, where func(*nlsock.Writer), restart func(),
	f func(nlsock.Message)) error {
	for range maxRestarts {
		var w nlsock.Writer
		seq, torn := c.sock.NextSeq(), false
		w.BeginGen(get(kind), unix.NLM_F_DUMP, seq, family, 0)
		where(&w)
		w.End()
		if err := c.sock.Send(w.Buf); err != nil {
			return err
		}
		err := c.sock.ReadAll(func(m nlsock.Message) error {
			if m.Seq != seq {
				return nil
			}
			torn = torn || m.Flags&unix.NLM_F_DUMP_INTR != 0
			if m.Kind == unix.NLMSG_ERROR || m.Kind == unix.NLMSG_DONE {
				// A list of something that does not exist is empty.
				if r := nlsock.ParseRefusal(m); r.Errno != 0 && r.Errno != unix.ENOENT {
					return r.Errno
				}
				return nil
			}
			f(m)
			return nil
		})
		if !torn && !errors.Is(err, unix.EINTR) {
			return err
		}
		restart()
	}
	return fmt.Errorf("the table changed %d times while it was read: %w", maxRestarts, unix.EAGAIN)
}

// eachElement reads the elements of a NFT_MSG_NEWSETELEM.
func eachElement(m nlsock.Message, f func(Element)) {
	nlsock.EachAttr(nlsock.GenAttrs(m.Body), func(kind uint16, list []byte) {
		if kind != unix.NFTA_SET_ELEM_LIST_ELEMENTS {
			return
		}
		nlsock.EachAttr(list, func(_ uint16, item []byte) {
			var e Element
			nlsock.EachAttr(item, func(kind uint16, value []byte) {
				switch kind {
				case unix.NFTA_SET_ELEM_KEY:
					e.Key = dataValue(value)
				case unix.NFTA_SET_ELEM_DATA:
					e.Data = dataValue(value)
				case unix.NFTA_SET_ELEM_OBJREF:
					e.Object = nlsock.CString(value)
				case unix.NFTA_SET_ELEM_USERDATA:
					e.Comment = comment(value)
				}
			})
			f(e)
		})
	})
}

// dataValue copies the NFTA_DATA_VALUE out of the receive buffer.
func dataValue(nested []byte) (value []byte) {
	nlsock.EachAttr(nested, func(kind uint16, v []byte) {
		if kind == unix.NFTA_DATA_VALUE {
			value = append([]byte(nil), v...)
		}
	})
	return value
}
