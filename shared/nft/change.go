// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"golang.org/x/sys/unix"
)

// What golang.org/x/sys does not name: NFTA_OBJ_USERDATA of linux/netfilter/nf_tables.h and NF_ACCEPT of
// linux/netfilter.h.
const (
	attrObjectUserdata = 8
	accept             = 1
)

// maxElements is the bytes of elements that go into one message: the attribute around them has 16 bits for its length.
const maxElements = 60 << 10

// AddTable makes the table unless it exists.
func (tx *Tx) AddTable() {
	tx.begin(unix.NFT_MSG_NEWTABLE, unix.NLM_F_CREATE, "add table "+tx.table.String())
	tx.w.text(unix.NFTA_TABLE_NAME, tx.table.Name)
	tx.w.end()
}

// DeleteTable deletes the table with all it holds.
func (tx *Tx) DeleteTable() {
	tx.begin(unix.NFT_MSG_DELTABLE, 0, "delete table "+tx.table.String())
	tx.w.text(unix.NFTA_TABLE_NAME, tx.table.Name)
	tx.w.end()
}

// AddChain makes the chain unless it exists.
func (tx *Tx) AddChain(c Chain) {
	tx.begin(unix.NFT_MSG_NEWCHAIN, unix.NLM_F_CREATE, "add chain "+c.Name)
	tx.w.text(unix.NFTA_CHAIN_TABLE, tx.table.Name)
	tx.w.text(unix.NFTA_CHAIN_NAME, c.Name)
	if c.Hook != nil {
		at := tx.w.nest(unix.NFTA_CHAIN_HOOK)
		tx.w.number(unix.NFTA_HOOK_HOOKNUM, c.Hook.Num)
		tx.w.number(unix.NFTA_HOOK_PRIORITY, uint32(c.Hook.Priority))
		tx.w.closeNest(at)
		tx.w.text(unix.NFTA_CHAIN_TYPE, c.Hook.Type)
		tx.w.number(unix.NFTA_CHAIN_POLICY, accept)
	}
	tx.w.end()
}

// FlushChain deletes the rules of a chain.
func (tx *Tx) FlushChain(name string) {
	tx.begin(unix.NFT_MSG_DELRULE, 0, "flush chain "+name)
	tx.w.text(unix.NFTA_RULE_TABLE, tx.table.Name)
	tx.w.text(unix.NFTA_RULE_CHAIN, name)
	tx.w.end()
}

// DeleteChain deletes a chain, which no rule may jump to, with its rules.
func (tx *Tx) DeleteChain(name string) {
	tx.begin(unix.NFT_MSG_DELCHAIN, 0, "delete chain "+name)
	tx.w.text(unix.NFTA_CHAIN_TABLE, tx.table.Name)
	tx.w.text(unix.NFTA_CHAIN_NAME, name)
	tx.w.end()
}

// AddRule appends a rule to a chain. Adding it again gives it twice: flush the chain first, in the same transaction.
func (tx *Tx) AddRule(chain string, r Rule) error {
	return tx.addRule(chain, r, unix.NLM_F_APPEND)
}

// InsertRule puts a rule before all others of a chain.
func (tx *Tx) InsertRule(chain string, r Rule) error {
	return tx.addRule(chain, r, 0)
}

func (tx *Tx) addRule(chain string, r Rule, flags uint16) error {
	what := "add rule to chain " + chain
	if r.Comment != "" {
		what += " (" + r.Comment + ")"
	}
	exprs := make([][]byte, len(r.Exprs))
	for i, e := range r.Exprs {
		data, err := expr.Marshal(tx.table.Family, e)
		if err != nil {
			return &Error{Op: what, Errno: unix.EINVAL, Message: err.Error()}
		}
		exprs[i] = data
	}
	tx.begin(unix.NFT_MSG_NEWRULE, unix.NLM_F_CREATE|flags, what)
	tx.w.text(unix.NFTA_RULE_TABLE, tx.table.Name)
	tx.w.text(unix.NFTA_RULE_CHAIN, chain)
	at := tx.w.nest(unix.NFTA_RULE_EXPRESSIONS)
	for _, data := range exprs {
		tx.w.bytes(unix.NFTA_LIST_ELEM|unix.NLA_F_NESTED, data)
	}
	tx.w.closeNest(at)
	tx.comment(unix.NFTA_RULE_USERDATA, userdata.TypeComment, r.Comment)
	tx.w.end()
	return nil
}

// DeleteRule deletes one rule by the handle that Rules has given.
func (tx *Tx) DeleteRule(chain string, handle uint64) {
	tx.begin(unix.NFT_MSG_DELRULE, 0, "delete rule of chain "+chain)
	tx.w.text(unix.NFTA_RULE_TABLE, tx.table.Name)
	tx.w.text(unix.NFTA_RULE_CHAIN, chain)
	tx.w.number64(unix.NFTA_RULE_HANDLE, handle)
	tx.w.end()
}

// AddSet makes the set unless it exists.
func (tx *Tx) AddSet(s *Set) {
	tx.begin(unix.NFT_MSG_NEWSET, unix.NLM_F_CREATE, "add set "+s.Name)
	tx.w.text(unix.NFTA_SET_TABLE, tx.table.Name)
	tx.w.text(unix.NFTA_SET_NAME, s.Name)
	tx.w.number(unix.NFTA_SET_ID, tx.conn.seq)
	tx.w.number(unix.NFTA_SET_KEY_TYPE, number(s.Key))
	tx.w.number(unix.NFTA_SET_KEY_LEN, uint32(length(s.Key)))
	var flags uint32
	switch {
	case s.Objects:
		flags |= unix.NFT_SET_OBJECT
		tx.w.number(unix.NFTA_SET_OBJ_TYPE, unix.NFT_OBJECT_COUNTER)
	case s.Verdicts:
		flags |= unix.NFT_SET_MAP
		tx.w.number(unix.NFTA_SET_DATA_TYPE, verdictType)
	case s.Data != nil:
		flags |= unix.NFT_SET_MAP
		tx.w.number(unix.NFTA_SET_DATA_TYPE, number(s.Data))
		tx.w.number(unix.NFTA_SET_DATA_LEN, uint32(length(s.Data)))
	}
	if flags != 0 {
		tx.w.number(unix.NFTA_SET_FLAGS, flags)
	}
	tx.w.end()
}

