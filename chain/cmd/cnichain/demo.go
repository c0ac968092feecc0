// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/account"
	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/demo"
	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/run"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

func newDemo() *cobra.Command {
	var pluginPath []string
	var svg string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Tell the story of a chain, on a machine of its own: begin here",
		Long: `Tell the story of a chain: two containers get a network, link by link, use it, and leave nothing behind.

It runs in new network and mount namespaces, so it cannot change this machine; without root, in a user namespace as
well. It needs nothing but the plugins.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(pluginPath) == 0 {
				pluginPath = run.PluginPath()
			}
			return runDemo(cmd, pluginPath, svg)
		},
	}
	cmd.Flags().StringSliceVar(&pluginPath, "plugin-path", nil,
		"directories with plugins, instead of CNI_PATH, the one of this program, and /opt/cni/bin")
	cmd.Flags().StringVar(&svg, "svg", "", "a file to draw the networks into (not in /run, /etc or /var/lib: the demo has its own)")
	_ = cmd.MarkFlagDirname("plugin-path") // fails for a flag that is not there
	_ = cmd.MarkFlagFilename("svg", "svg")
	return cmd
}

// runDemo goes into namespaces of its own, where the program is started again with the same arguments, and tells.
func runDemo(cmd *cobra.Command, pluginPath []string, svg string) error {
	for i, dir := range pluginPath {
		var err error
		if pluginPath[i], err = filepath.Abs(dir); err != nil {
			return fmt.Errorf("plugin path %q: %w", dir, err)
		}
	}
	c, err := demo.Chain()
	if err != nil {
		return err
	}
	if err := c.FindPlugins(pluginPath); err != nil {
		return err
	}
	inside, code, err := testnet.Isolate()
	switch {
	case err != nil:
		return fmt.Errorf("the demo needs namespaces of its own, and this machine does not give them: %w\n"+
			"try: sudo cnichain demo", err)
	case !inside && code != 0:
		return errReported
	case !inside:
		return nil
	}
	out := cmd.OutOrStdout()
	var draw func(string) error
	if svg != "" {
		draw = func(picture string) error { return os.WriteFile(svg, []byte(picture), 0o644) }
	}
	return demo.Tell(cmd.Context(), out, account.StyleFor(out), pluginPath, draw)
}
