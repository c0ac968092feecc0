// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/nlsock"
)

// TableUse is how many chains, sets and counters the table has; 0 when it does not exist.
func (c *Conn) TableUse(table Table) (use uint32, err error) {
	err = c.get(1, func(w *nlsock.Writer, _ int, seq uint32) {
		w.BeginGen(get(unix.NFT_MSG_GETTABLE), 0, seq, table.Family, 0)
		w.Text(unix.NFTA_TABLE_NAME, table.Name)
		w.End()
	}, func(_ int, m nlsock.Message) {
		nlsock.EachAttr(nlsock.GenAttrs(m.Body), func(kind uint16, value []byte) {
			if kind == unix.NFTA_TABLE_USE && len(value) >= 4 {
				use = binary.BigEndian.Uint32(value)
			}
		})
	})
	if err != nil {
		return 0, fmt.Errorf("look up table %v: %w", table, err)
	}
	return use, nil
}

// DeleteTableIfLast writes the deletion of the table into the transaction when the chains, sets and counters that the
// transaction deletes so far are all that the table has. Should somebody add another before the commit, that fails with
// EBUSY and nothing is deleted.
func (tx *Tx) DeleteTableIfLast() error {
	use, err := tx.conn.TableUse(tx.table)
	if err != nil || use != tx.deletes {
		return err
	}
	// Here it is NLM_F_NONREC: do not delete what is inside (nf_tables_deltable in net/netfilter/nf_tables_api.c).
	tx.begin(unix.NFT_MSG_DELTABLE, unix.NLM_F_NONREC, "delete empty table "+tx.table.String())
	tx.w.Text(unix.NFTA_TABLE_NAME, tx.table.Name)
	tx.w.End()
	return nil
}
