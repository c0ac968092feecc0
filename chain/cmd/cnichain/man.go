// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/cni-chain/cni-chain/chain"
)

func newMan() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write the man pages of this program",
		Long: `Write the man pages of this program, one for each command, into a directory: cnichain.8, cnichain-add.8, ...

"make man" writes them with those of the links into bin/man.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true // no date: the pages are those of the program, whenever they are written
			date := time.Unix(0, 0)
			header := &doc.GenManHeader{Section: "8", Source: "cni-chain " + chain.Version(), Manual: "cni-chain", Date: &date}
			if err := doc.GenManTree(root, header, args[0]); err != nil {
				return fmt.Errorf("write the man pages: %w", err)
			}
			return nil
		},
	}
}
