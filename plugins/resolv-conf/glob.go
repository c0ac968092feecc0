// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// glob lists the paths of a pattern that exist: a placeholder stands for its name, and for anything where that is not
// known. filepath.Glob would say that there are none when it could not look, and take a name for a pattern.
func glob(pattern string, n names) ([]string, error) {
	full := names{"network": "*", "containerID": "*", "ifname": "*", "netns": "*"}
	for key, name := range n {
		full[key] = strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(name)
	}
	paths := []string{"/"}
	var errs []error
	for _, part := range strings.Split(strings.TrimPrefix(pattern, "/"), "/") {
		wanted, _ := fill(part, full)
		var deeper []string
		for _, dir := range paths {
			found, err := matching(dir, wanted)
			errs = append(errs, err)
			for _, name := range found {
				deeper = append(deeper, filepath.Join(dir, name))
			}
		}
		paths = deeper
	}
	return paths, errors.Join(errs...)
}

// matching are the names in a directory that match. A directory of which one name is wanted need not be readable.
func matching(dir, wanted string) ([]string, error) {
	if !strings.ContainsAny(wanted, `*?[\`) {
		_, err := os.Lstat(filepath.Join(dir, wanted))
		if err != nil {
			return nil, unlessMissing(err)
		}
		return []string{wanted}, nil
	}
	all, err := list(dir)
	var some []string
	for _, name := range all {
		if ok, _ := filepath.Match(wanted, name); ok { // the pattern is right
			some = append(some, name)
		}
	}
	return some, err
}

// list are the names in a directory, none if it is missing or no directory.
func list(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, unlessMissing(err)
}

func unlessMissing(err error) error {
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	return err
}
