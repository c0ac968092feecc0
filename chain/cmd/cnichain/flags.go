// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/containernetworking/cni/libcni"
	"github.com/spf13/cobra"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/account"
	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/run"
)

// chainFlags are those of every command that runs a chain.
type chainFlags struct {
	pluginPath []string
	cacheDir   string
	output     string
	// trace is nil unless the command is one of "cnichain trace".
	trace *tracing
}

func (f *chainFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringSliceVar(&f.pluginPath, "plugin-path", nil,
		"directories with plugins, instead of CNI_PATH, the one of this program, and /opt/cni/bin")
	flags.StringVar(&f.cacheDir, "cache-dir", libcni.CacheDir, "where libcni keeps results between add and del")
	flags.StringVarP(&f.output, "output", "o", "text", "text or json")
	_ = cmd.MarkFlagDirname("plugin-path") // fails for a flag that is not there
	_ = cmd.MarkFlagDirname("cache-dir")
}

// load reads the conflist and makes sure that it can be run.
func (f *chainFlags) load(file string) (*run.Chain, run.Options, error) {
	options := run.Options{Path: f.pluginPath, CacheDir: f.cacheDir}
	if f.trace != nil {
		options.Watcher = f.trace.begin()
	}
	if f.output != "text" && f.output != "json" {
		return nil, options, fmt.Errorf("--output %q: it is text or json", f.output)
	}
	if len(options.Path) == 0 {
		options.Path = run.PluginPath()
	}
	for i, dir := range options.Path {
		var err error
		if options.Path[i], err = filepath.Abs(dir); err != nil {
			return nil, options, fmt.Errorf("plugin path %q: %w", dir, err)
		}
	}
	c, err := run.Load(file)
	if err != nil {
		return nil, options, err
	}
	return c, options, c.FindPlugins(options.Path)
}

// report writes the record, and returns errReported when it is of a failure.
func (f *chainFlags) report(w io.Writer, r *run.Record) error {
	var err error
	switch {
	case f.trace != nil:
		err = f.trace.report(w, r, f.output)
	case f.output == "json":
		err = writeJSON(w, r)
	default:
		account.Writer{W: w, Style: account.StyleFor(w)}.Write(r)
	}
	if err != nil {
		return fmt.Errorf("write the account: %w", err)
	}
	if r.Failed() {
		return errReported
	}
	return nil
}

// attachmentFlags are those of the commands about one container.
type attachmentFlags struct {
	chainFlags
	containerID, ifName string
	capabilities        capabilityFlags
	args                []string
}

func (f *attachmentFlags) register(cmd *cobra.Command) {
	f.chainFlags.register(cmd)
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.containerID, "container-id", "", "the container's ID (default: made of NETNS, the same each time)")
	flags.StringVar(&f.ifName, "ifname", "eth0", "the interface's name in the container")
	f.capabilities.register(flags)
	flags.StringArrayVar(&f.args, "args", nil, "a pair K=V of CNI_ARGS")
}

// attachment reads the rest of a command line.
func (f *attachmentFlags) attachment(c *run.Chain, netns string, stdin io.Reader) (run.Attachment, error) {
	target, err := run.ParseTarget(netns)
	if err != nil {
		return run.Attachment{}, err
	}
	a := run.Attachment{Target: target, ContainerID: f.containerID, IfName: f.ifName}
	if a.ContainerID == "" {
		a.ContainerID = target.ContainerID()
	}
	if a.Capabilities, err = f.capabilities.read(c, stdin); err != nil {
		return a, err
	}
	for _, pair := range f.args {
		key, value, ok := cutPair(pair)
		if !ok {
			return a, fmt.Errorf("--args %q: not a pair K=V", pair)
		}
		a.Args = append(a.Args, [2]string{key, value})
	}
	return a, nil
}

// readInput reads a file, or stdin for "-".
func readInput(name string, stdin io.Reader) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(stdin)
	}
	return os.ReadFile(name)
}
