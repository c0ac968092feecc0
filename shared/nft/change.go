// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/nlsock"
)

// What golang.org/x/sys does not name: NFTA_OBJ_USERDATA of linux/netfilter/nf_tables.h, NF_DROP and NF_ACCEPT of
// linux/netfilter.h.
const (
	attrObjectUserdata = 8
	drop               = 0
	accept             = 1
)

// User data of a set is triples of type, length and value, as that of rules is. keyByteOrder is a type
// (NFTNL_UDATA_SET_KEYBYTEORDER of libnftnl, udata.h), a number in the host's byte order; nativeByteOrder is one of its
// values (BYTEORDER_HOST_ENDIAN of include/datatype.h of nftables).
const (
	keyByteOrder    = 0
	nativeByteOrder = 1
)

// maxElements is the bytes of elements that go into one message: the attribute around them has 16 bits for its length.
const maxElements = 60 << 10

// AddTable makes the table unless it exists.
func (tx *Tx) AddTable() {
	tx.begin(unix.NFT_MSG_NEWTABLE, unix.NLM_F_CREATE, "add table "+tx.table.String())
	tx.w.Text(unix.NFTA_TABLE_NAME, tx.table.Name)
	tx.w.End()
}

// DeleteTable deletes the table with all it holds.
func (tx *Tx) DeleteTable() {
	tx.begin(unix.NFT_MSG_DELTABLE, 0, "delete table "+tx.table.String())
	tx.w.Text(unix.NFTA_TABLE_NAME, tx.table.Name)
	tx.w.End()
}

// AddChain makes the chain unless it exists.
func (tx *Tx) AddChain(c Chain) {
	tx.begin(unix.NFT_MSG_NEWCHAIN, unix.NLM_F_CREATE, "add chain "+c.Name)
	tx.w.Text(unix.NFTA_CHAIN_TABLE, tx.table.Name)
	tx.w.Text(unix.NFTA_CHAIN_NAME, c.Name)
	if c.Hook != nil {
		at := tx.w.Nest(unix.NFTA_CHAIN_HOOK)
		tx.w.Uint32(unix.NFTA_HOOK_HOOKNUM, c.Hook.Num)
		tx.w.Uint32(unix.NFTA_HOOK_PRIORITY, uint32(c.Hook.Priority))
		tx.w.CloseNest(at)
		tx.w.Text(unix.NFTA_CHAIN_TYPE, c.Hook.Type)
		tx.w.Uint32(unix.NFTA_CHAIN_POLICY, accept)
	}
	tx.w.End()
}

// FlushChain deletes the rules of a chain.
func (tx *Tx) FlushChain(name string) {
	tx.begin(unix.NFT_MSG_DELRULE, 0, "flush chain "+name)
	tx.w.Text(unix.NFTA_RULE_TABLE, tx.table.Name)
	tx.w.Text(unix.NFTA_RULE_CHAIN, name)
	tx.w.End()
}

// DeleteChain deletes a chain, which no rule may jump to, with its rules.
func (tx *Tx) DeleteChain(name string) {
	tx.begin(unix.NFT_MSG_DELCHAIN, 0, "delete chain "+name)
	tx.w.Text(unix.NFTA_CHAIN_TABLE, tx.table.Name)
	tx.w.Text(unix.NFTA_CHAIN_NAME, name)
	tx.w.End()
}

// AddRule appends a rule to a chain. Adding it again gives it twice: flush the chain first, in the same transaction.
func (tx *Tx) AddRule(chain string, r Rule) {
	tx.addRule(chain, r, unix.NLM_F_APPEND)
}

// InsertRule puts a rule before all others of a chain.
func (tx *Tx) InsertRule(chain string, r Rule) {
	tx.addRule(chain, r, 0)
}

