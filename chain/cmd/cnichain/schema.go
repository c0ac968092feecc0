// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/schema"
	"github.com/cni-chain/cni-chain/schemas"
)

func newSchema() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "schema [NAME]",
		Short: "Print the JSON Schema of a link or a conflist, for editors",
		Long: `Print the JSON Schema (2020-12) of a link, of a reference plugin or of a conflist. Without a name, list what there is.

An editor that knows the schema completes keys, explains them and marks mistakes. Write all of them into a directory,
and say in the conflist where: "$schema": "/etc/cni/schemas/conflist.json". Runtimes pass over that key.`,
		Example: `  cnichain schema port-map
  cnichain schema --write /etc/cni/schemas`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: schemaArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case dir != "" && len(args) > 0:
				return fmt.Errorf("--write writes all schemas: leave out %q", args[0])
			case dir != "":
				return writeSchemas(dir)
			}
			return printSchema(cmd.OutOrStdout(), args)
		},
	}
	cmd.Flags().StringVar(&dir, "write", "", "write all schemas into a directory")
	_ = cmd.MarkFlagDirname("write") // fails for a flag that is not there
	return cmd
}

func printSchema(w io.Writer, args []string) error {
	set, err := schema.Load()
	if err != nil {
		return err
	}
	names := append([]string{"conflist"}, set.Names()...)
	if len(args) == 0 {
		_, err := fmt.Fprintln(w, strings.Join(names, "\n"))
		return err
	}
	text, ok := set.Text(args[0])
	if !ok {
		return fmt.Errorf("there is no schema of %q, only of %s", args[0], strings.Join(names, ", "))
	}
	_, err = w.Write(text)
	return err
}

// writeSchemas writes them as they are in the repository, so that they lead to each other.
func writeSchemas(dir string) error {
	return fs.WalkDir(schemas.FS, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(dir, filepath.FromSlash(name))
		if entry.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		data, err := fs.ReadFile(schemas.FS, name)
		if err != nil {
			return err
		}
		return os.WriteFile(target, data, 0o644)
	})
}
