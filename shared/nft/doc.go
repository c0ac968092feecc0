// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Package nft changes and reads nftables by netlink, in process: no nft binary, one sendmsg a transaction, one answer
// read. It writes the few expressions of rules that the suite needs by itself: github.com/google/nftables, which is the
// library for that, waits for an answer to every message, cannot get one element by its key, cannot refuse an element
// that exists, does not say which object the kernel refused, and brings 0.2 MB that every process would initialise.
// Tests compare what both write.
//
// All that a link has in common for all attachments (chains, rules, sets) is written by one function, the base; what
// one attachment has are elements of those sets, written through a [Register], which also finds them again by the
// owner's tag:
//
//	register := nft.NewRegister(nft.Inet, "ports").Of(sets)
//	err := conn.Apply(nft.Inet, register.Set(), base, func(tx *nft.Tx) { register.Add(tx, holding) }) // ADD
//
//	holding, err := register.Get(conn, tag) // DEL; nil: nothing to do
//	tx := conn.Begin(nft.Inet)
//	freed, err := register.Delete(conn, tx, holding)
//	err = tx.Commit()
//
// Nothing of this costs more when the host has more attachments. What several attachments share and the last one has
// to clear away is a counter ([Tx.AddCounter]) that elements of an object map refer to: the kernel counts the
// references, and [Register.Delete] deletes it with the last one.
package nft
