// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/shared/nft"
)

// status tries the backend that an ADD would use.
func status(ctx context.Context, r *request) error {
	var err error
	if r.Conf.Backend != backendIPTables {
		err = tryNFTables()
	}
	if r.Conf.Backend == backendIPTables || r.Conf.Backend == "" && unsupported(err) {
		err = tryIPTables(ctx)
	}
	if err != nil {
		return chain.Errorf(chain.CodeNotAvailable, "%w", err)
	}
	return nil
}

// tryNFTables makes and deletes, in one transaction, a table with all that ADD would need.
func tryNFTables() error {
	conn, err := nft.Open()
	if err != nil {
		return err
	}
	tx := conn.Begin(nft.Table{Family: unix.NFPROTO_INET, Name: fmt.Sprintf("cni-chain-status-%d", os.Getpid())})
	base(tx)
	tx.DeleteTable()
	if err = errors.Join(tx.Commit(), conn.Close()); err != nil {
		return fmt.Errorf("try a transaction of nftables: %w", err)
	}
	return nil
}

// tryIPTables has iptables read the rules that ADD would make, without making them.
func tryIPTables(ctx context.Context) error {
	for _, f := range []family{v4, v6} {
		i := iptables{f}
		if !i.works() {
			return fmt.Errorf("%s is not in PATH", i.binary("restore"))
		}
		c := changes{}
		lines{}.base(c, "nat")
		if f == v4 {
			lines{}.base(c, "raw") // for the guard, which IPv6 does not need
		}
		if err := i.restore(ctx, c, "--test"); err != nil {
			return err
		}
	}
	return nil
}
