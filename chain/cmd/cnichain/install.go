// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/account"
	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/install"
)

// installFlags are those of "cnichain install".
type installFlags struct {
	binDir, confDir, from  string
	conflists              []string
	force, uninstall, stay bool
}

func newInstall() *cobra.Command {
	var f installFlags
	cmd := &cobra.Command{
		Use:   "install --bin-dir DIR [--conf-dir DIR]",
		Short: "Install or upgrade the links, this program and conflists, while containers run",
		Long: `Install or upgrade the links, this program and conflists, while containers run.

The links are those beside this program (--from names another directory). Each is written beside its place and renamed,
when all are complete: a runtime finds the old one or the new one at every moment, and an error before that changes
nothing. A program of another project in the place of a link is not replaced, and a conflist only written where there is
none of its name or of its network; --force does both.

What has been written is listed in .cni-chain.sha256, in either directory; sha256sum -c checks it. --uninstall removes
what is listed and not changed since, and nothing else. It refuses while there are attachments on this host, because
their DEL needs the plugins: remove the containers first. A container with a network of its own cannot see them; without
privileges it refuses too, and needs --force.

--stay makes it wait for SIGTERM afterwards, as the container of a Kubernetes DaemonSet has to; without --bin-dir that
is all that it does.`,
		Example: `  cnichain install --bin-dir /opt/cni/bin
  cnichain install --bin-dir /opt/cni/bin --conf-dir /etc/cni/net.d --conflist podnet.conflist
  cnichain install --bin-dir /opt/cni/bin --conf-dir /etc/cni/net.d --uninstall`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return err
			}
			if err := f.run(cmd.Context(), cmd.OutOrStdout()); err != nil || !f.stay {
				return err
			}
			<-cmd.Context().Done()
			return nil
		},
	}
	f.add(cmd)
	return cmd
}

func (f *installFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.binDir, "bin-dir", "", "where the runtime looks for plugins, such as /opt/cni/bin")
	flags.StringVar(&f.confDir, "conf-dir", "", "where it looks for conflists, such as /etc/cni/net.d")
	flags.StringVar(&f.from, "from", "", "the directory with the plugins (default: that of this program)")
	flags.StringArrayVar(&f.conflists, "conflist", nil,
		"a conflist to install, or a directory with *.conflist (can be repeated)")
	flags.BoolVar(&f.force, "force", false, "replace foreign programs and conflists; uninstall under attachments")
	flags.BoolVar(&f.uninstall, "uninstall", false, "remove what was installed")
	flags.BoolVar(&f.stay, "stay", false, "wait for SIGTERM afterwards")
	for _, dir := range []string{"bin-dir", "conf-dir", "from"} {
		_ = cmd.MarkFlagDirname(dir) // fails for a flag that is not there
	}
	_ = cmd.MarkFlagFilename("conflist", "conflist")
}

// check finds flags that do not go together.
func (f *installFlags) check() error {
	switch {
	case f.binDir == "" && (!f.stay || f.uninstall || f.confDir != "" || len(f.conflists) > 0):
		return errors.New("--bin-dir is missing: where does the runtime look for plugins? Most do in /opt/cni/bin")
	case f.uninstall && (f.from != "" || len(f.conflists) > 0):
		return errors.New("--uninstall removes what was installed: leave out --from and --conflist")
	case len(f.conflists) > 0 && f.confDir == "":
		return errors.New("--conf-dir is missing: where does the runtime look for conflists? Most do in /etc/cni/net.d")
	}
	return nil
}

func (f *installFlags) run(ctx context.Context, w io.Writer) error {
	if f.binDir == "" {
		return nil
	}
	report := reporter(w)
	if f.uninstall {
		if !f.force {
			if err := unused(ctx); err != nil {
				return err
			}
		}
		err := install.Uninstall(f.binDir, f.confDir, report)
		if errors.Is(err, install.ErrNothing) { // as it is to be: a pod that starts again does this twice
			_, err = fmt.Fprintln(w, err)
		}
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	from := f.from
	if from == "" {
		from = filepath.Dir(program)
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return errors.New("this program was built without modules: it cannot tell its links from other plugins")
	}
	return install.Install(install.Options{
		BinDir: f.binDir, ConfDir: f.confDir, From: from, Conflists: f.conflists, Module: info.Main.Path, Force: f.force,
	}, report)
}

// reporter writes a line for each file, and why it is as it is.
func reporter(w io.Writer) func(install.Outcome) {
	style := account.StyleFor(w)
	return func(o install.Outcome) {
		what := fmt.Sprintf("%-9s", o.What)
		switch o.What {
		case install.Installed, install.Upgraded, install.Removed:
			what = style.Good(what)
		case install.Left:
			what = style.Bad(what)
		}
		why := ""
		if o.Why != "" {
			why = "  (" + o.Why + ")"
		}
		fmt.Fprintf(w, "%s  %s%s\n", what, o.Path, why)
	}
}

// unused fails while there are attachments on this host.
func unused(ctx context.Context) error {
	const most = 5
	_, all, err := attachments(ctx)
	if err != nil {
		return fmt.Errorf("look for attachments, whose DEL needs the plugins (--force does not look): %w", err)
	}
	if len(all) == 0 {
		return nil
	}
	var names []string
	for _, a := range all[:min(len(all), most)] {
		names = append(names, a.ContainerID+"/"+a.IfName)
	}
	if len(all) > most {
		names = append(names, "…")
	}
	return fmt.Errorf("%d attachments are on this host, and their DEL needs the plugins: %s\n"+
		"remove the containers first (\"cnichain ls\" lists the attachments), or use --force",
		len(all), strings.Join(names, ", "))
}
