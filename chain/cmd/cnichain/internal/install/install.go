// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Package install puts the links of this repository, the tool itself and conflists where a runtime looks for them, on a
// host whose containers come and go meanwhile: no moment is without a plugin, and none sees half of one. It knows again
// what it has installed, by a list of checksums beside it, and removes that and nothing else. It neither looks at
// networks nor asks whether somebody uses them; that is for its caller.
package install

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/run"
)

// What has happened to a file.
type What string

// The words of Outcome.What.
const (
	Installed What = "installed" // it was not there
	Upgraded  What = "upgraded"  // another was there
	Same      What = "same"      // it was there already
	Kept      What = "kept"      // another is there, and stays
	Removed   What = "removed"
	Gone      What = "gone" // was to be removed, and is not there
	Left      What = "left" // was to be removed, and stays
)

// Outcome is what has happened to one file; Why is for those that stay.
type Outcome struct {
	Path string
	What What
	Why  string
}

// Options say what goes where.
type Options struct {
	// BinDir is where the runtime looks for plugins, ConfDir where it looks for conflists ("" for none). They are made.
	BinDir, ConfDir string
	// From has the programs; those in it that are not of Module are passed over.
	From string
	// Conflists are files, and directories with files, whose names end in ".conflist".
	Conflists []string
	// Module is the path of the Go module that programs are recognised by as ours.
	Module string
	// Force replaces what is not ours, and conflists.
	Force bool
}

// Install puts programs and conflists in place. Each file is complete under another name before the first one is
// renamed, so an error before that (no space, say) changes nothing. Conflists come last: a runtime that sees one finds
// its plugins. The report is called for each file that has been dealt with.
func Install(o Options, report func(Outcome)) error {
	conflists, err := readConflists(o.Conflists)
	if err != nil {
		return err
	}
	programs, err := findPrograms(o.From, o.Module)
	if err != nil {
		return err
	}
	if err := installPrograms(o, programs, report); err != nil || len(conflists) == 0 {
		return err
	}
	for _, c := range conflists {
		if err := c.chain.FindPlugins([]string{o.BinDir}); err != nil {
			return fmt.Errorf("%w\nthe conflist is not installed", err)
		}
	}
	return installConflists(o, conflists, report)
}

func installPrograms(o Options, programs []program, report func(Outcome)) error {
	bin, err := openFolder(o.BinDir, true)
	if err != nil {
		return err
	}
	defer bin.close()
	for _, p := range programs {
		if err := bin.plan(p.file, func() error {
			if o.Force {
				return nil
			}
			return replaceable(filepath.Join(o.BinDir, p.name), o.Module)
		}); err != nil {
			return err
		}
	}
	return bin.commit(report)
}

func installConflists(o Options, conflists []conflist, report func(Outcome)) error {
	conf, err := openFolder(o.ConfDir, true)
	if err != nil {
		return err
	}
	defer conf.close()
	networks := networksIn(o.ConfDir)
	for _, c := range conflists {
		if other := networks[c.chain.List.Name]; other != "" && other != c.name && !o.Force {
			why := fmt.Sprintf("not written, because the network %q is in %s: --force writes it all the same", c.chain.List.Name, other)
			conf.pass(Outcome{filepath.Join(o.ConfDir, c.name), Kept, why})
			continue
		}
		if err := conf.plan(c.file, func() error {
			if o.Force {
				return nil
			}
			return errKeep
		}); err != nil {
			return err
		}
	}
	return conf.commit(report)
}

// file is something to install.
type file struct {
	name string
	mode fs.FileMode
	open func() (io.ReadCloser, error)
}

type conflist struct {
	file
	chain *run.Chain
}

// readConflists reads files, and the files of directories, each name once.
func readConflists(paths []string) ([]conflist, error) {
	var list []conflist
	for _, path := range paths {
		files := []string{path}
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			files, _ = filepath.Glob(filepath.Join(path, "*.conflist")) // fails for a bad pattern
		}
		for _, name := range files {
			c, err := readConflist(name)
			if err != nil {
				return nil, err
			}
			if slices.ContainsFunc(list, func(other conflist) bool { return other.name == c.name }) {
				return nil, fmt.Errorf("two conflists are named %s: rename one, they go into one directory", c.name)
			}
			list = append(list, c)
		}
	}
	return list, nil
}

func readConflist(path string) (conflist, error) {
	if !strings.HasSuffix(path, ".conflist") {
		return conflist{}, fmt.Errorf("%s: runtimes read a list of plugins only from a file whose name ends in .conflist", path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return conflist{}, fmt.Errorf("read the conflist: %w", err)
	}
	chain, err := run.Parse(path, data)
	if err != nil {
		return conflist{}, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
	return conflist{file{filepath.Base(path), 0o644, open}, chain}, nil
}

// networksIn says in which file of a directory a network is. What cannot be read is of no network.
func networksIn(dir string) map[string]string {
	networks := map[string]string{}
	entries, _ := os.ReadDir(dir)
	for _, entry := range entries {
		if !slices.Contains([]string{".conflist", ".conf", ".json"}, filepath.Ext(entry.Name())) {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			continue
		}
		if name := networkOf(data); name != "" {
			networks[name] = entry.Name()
		}
	}
	return networks
}
