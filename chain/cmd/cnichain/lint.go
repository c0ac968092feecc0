// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/account"
	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/lint"
	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/run"
	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/schema"
)

type lintFlags struct {
	pluginPath            []string
	output                string
	strict, notes, noHost bool
	ignore                []string
	explain               string
}

func newLint() *cobra.Command {
	var flags lintFlags
	cmd := &cobra.Command{
		Use:   "lint FILE|DIR...",
		Short: "Find what is wrong in conflists before a runtime does",
		Long: `Find what is wrong in conflists before a runtime does: in a file, between the links of a chain, between the files
of a directory, and between them and this host. Nothing is run but the installed plugins, which are asked for their
versions, and nothing is changed.

The exit status is 1 when there is an error, with --strict also when there is a warning.`,
		Example: `  cnichain lint /etc/cni/net.d
  cnichain lint --no-host --strict -o sarif conflists/    for a CI
  cnichain lint --explain CC030                           what a message means`,
		Args: func(cmd *cobra.Command, args []string) error {
			if flags.explain != "" {
				return cobra.NoArgs(cmd, args)
			}
			return cobra.MinimumNArgs(1)(cmd, args)
		},
		ValidArgsFunction: conflistArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if flags.explain != "" {
				return explain(cmd.OutOrStdout(), flags.explain)
			}
			return flags.run(cmd.OutOrStdout(), args)
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&flags.pluginPath, "plugin-path", nil,
		"directories with plugins, instead of CNI_PATH, the one of this program, and /opt/cni/bin")
	f.StringVarP(&flags.output, "output", "o", "text", "text, json or sarif")
	f.BoolVar(&flags.strict, "strict", false, "fail on warnings, too")
	f.BoolVar(&flags.notes, "notes", false, "tell also what is only good to know")
	f.BoolVar(&flags.noHost, "no-host", false, "look at the files only, not at this host")
	f.StringSliceVar(&flags.ignore, "ignore", nil, "codes to leave out, like CC062")
	f.StringVar(&flags.explain, "explain", "", "say what a code means")
	_ = cmd.MarkFlagDirname("plugin-path") // fails for a flag that is not there
	complete(cmd, "output", "text", "json", "sarif")
	var codes []string
	for _, r := range lint.Rules {
		codes = append(codes, r.Code+"\t"+r.Title)
	}
	complete(cmd, "explain", codes...)
	complete(cmd, "ignore", codes...)
	return cmd
}

func explain(w io.Writer, code string) error {
	rule, ok := lint.Find(strings.ToUpper(code))
	if !ok {
		return fmt.Errorf("--explain %q: there is no such code; docs/lint.md has them all", code)
	}
	_, err := fmt.Fprintf(w, "%s (%s): %s\n\n%s\n", rule.Code, rule.Severity, rule.Title, rule.Why)
	return err
}

func (f *lintFlags) run(w io.Writer, args []string) error {
	if !slices.Contains([]string{"text", "json", "sarif"}, f.output) {
		return fmt.Errorf("--output %q: it is text, json or sarif", f.output)
	}
	for _, code := range f.ignore {
		if _, ok := lint.Find(code); !ok {
			return fmt.Errorf("--ignore %q: there is no such code; docs/lint.md has them all", code)
		}
	}
	set, err := schema.Load()
	if err != nil {
		return err
	}
	options := lint.Options{Schemas: set, Ignore: f.ignore}
	if !f.noHost {
		path := f.pluginPath
		if len(path) == 0 {
			path = run.PluginPath()
		}
		options.Host = &lint.Machine{Path: path}
	}
	var findings []lint.Finding
	for _, arg := range args {
		files, err := loadArg(arg)
		if err != nil {
			return err
		}
		findings = append(findings, lint.Run(files, options)...)
	}
	return f.report(w, findings)
}

// loadArg reads the files of a directory, which have to do with each other, or one file.
func loadArg(arg string) ([]*lint.File, error) {
	info, err := os.Stat(arg)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		files, err := lint.LoadDir(arg)
		if err == nil && len(files) == 0 {
			err = fmt.Errorf("%s: no conflist (*.conflist, *.conf or *.json)", filepath.Clean(arg))
		}
		return files, err
	}
	file, err := lint.Load(arg)
	return []*lint.File{file}, err
}

func (f *lintFlags) report(w io.Writer, findings []lint.Finding) error {
	count := map[lint.Severity]int{}
	for _, found := range findings {
		count[found.Severity]++
	}
	if !f.notes {
		findings = slices.DeleteFunc(findings, func(f lint.Finding) bool { return f.Severity == lint.Note })
	}
	var err error
	switch f.output {
	case "json":
		err = lint.WriteJSON(w, findings)
	case "sarif":
		err = lint.WriteSARIF(w, chain.Version(), findings)
	default:
		err = lint.WriteText(w, account.StyleFor(w), findings)
		if err == nil && len(findings) > 0 {
			_, err = fmt.Fprintf(w, "\n%s, %s\n", counted(count[lint.Error], "error"), counted(count[lint.Warning], "warning"))
		}
	}
	if err == nil && (count[lint.Error] > 0 || f.strict && count[lint.Warning] > 0) {
		return errReported
	}
	return err
}

func counted(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}
