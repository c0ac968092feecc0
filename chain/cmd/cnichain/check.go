// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/run"
)

func newCheck(t *tracing) *cobra.Command {
	flags := attachmentFlags{chainFlags: chainFlags{trace: t}}
	cmd := &cobra.Command{
		Use:   "check CONFLIST NETNS",
		Short: "Ask every link whether what it made is still as it made it",
		Long: `Ask every link whether what it made is still as it made it.

The names have to be those of the add; its ports, addresses and other arguments are remembered.`,
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
			return flags.report(cmd.OutOrStdout(), run.Check(cmd.Context(), c, a, options))
		},
	}
	flags.register(cmd)
	return cmd
}
