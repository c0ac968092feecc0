// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/run"
)

func newStatus(t *tracing) *cobra.Command {
	flags := chainFlags{trace: t}
	cmd := &cobra.Command{
		Use:               "status CONFLIST",
		Short:             "Ask every link whether an add could work now",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: conflistArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, options, err := flags.load(args[0])
			if err != nil {
				return err
			}
			return flags.report(cmd.OutOrStdout(), run.Status(cmd.Context(), c, options))
		},
	}
	flags.register(cmd)
	return cmd
}
