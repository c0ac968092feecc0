// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Cnichain runs a CNI chain by hand and shows what every link of it did. It works with any plugins, through libcni as a
// runtime does, and it is no runtime: it starts no container and keeps nothing but libcni's cache.
//
//	cnichain demo                                        the whole story, on a machine of its own
//	cnichain add|check|del CONFLIST NETNS [flags]        one container
//	cnichain gc|status CONFLIST [flags]                  the network
//	cnichain trace add|check|del|gc|status ...            the same, with what each link changed on this host
//	cnichain lint FILE|DIR...                            what is wrong in conflists
//	cnichain migrate FILE                                into the links of this repository
//	cnichain ls                                          the attachments of this host
//	cnichain show CONTAINERID                            all that one of them has
//	cnichain graph                                       a picture of its networks
//	cnichain install --bin-dir DIR                       the links, where a runtime finds them
//	cnichain schema [NAME]                               their JSON Schemas
//
// The exit status is 0 when all went well and 1 otherwise.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/cni-chain/cni-chain/chain"
)

func main() {
	// A second signal ends the program at once.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	code := execute(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// errReported is the error of a command that has said everything.
var errReported = errors.New("reported")

// execute is main with the process as parameters; it returns the exit status.
func execute(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	switch err := root.ExecuteContext(ctx); {
	case err == nil:
		return 0
	case !errors.Is(err, errReported):
		fmt.Fprintf(stderr, "cnichain: %v\n", err)
	}
	return 1
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "cnichain",
		Short: "Run a CNI chain by hand and see what every link does",
		Long: `Run a CNI chain by hand and see what every link does.

  cnichain demo                                        begin here: needs nothing, changes nothing
  cnichain add conflists/bridge.conflist blue          attach the network namespace "blue"
  cnichain del conflists/bridge.conflist blue          and detach it
  cnichain trace add conflists/bridge.conflist blue    and say what each link changed on this host
  cnichain ls                                          what containers have, and what of it is broken
  cnichain lint /etc/cni/net.d                         what is wrong in the files of a runtime

Plugins are looked for in CNI_PATH, beside this program, and in /opt/cni/bin.`,
		Version:       chain.Version(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(
		newAdd(nil), newCheck(nil), newDel(nil), newGC(nil), newStatus(nil), newTrace(), newDemo(),
		newLs(), newShow(), newGraph(), newLint(), newMigrate(), newSchema(), newInstall(), newMan(),
	)
	return root
}
