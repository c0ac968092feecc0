// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package resolv

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"syscall"
)

const (
	// HostPath is the file that the host's resolver reads.
	HostPath = "/etc/resolv.conf"
	// systemdPath is where systemd-resolved writes the servers behind its stub (systemd-resolved(8)).
	systemdPath = "/run/systemd/resolve/resolv.conf"
	// networkManagerPath is the same of NetworkManager (NetworkManager.conf(5), rc-manager).
	networkManagerPath = "/run/NetworkManager/no-stub-resolv.conf"
	// MaxFile is how many bytes a file may have that is read. One of more than a few hundred is rare.
	MaxFile = 1 << 20
)

// systemdStubs are the addresses that systemd-resolved listens on (systemd-resolved(8)).
var systemdStubs = []string{"127.0.0.53", "127.0.0.54"}

// Inherited is a configuration that a container can take over.
type Inherited struct {
	Config
	// Path is the file that it was read from: the one asked for, or the one behind its stub.
	Path string
	// Dropped says in a sentence each what the file had and a container cannot use.
	Dropped []string
}

// Inherit reads the file at path ("" means HostPath) and, if a local stub is all that it names, the file in which the
// stub's owner keeps the real servers. Values that are invalid and servers that only the host can reach are dropped,
// which may leave no server at all: that is for the caller to judge. A file that is missing is an error that
// errors.Is(err, fs.ErrNotExist) tells.
func Inherit(path string) (Inherited, error) {
	if path == "" {
		path = HostPath
	}
	return inherit("", path)
}

// inherit looks for the stubs' files below root.
func inherit(root, path string) (Inherited, error) {
	c, err := Read(path)
	if err != nil {
		return Inherited{}, err
	}
	if behind := stub(c); behind != "" {
		real, err := Read(root + behind)
		switch {
		case err == nil:
			c, path = real, root+behind
		case !errors.Is(err, fs.ErrNotExist):
			return Inherited{}, err
		}
	}
	found := Inherited{Path: path}
	clean, refused := c.Clean()
	for _, err := range refused {
		found.Dropped = append(found.Dropped, err.Error())
	}
	var local []string
	found.Config, local = clean.WithoutLocal()
	for _, server := range local {
		found.Dropped = append(found.Dropped, "name server "+server+" can be reached from the host alone")
	}
	return found, nil
}

// stub is the file to read instead when c names nothing but a resolver on this host.
func stub(c Config) string {
	systemd := false
	for _, server := range c.Servers {
		addr, err := netip.ParseAddr(server)
		if err != nil || !addr.Unmap().IsLoopback() {
			return ""
		}
		systemd = systemd || slices.Contains(systemdStubs, server)
	}
	switch {
	case len(c.Servers) == 0:
		return ""
	case systemd:
		return systemdPath
	default:
		return networkManagerPath
	}
}

// Read is what the file at path says, as it says it. It never waits on a pipe or device, and refuses a file of more
// than 1 MiB.
func Read(path string) (Config, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return Config{}, fmt.Errorf("read resolver configuration: %w", err)
	}
	defer func() { _ = f.Close() }() // nothing was written
	data, err := ReadFile(f)
	if err != nil {
		return Config{}, fmt.Errorf("read resolver configuration %s: %w", path, err)
	}
	return Parse(data).Config(), nil
}

// ReadFile is the whole of an open file, which must be a regular one and, if it could be a pipe, opened without
// blocking.
func ReadFile(f *os.File) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file (%s)", f.Name(), info.Mode().Type())
	}
	data, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > MaxFile {
		return nil, fmt.Errorf("%s has more than %d bytes", f.Name(), MaxFile)
	}
	return data, nil
}
