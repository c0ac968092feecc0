// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/account"
	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/lint"
	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/migrate"
	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/schema"
	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/source"
)

func newMigrate() *cobra.Command {
	var write string
	cmd := &cobra.Command{
		Use:   "migrate FILE",
		Short: "Turn a conflist of upstream's bridge, host-local and portmap into ours",
		Long: `Turn a conflist with upstream's bridge, host-local and portmap into one with the links of this repository that does
the same. All other plugins, and all other keys, stay as they are. The new conflist goes to stdout, or into a file with
--write; what was changed and what could not be carried over is told on stderr.

Only the text is changed. Drain the host before you put the new file in place of the old one: containers that run were
attached by the old plugins, and most runtimes would have the new ones delete what they did not make.`,
		Example: `  cnichain migrate /etc/cni/net.d/10-containerd-net.conflist
  cnichain migrate old.conflist --write new.conflist && cnichain lint new.conflist`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: conflistArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			return migrateFile(args[0], write, cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&write, "write", "", "a file for the new conflist, instead of stdout")
	_ = cmd.MarkFlagFilename("write", "conflist") // fails for a flag that is not there
	return cmd
}

func migrateFile(name, write string, stdin io.Reader, stdout, stderr io.Writer) error {
	data, err := readInput(name, stdin)
	if err != nil {
		return fmt.Errorf("read the conflist: %w", err)
	}
	doc, err := source.Read(name, data)
	if err != nil {
		return fmt.Errorf("%s:%w", name, err)
	}
	set, err := schema.Load()
	if err != nil {
		return err
	}
	result, err := migrate.Conflist(doc, set)
	if err != nil {
		return err
	}
	for _, remark := range result.Remarks {
		fmt.Fprintln(stderr, remark)
	}
	if !result.Changed {
		fmt.Fprintln(stderr, "nothing to migrate: there is no bridge, host-local or portmap of upstream's in it")
	}
	if err := warn(stderr, write, result.Conflist, set); err != nil {
		return err
	}
	if write == "" {
		_, err = stdout.Write(result.Conflist)
		return err
	}
	return replaceFile(write, result.Conflist)
}

// warn tells what was wrong in the conflist before, and still is.
func warn(stderr io.Writer, name string, conflist []byte, set *schema.Set) error {
	if name == "" {
		name = "migrated.conflist"
	}
	var findings []lint.Finding
	for _, f := range lint.Run([]*lint.File{lint.Parse(name, conflist)}, lint.Options{Schemas: set}) {
		if f.Severity != lint.Note {
			findings = append(findings, f)
		}
	}
	if len(findings) == 0 {
		return nil
	}
	fmt.Fprintln(stderr, "what was wrong before still is:")
	return lint.WriteText(stderr, account.StyleFor(stderr), findings)
}

// replaceFile puts a file in its place at once: a runtime that watches the directory must not read a half of it.
func replaceFile(name string, data []byte) (err error) {
	draft, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*") // an ending that no runtime reads
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(draft.Name())
			err = fmt.Errorf("write %s: %w", name, err)
		}
	}()
	_, err = draft.Write(data)
	if err == nil {
		err = draft.Chmod(0o644)
	}
	if closeErr := draft.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(draft.Name(), name)
	}
	return err
}
