// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/schema"
	"github.com/cni-chain/cni-chain/shared/netns"
)

// What a shell offers when a person presses the tab key. Cobra's command "completion" writes the script for it.

// complete offers words for a flag's value.
func complete(cmd *cobra.Command, flag string, words ...string) {
	offer := func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return words, cobra.ShellCompDirectiveNoFileComp
	}
	_ = cmd.RegisterFlagCompletionFunc(flag, offer) // fails for a flag that is not there
}

// conflistArgs offers files that may be conflists, for every argument.
func conflistArgs(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{"conflist", "conf", "json"}, cobra.ShellCompDirectiveFilterFileExt
}

// conflistArg offers them for the first one.
func conflistArg(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return conflistArgs(cmd, args, word)
}

// attachmentArgs offers a conflist, then a network namespace: one with a name, or a path.
func attachmentArgs(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	switch len(args) {
	case 0:
		return conflistArgs(cmd, args, word)
	case 1:
		if strings.HasPrefix(word, "/") {
			return nil, cobra.ShellCompDirectiveDefault
		}
		return namedNamespaces(), cobra.ShellCompDirectiveNoFileComp
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// namedNamespaces are those of "ip netns".
func namedNamespaces() (names []string) {
	entries, err := os.ReadDir(netns.Dir)
	if err != nil {
		return nil
	}
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

// schemaArgs offers what there is a schema of.
func schemaArgs(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	set, err := schema.Load()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return append([]string{"conflist"}, set.Names()...), cobra.ShellCompDirectiveNoFileComp
}
