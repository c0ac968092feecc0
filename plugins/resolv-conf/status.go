// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/chain"
)

// status tells whether an ADD could write. Whether it would find a name server depends on the runtime and on the links
// before, unless a file was named to inherit from.
func status(_ context.Context, r *request) error {
	errs := []error{probe(filepath.Dir(stateDir))}
	for _, pattern := range patterns(r.Conf.WriteTo) {
		if pattern == netnsFiles {
			errs = append(errs, probe("/etc/netns"))
			continue
		}
		errs = append(errs, access(fixedDir(pattern), unix.W_OK|unix.X_OK))
	}
	if path := r.Conf.ResolvConf; path != "" {
		errs = append(errs, access(path, unix.R_OK))
	}
	return errors.Join(append(errs, probeOpenat2())...)
}

// probe asks whether the directory, or where it is missing the one that it would be made in, can be written to.
func probe(dir string) error {
	for {
		err := access(dir, unix.W_OK|unix.X_OK)
		if !errors.Is(err, fs.ErrNotExist) || dir == "/" {
			return err
		}
		dir = filepath.Dir(dir)
	}
}

func access(path string, mode uint32) error {
	if err := unix.Access(path, mode); err != nil {
		return chain.Errorf(chain.CodeNotAvailable, "%w", &os.PathError{Op: "access", Path: path, Err: err})
	}
	return nil
}

// probeOpenat2 asks the kernel for what keeps a container's links inside its root directory.
func probeOpenat2() error {
	root, err := place{Root: "/"}.openRoot(nil)
	if err == nil {
		var dir *os.File
		if dir, err = openDir(root, "."); err == nil {
			closeFile(dir)
		}
		closeFile(root)
	}
	if err != nil {
		return chain.Errorf(chain.CodeNotAvailable, "%w", err)
	}
	return nil
}