// DeleteSet deletes a set with its elements; no rule may use it.
func (tx *Tx) DeleteSet(s *Set) {
	tx.begin(unix.NFT_MSG_DELSET, 0, "delete set "+s.Name)
	tx.w.text(unix.NFTA_SET_TABLE, tx.table.Name)
	tx.w.text(unix.NFTA_SET_NAME, s.Name)
	tx.w.end()
}

// AddElements adds elements that must not exist: a key that is taken fails with EEXIST, whatever its value, and the
// error names the element.
func (tx *Tx) AddElements(s *Set, elems ...Element) {
	tx.elements(s, elems, unix.NFT_MSG_NEWSETELEM, unix.NLM_F_CREATE|unix.NLM_F_EXCL, "add element to set "+s.Name)
}

// DeleteElements deletes elements by their keys; one that does not exist fails with ENOENT.
func (tx *Tx) DeleteElements(s *Set, elems ...Element) {
	keys := make([]Element, len(elems))
	for i, e := range elems {
		keys[i] = Element{Key: e.Key}
	}
	tx.elements(s, keys, unix.NFT_MSG_DELSETELEM, 0, "delete element of set "+s.Name)
}

// elements writes as many messages as the elements need.
func (tx *Tx) elements(s *Set, elems []Element, kind int, flags uint16, what string) {
	for len(elems) > 0 {
		tx.begin(kind, flags, what)
		tx.w.text(unix.NFTA_SET_ELEM_LIST_TABLE, tx.table.Name)
		tx.w.text(unix.NFTA_SET_ELEM_LIST_SET, s.Name)
		at := tx.w.nest(unix.NFTA_SET_ELEM_LIST_ELEMENTS)
		op := &tx.ops[len(tx.ops)-1]
		op.set = s
		n := 0
		for n < len(elems) && len(tx.w.buf)-at < maxElements {
			tx.w.element(elems[n])
			op.ends = append(op.ends, len(tx.w.buf)-tx.w.start)
			n++
		}
		op.elems = elems[:n]
		tx.w.closeNest(at)
		tx.w.end()
		elems = elems[n:]
	}
}

func (w *writer) element(e Element) {
	at := w.nest(unix.NFTA_LIST_ELEM)
	w.value(unix.NFTA_SET_ELEM_KEY, e.Key)
	switch {
	case e.Data != nil:
		w.value(unix.NFTA_SET_ELEM_DATA, e.Data)
	case e.Object != "":
		w.text(unix.NFTA_SET_ELEM_OBJREF, e.Object)
	case e.Verdict != nil:
		data := w.nest(unix.NFTA_SET_ELEM_DATA)
		verdict := w.nest(unix.NFTA_DATA_VERDICT)
		w.number(unix.NFTA_VERDICT_CODE, uint32(e.Verdict.Code))
		if e.Verdict.Chain != "" {
			w.text(unix.NFTA_VERDICT_CHAIN, e.Verdict.Chain)
		}
		w.closeNest(verdict)
		w.closeNest(data)
	}
	if e.Comment != "" {
		w.bytes(unix.NFTA_SET_ELEM_USERDATA,
			userdata.AppendString(nil, userdata.NFTNL_UDATA_SET_ELEM_COMMENT, e.Comment))
	}
	w.closeNest(at)
}

// AddCounter makes a counter unless it exists. Elements of object maps refer to it, and the kernel keeps count of them.
func (tx *Tx) AddCounter(name, comment string) {
	tx.begin(unix.NFT_MSG_NEWOBJ, unix.NLM_F_CREATE, "add counter "+name)
	tx.w.text(unix.NFTA_OBJ_TABLE, tx.table.Name)
	tx.w.text(unix.NFTA_OBJ_NAME, name)
	tx.w.number(unix.NFTA_OBJ_TYPE, unix.NFT_OBJECT_COUNTER)
	at := tx.w.nest(unix.NFTA_OBJ_DATA)
	tx.w.number64(unix.NFTA_COUNTER_BYTES, 0)
	tx.w.number64(unix.NFTA_COUNTER_PACKETS, 0)
	tx.w.closeNest(at)
	tx.comment(attrObjectUserdata, userdata.TypeComment, comment)
	tx.w.end()
}

// DeleteCounter deletes a counter; EBUSY says that elements still refer to it.
func (tx *Tx) DeleteCounter(name string) {
	tx.begin(unix.NFT_MSG_DELOBJ, 0, "delete counter "+name)
	tx.w.text(unix.NFTA_OBJ_TABLE, tx.table.Name)
	tx.w.text(unix.NFTA_OBJ_NAME, name)
	tx.w.number(unix.NFTA_OBJ_TYPE, unix.NFT_OBJECT_COUNTER)
	tx.w.end()
}

// comment writes a comment as nft reads it. nft prints at most 127 bytes (NFTNL_UDATA_COMMENT_MAXLEN of libnftnl).
func (tx *Tx) comment(kind uint16, typ userdata.Type, comment string) {
	if comment != "" {
		tx.w.bytes(kind, userdata.AppendString(nil, typ, comment))
	}
}
