// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/run"
)

func newAdd(t *tracing) *cobra.Command {
	flags := attachmentFlags{chainFlags: chainFlags{trace: t}}
	var keepFailed bool
	cmd := &cobra.Command{
		Use:   "add CONFLIST NETNS",
		Short: "Attach a network namespace to the network of a conflist",
		Long: `Attach a network namespace to the network of a conflist, and tell what each link did.

NETNS is a name, as "ip netns add" makes it, or a path like /proc/PID/ns/net. When a link fails after others did their
step, theirs is deleted again, as every runtime does.`,
		Example: `  cnichain add conflists/bridge.conflist blue --port 8080:80 --dns 192.0.2.53
  cnichain add conflists/bridge.conflist /proc/4711/ns/net --ifname net1 -o json`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: attachmentArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, options, err := flags.load(args[0])
			if err != nil {
				return err
			}
			options.KeepFailed = keepFailed
			a, err := flags.attachment(c, args[1], cmd.InOrStdin())
			if err != nil {
				return err
			}
			if err := a.Target.Open(); err != nil {
				return err
			}
			return flags.report(cmd.OutOrStdout(), run.Add(cmd.Context(), c, a, options))
		},
	}
	flags.register(cmd)
	cmd.Flags().BoolVar(&keepFailed, "keep-failed", false, "leave what the links before one that failed have made")
	return cmd
}