func (tx *Tx) addRule(chain string, r Rule, flags uint16) {
	what := "add rule to chain " + chain
	if r.Comment != "" {
		what += " (" + r.Comment + ")"
	}
	tx.begin(unix.NFT_MSG_NEWRULE, unix.NLM_F_CREATE|flags, what)
	tx.w.Text(unix.NFTA_RULE_TABLE, tx.table.Name)
	tx.w.Text(unix.NFTA_RULE_CHAIN, chain)
	at := tx.w.Nest(unix.NFTA_RULE_EXPRESSIONS)
	for _, e := range r.Exprs {
		e.write(&tx.w)
	}
	tx.w.CloseNest(at)
	writeComment(&tx.w, unix.NFTA_RULE_USERDATA, r.Comment)
	tx.w.End()
}

// DeleteRule deletes one rule by the handle that Rules has given.
func (tx *Tx) DeleteRule(chain string, handle uint64) {
	tx.begin(unix.NFT_MSG_DELRULE, 0, "delete rule of chain "+chain)
	tx.w.Text(unix.NFTA_RULE_TABLE, tx.table.Name)
	tx.w.Text(unix.NFTA_RULE_CHAIN, chain)
	tx.w.Uint64(unix.NFTA_RULE_HANDLE, handle)
	tx.w.End()
}

// AddSet makes the set unless it exists.
func (tx *Tx) AddSet(s *Set) {
	tx.begin(unix.NFT_MSG_NEWSET, unix.NLM_F_CREATE, "add set "+s.Name)
	tx.w.Text(unix.NFTA_SET_TABLE, tx.table.Name)
	tx.w.Text(unix.NFTA_SET_NAME, s.Name)
	tx.w.Uint32(unix.NFTA_SET_ID, uint32(len(tx.ops)))
	tx.w.Uint32(unix.NFTA_SET_KEY_TYPE, number(s.Key))
	tx.w.Uint32(unix.NFTA_SET_KEY_LEN, uint32(length(s.Key)))
	var flags uint32
	switch {
	case s.Objects:
		flags |= unix.NFT_SET_OBJECT
		tx.w.Uint32(unix.NFTA_SET_OBJ_TYPE, unix.NFT_OBJECT_COUNTER)
	case s.Verdicts:
		flags |= unix.NFT_SET_MAP
		tx.w.Uint32(unix.NFTA_SET_DATA_TYPE, verdictType)
	case s.Data != nil:
		flags |= unix.NFT_SET_MAP
		tx.w.Uint32(unix.NFTA_SET_DATA_TYPE, number(s.Data))
		tx.w.Uint32(unix.NFTA_SET_DATA_LEN, uint32(length(s.Data)))
	}
	if flags != 0 {
		tx.w.Uint32(unix.NFTA_SET_FLAGS, flags)
	}
	if len(s.Key) == 1 && s.Key[0].native() {
		// Only for nft, which would list the keys backwards.
		tx.w.Bytes(unix.NFTA_SET_USERDATA,
			binary.NativeEndian.AppendUint32([]byte{keyByteOrder, 4}, nativeByteOrder))
	}
	tx.w.End()
}

// DeleteSet deletes a set with its elements; no rule may use it.
func (tx *Tx) DeleteSet(s *Set) {
	tx.begin(unix.NFT_MSG_DELSET, 0, "delete set "+s.Name)
	tx.w.Text(unix.NFTA_SET_TABLE, tx.table.Name)
	tx.w.Text(unix.NFTA_SET_NAME, s.Name)
	tx.w.End()
}

// AddElements adds elements that must not exist: a key that is taken fails with EEXIST, whatever its value, and the
// error names the element.
func (tx *Tx) AddElements(s *Set, elems ...Element) {
	tx.elements(s, elems, unix.NFT_MSG_NEWSETELEM, unix.NLM_F_CREATE|unix.NLM_F_EXCL, "add element to set "+s.Name)
}

// EnsureElements adds the elements that do not exist. A map's element of another value fails with EEXIST.
func (tx *Tx) EnsureElements(s *Set, elems ...Element) {
	tx.elements(s, elems, unix.NFT_MSG_NEWSETELEM, unix.NLM_F_CREATE, "add element to set "+s.Name)
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
		tx.w.Text(unix.NFTA_SET_ELEM_LIST_TABLE, tx.table.Name)
		tx.w.Text(unix.NFTA_SET_ELEM_LIST_SET, s.Name)
		at := tx.w.Nest(unix.NFTA_SET_ELEM_LIST_ELEMENTS)
		op := &tx.ops[len(tx.ops)-1]
		op.set = s
		n := 0
		for n < len(elems) && len(tx.w.Buf)-at < maxElements {
			writeElement(&tx.w, elems[n])
			op.ends = append(op.ends, tx.w.Here())
			n++
		}
		op.elems = elems[:n]
		tx.w.CloseNest(at)
		tx.w.End()
		elems = elems[n:]
	}
}

