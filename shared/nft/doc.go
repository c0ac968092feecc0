// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Package nft changes and reads nftables by netlink, in process: no nft binary, one sendmsg a transaction, one answer
// read. Expressions of rules are those of github.com/google/nftables/expr; the rest of that library waits for an answer
// to every message, cannot get one element by its key, cannot refuse an element that exists, and does not say which
// object the kernel refused.
package nft
