// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/run"
)

func newDel(t *tracing) *cobra.Command {
	flags := attachmentFlags{chainFlags: chainFlags{trace: t}}
	cmd := &cobra.Command{
		Use:   "del CONFLIST NETNS",
		Short: "Detach a network namespace from the network of a conflist",
		Long: `Detach a network namespace from the network of a conflist, the last link first.

The names have to be those of the add; its ports, addresses and other arguments are remembered. The namespace may be
gone already, and deleting twice is no error.`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: attachmentArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, options, err := flags.load(args[0])
			if err != nil {
				return err
			}
			a, err := flags.attachment(c, args[1], cmd.InOrStdin())
			if err != nil {
				return err
			}
			return flags.report(cmd.OutOrStdout(), run.Del(cmd.Context(), c, a, options))
		},
	}
	flags.register(cmd)
	return cmd
}
