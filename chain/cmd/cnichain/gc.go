// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"

	"github.com/containernetworking/cni/pkg/types"
	"github.com/spf13/cobra"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/run"
)

func newGC(t *tracing) *cobra.Command {
	flags := chainFlags{trace: t}
	var keep []string
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "gc CONFLIST [--keep CID/IFNAME]…",
		Short: "Remove every attachment of the network but those to keep",
		Long: `Remove every attachment of the network but those to keep, whoever made them. Without --keep, that is all of
them.

With --dry-run nothing is run or removed: it lists what carries the network's tag, and what libcni has on record.`,
		Example: `  cnichain gc conflists/bridge.conflist --dry-run
  cnichain gc conflists/bridge.conflist --keep blue/eth0 --keep green/eth0`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: conflistArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			valid, err := parseKeep(keep)
			if err != nil {
				return err
			}
			if dryRun {
				return flags.dryGC(cmd, args[0], valid)
			}
			c, options, err := flags.load(args[0])
			if err != nil {
				return err
			}
			return flags.report(cmd.OutOrStdout(), run.GC(cmd.Context(), c, valid, options))
		},
	}
	flags.register(cmd)
	cmd.Flags().StringArrayVar(&keep, "keep", nil, "an attachment to keep: container ID and interface, as in blue/eth0")
	cmd.Flags().BoolVarP(&dryRun, "dry-run", "n", false, "only say what would be removed")
	return cmd
}

func parseKeep(texts []string) ([]types.GCAttachment, error) {
	var valid []types.GCAttachment
	for _, text := range texts {
		id, ifName, ok := strings.Cut(text, "/")
		if !ok || id == "" || ifName == "" || strings.Contains(ifName, "/") {
			return nil, fmt.Errorf("--keep %q: it is a container ID and an interface, as in blue/eth0", text)
		}
		valid = append(valid, types.GCAttachment{ContainerID: id, IfName: ifName})
	}
	return valid, nil
}
