// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/account"
	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/run"
	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/trace"
)

// tracing is a command of "cnichain trace".
type tracing struct {
	html    string
	all     bool
	files   []string
	watcher *trace.Watcher
}

func newTrace() *cobra.Command {
	t := &tracing{}
	cmd := &cobra.Command{
		Use:   "trace",
		Short: "Run a chain, and tell what each link changed on this host and when",
		Long: `Run a chain, and tell what each link changed on this host and when: interfaces, addresses, routes, rules, nftables and
iptables, sysctls, files, in the host's network namespace and in the container's.

The host is looked at between the links, which takes some time, but none that is counted. What others change at the same
time is told as the link's.`,
		Example: `  cnichain trace add conflists/bridge.conflist blue --port 8080:80
  cnichain trace --html trace.html add conflists/mixed-upstream-portmap.conflist blue
  cnichain trace del conflists/bridge.conflist blue --all`,
	}
	cmd.AddCommand(newAdd(t), newCheck(t), newDel(t), newGC(t), newStatus(t))
	flags := cmd.PersistentFlags()
	flags.StringVar(&t.html, "html", "", "a file to write the trace into as a page for a browser, which needs nothing else")
	flags.BoolVar(&t.all, "all", false, "tell also what follows from other changes")
	flags.StringSliceVar(&t.files, "files", nil,
		"further files and directories to watch, beside /run/cni-chain, /etc/netns and /var/lib/cni")
	_ = cmd.MarkPersistentFlagFilename("html", "html") // fails for a flag that is not there
	return cmd
}

// begin starts a trace.
func (t *tracing) begin() run.Watcher {
	t.watcher = &trace.Watcher{Files: t.files}
	return t.watcher
}

// report writes the trace of a record, and the page if one is wanted.
func (t *tracing) report(w io.Writer, r *run.Record, output string) error {
	done := t.watcher.Finish(r)
	if t.html != "" {
		var page bytes.Buffer
		if err := trace.HTML(&page, done); err != nil {
			return err
		}
		if err := os.WriteFile(t.html, page.Bytes(), 0o644); err != nil {
			return err
		}
	}
	if output == "json" {
		return writeJSON(w, done)
	}
	trace.Text{W: w, Style: account.StyleFor(w), All: t.all}.Write(done)
	return nil
}