func writeElement(w *nlsock.Writer, e Element) {
	at := w.Nest(unix.NFTA_LIST_ELEM)
	writeValue(w, unix.NFTA_SET_ELEM_KEY, e.Key)
	switch {
	case e.Data != nil:
		writeValue(w, unix.NFTA_SET_ELEM_DATA, e.Data)
	case e.Object != "":
		w.Text(unix.NFTA_SET_ELEM_OBJREF, e.Object)
	case e.Verdict != nil:
		writeVerdict(w, unix.NFTA_SET_ELEM_DATA, *e.Verdict)
	}
	writeComment(w, unix.NFTA_SET_ELEM_USERDATA, e.Comment)
	w.CloseNest(at)
}

// writeValue writes data as nf_tables nests it: kind holds one NFTA_DATA_VALUE.
func writeValue(w *nlsock.Writer, kind uint16, data []byte) {
	at := w.Nest(kind)
	w.Bytes(unix.NFTA_DATA_VALUE, data)
	w.CloseNest(at)
}

// writeVerdict writes a verdict as nf_tables nests it: kind holds one NFTA_DATA_VERDICT.
func writeVerdict(w *nlsock.Writer, kind uint16, v Verdict) {
	at := w.Nest(kind)
	verdict := w.Nest(unix.NFTA_DATA_VERDICT)
	w.Uint32(unix.NFTA_VERDICT_CODE, uint32(v.Code))
	if v.Chain != "" {
		w.Text(unix.NFTA_VERDICT_CHAIN, v.Chain)
	}
	w.CloseNest(verdict)
	w.CloseNest(at)
}

// AddCounter makes a counter unless it exists. Elements of object maps refer to it, and the kernel keeps count of them.
func (tx *Tx) AddCounter(name, comment string) {
	tx.begin(unix.NFT_MSG_NEWOBJ, unix.NLM_F_CREATE, "add counter "+name)
	tx.w.Text(unix.NFTA_OBJ_TABLE, tx.table.Name)
	tx.w.Text(unix.NFTA_OBJ_NAME, name)
	tx.w.Uint32(unix.NFTA_OBJ_TYPE, unix.NFT_OBJECT_COUNTER)
	at := tx.w.Nest(unix.NFTA_OBJ_DATA)
	tx.w.Uint64(unix.NFTA_COUNTER_BYTES, 0)
	tx.w.Uint64(unix.NFTA_COUNTER_PACKETS, 0)
	tx.w.CloseNest(at)
	writeComment(&tx.w, attrObjectUserdata, comment)
	tx.w.End()
}

// DeleteCounter deletes a counter; EBUSY says that elements still refer to it.
func (tx *Tx) DeleteCounter(name string) {
	tx.begin(unix.NFT_MSG_DELOBJ, 0, "delete counter "+name)
	tx.w.Text(unix.NFTA_OBJ_TABLE, tx.table.Name)
	tx.w.Text(unix.NFTA_OBJ_NAME, name)
	tx.w.Uint32(unix.NFTA_OBJ_TYPE, unix.NFT_OBJECT_COUNTER)
	tx.w.End()
}

// writeComment writes a comment as nft reads it: user data of type 0, its length, and the text with a NUL. nft prints
// at most 127 bytes (NFTNL_UDATA_COMMENT_MAXLEN of libnftnl), and the length has a byte.
func writeComment(w *nlsock.Writer, kind uint16, comment string) {
	if comment == "" {
		return
	}
	comment = comment[:min(len(comment), maxComment)]
	var data [maxComment + 3]byte
	data[0], data[1] = 0, byte(len(comment)+1)
	n := 2 + copy(data[2:], comment) + 1
	w.Bytes(kind, data[:n])
}
