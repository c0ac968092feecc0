// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Package dist makes archives and packages that are the same byte for byte whenever, wherever and by whomever they are
// made of the same commit with the same release of Go. All that they say of themselves (version, date, modules) is what
// Go has written into the programs. It signs nothing and publishes nothing.
package dist

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Arches are the architectures that there are archives for, as Go names them.
var Arches = []string{"amd64", "arm64", "arm", "riscv64", "s390x", "ppc64le"}

// Options say what to make of what.
type Options struct {
	// Root is the repository, a git clone. Man is where its man pages are (make man).
	Root, Man string
	// Out is where the files go.
	Out string
	// Arches are some of the list of that name.
	Arches []string
}

// Make makes everything and returns the paths of the files, SHA256SUMS last.
func Make(o Options) ([]string, error) {
	if err := os.RemoveAll(o.Out); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Out, 0o755); err != nil {
		return nil, err
	}
	var files []string
	for _, arch := range o.Arches {
		if !slices.Contains(Arches, arch) {
			return nil, fmt.Errorf("the architecture %q is none of %s", arch, strings.Join(Arches, ", "))
		}
		made, err := makeArch(o, arch)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", arch, err)
		}
		files = append(files, made...)
	}
	sums, err := writeSums(o.Out, files)
	if err != nil {
		return nil, fmt.Errorf("write the checksums: %w", err)
	}
	return append(files, sums), nil
}

// makeArch makes the files of one architecture out of one tree.
func makeArch(o Options, arch string) (files []string, err error) {
	tree, err := os.MkdirTemp("", "dist")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tree)) }()
	release, err := build(o.Root, filepath.Join(tree, "bin"), arch)
	if err != nil {
		return nil, err
	}
	if err := release.furnish(o, tree); err != nil {
		return nil, fmt.Errorf("collect the files: %w", err)
	}
	name := fmt.Sprintf("cni-chain-%s-linux-%s", strings.TrimPrefix(release.version, "v"), arch)
	archive := filepath.Join(o.Out, name+".tar.gz")
	if err := writeArchive(archive, name, tree, release.date); err != nil {
		return nil, fmt.Errorf("write %s: %w", archive, err)
	}
	packages, err := release.packages(o, tree)
	return append([]string{archive}, packages...), err
}
