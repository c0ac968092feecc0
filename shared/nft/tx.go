// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/nlsock"
)

// Table is a table by address family and name.
type Table struct {
	Family uint8 // NFPROTO_ of linux/netfilter.h
	Name   string
}

// The tables of this suite: all that routes and translates addresses is in Inet, what belongs to a bridge is in Bridge.
var (
	Inet   = Table{unix.NFPROTO_INET, "cni-chain"}
	Bridge = Table{unix.NFPROTO_BRIDGE, "cni-chain"}
)

// String is the table as nft writes it.
func (t Table) String() string {
	switch t.Family {
	case unix.NFPROTO_INET:
		return "inet " + t.Name
	case unix.NFPROTO_BRIDGE:
		return "bridge " + t.Name
	}
	return fmt.Sprintf("family-%d %s", t.Family, t.Name)
}

// Chain is a chain; Hook is nil when packets get there only by a jump.
type Chain struct {
	Name string
	Hook *Hook
}

// Hook is where the kernel calls a base chain. Type is "nat", "filter" or "route"; Num is an NF_INET_ or NF_BR_ number,
// Priority orders the chains of one hook. The policy is accept.
type Hook struct {
	Type     string
	Num      uint32
	Priority int32
}

// Rule is a rule of a chain. Chain and Handle, which is the kernel's, are of a rule that was listed.
type Rule struct {
	Exprs   []Expr
	Comment string
	Chain   string
	Handle  uint64
}

// Error is the kernel's refusal of a transaction, none of which then took effect. errors.Is finds the Errno.
type Error struct {
	// Op is what was refused: a verb and its object.
	Op    string
	Errno unix.Errno
	// Message is what the kernel adds to the number, often nothing.
	Message string
	// Set and Element are what was refused, when it was an element and the kernel says which; otherwise nil.
	Set     *Set
	Element *Element
}

func (e *Error) Error() string {
	if e.Message != "" {
		return fmt.Sprintf("%s: %v (%s)", e.Op, e.Errno, e.Message)
	}
	return fmt.Sprintf("%s: %v", e.Op, e.Errno)
}

// Unwrap gives the error number.
func (e *Error) Unwrap() error { return e.Errno }

// Tx collects changes of one table; Commit makes all of them or none.
type Tx struct {
	conn  *Conn
	table Table
	w     nlsock.Writer
	ops   []op
	// deletes is how many chains, sets and counters it deletes, see DeleteTableIfLast.
	deletes uint32
	// destroys: there is something to be deleted, be it an element.
	destroys bool
}

// op remembers a message, whose sequence number is its index, for the error that the kernel may give: what it does, and
// for elements where each one is.
type op struct {
	what  string
	set   *Set
	elems []Element
	ends  []int // offset in the message behind each element
}

// Begin starts a transaction.
func (c *Conn) Begin(table Table) *Tx {
	tx := &Tx{conn: c, table: table}
	tx.w.BeginGen(unix.NFNL_MSG_BATCH_BEGIN, 0, 0, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES)
	tx.w.End()
	tx.ops = append(tx.ops, op{what: "change table " + table.String()})
	return tx
}

// Empty says whether the transaction would change nothing.
func (tx *Tx) Empty() bool { return len(tx.ops) == 1 }

// Commit sends the transaction in one batch, with one sendmsg, and reads what the kernel says. An error that is an
// *Error means that nothing has changed; after any other error that is not known.
func (tx *Tx) Commit() error {
	if tx.Empty() {
		return nil
	}
	c := tx.conn
	// The kernel answers every message that fails, and those which ask for it. One question, on the last, is enough to
	// know that it went through.
	tx.w.Acknowledge()
	tx.w.BeginGen(unix.NFNL_MSG_BATCH_END, 0, uint32(len(tx.ops)), unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES)
	tx.w.End()
	if err := c.sock.Send(tx.w.Buf); err != nil {
		return fmt.Errorf("change table %v: %w", tx.table, err)
	}
	c.batches++
	err := tx.readAnswer()
	c.slow = c.slow || tx.destroys || err != nil
	return err
}

// readAnswer reads until the kernel has no more to say, and returns the first refusal.
func (tx *Tx) readAnswer() error {
	var refused *Error
	acknowledged := false
	err := tx.conn.sock.ReadAll(func(m nlsock.Message) error {
		if m.Kind != unix.NLMSG_ERROR || m.Seq >= uint32(len(tx.ops)) {
			return nil
		}
		r := nlsock.ParseRefusal(m)
		acknowledged = acknowledged || r.Errno == 0
		if r.Errno != 0 && refused == nil {
			refused = tx.ops[m.Seq].refuse(r)
		}
		return nil
	})
	switch {
	case refused != nil:
		return refused
	case err != nil:
		return fmt.Errorf("change table %v: %w", tx.table, err)
	case !acknowledged:
		return fmt.Errorf("change table %v: the kernel gave no answer", tx.table)
	}
	return nil
}

// refuse makes the error, naming the element when the kernel points at one.
func (o op) refuse(r nlsock.Refusal) *Error {
	e := &Error{Op: o.what, Errno: r.Errno, Message: r.Text}
	if o.set == nil {
		return e
	}
	e.Set = o.set
	start := 0
	for i, end := range o.ends {
		if r.Offset > 0 && r.Offset >= start && r.Offset < end || len(o.ends) == 1 {
			e.Element = &o.elems[i]
			e.Op = fmt.Sprintf("%s: %s", o.what, o.set.Text(o.elems[i].Key))
			break
		}
		start = end
	}
	return e
}

// begin starts the message of one operation.
func (tx *Tx) begin(kind int, flags uint16, what string) {
	tx.w.BeginGen(uint16(unix.NFNL_SUBSYS_NFTABLES<<8|kind), flags, uint32(len(tx.ops)), tx.table.Family, 0)
	tx.ops = append(tx.ops, op{what: what})
	switch kind {
	case unix.NFT_MSG_DELTABLE, unix.NFT_MSG_DELCHAIN, unix.NFT_MSG_DELRULE, unix.NFT_MSG_DELSET,
		unix.NFT_MSG_DELSETELEM, unix.NFT_MSG_DELOBJ:
		tx.destroys = true
	}
	if kind == unix.NFT_MSG_DELCHAIN || kind == unix.NFT_MSG_DELSET || kind == unix.NFT_MSG_DELOBJ {
		tx.deletes++
	}
}

// Apply commits what change writes, together with base when part of the table is missing, in one transaction. So
// the tables, chains, sets and rules that all attachments share cost nothing once they exist. base must be
// idempotent: it is also committed when only a part is missing. marker is a set that base makes, and is looked up
// first: the kernel waits 8 to 16 ms before it refuses a transaction (synchronize_rcu in __nf_tables_abort), a
// lookup takes 0.01 ms.
func (c *Conn) Apply(table Table, marker *Set, base, change func(*Tx)) error {
	there, err := c.HasSets(table, marker)
	if err != nil {
		return err
	}
	if there[0] {
		tx := c.Begin(table)
		change(tx)
		if err := tx.Commit(); !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	tx := c.Begin(table)
	base(tx)
	change(tx)
	return tx.Commit()
}
