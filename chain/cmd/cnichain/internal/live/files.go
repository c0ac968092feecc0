// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/pool"
)

// pools finds the leases of ip-pool and ip-config.
func (f *finder) pools(dir string) error {
	all, err := pool.ListDir(dir)
	if err != nil {
		return fmt.Errorf("read the pools: %w", err)
	}
	for _, lease := range all {
		a, ok := f.of(lease.Tag)
		if !ok {
			continue
		}
		a.since(lease.Since)
		for _, address := range lease.Addresses {
			a.leases = append(a.leases, address.String())
			a.piece("lease", address.String(), "pool "+filepath.Join(dir, lease.Pool))
		}
		for _, address := range lease.Missing {
			a.problem(fmt.Sprintf("the lease of %s is gone from pool %s: somebody else may get the address", address, lease.Pool))
		}
	}
	return nil
}

// resolvConfDir is where resolv-conf remembers which files it has written.
const resolvConfDir = "/run/cni-chain/resolv-conf"

// record is such a file of resolv-conf's.
type record struct {
	Owner string
	NetNS string
	Files []struct {
		Root, Path string
		Part       []string
	}
}

// resolvConf finds the parts of resolv.conf files that resolv-conf has written.
func (f *finder) resolvConf(dir string) error {
	paths, err := filepath.Glob(filepath.Join(dir, "*.json"))
	errs := []error{err}
	if _, err := os.ReadDir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		errs = append(errs, fmt.Errorf("read the records of resolv-conf: %w", err)) // of which Glob says nothing
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted meanwhile
		}
		var r record
		if err == nil {
			err = json.Unmarshal(data, &r)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("read record %s: %w", path, err))
			continue
		}
		if a, ok := f.of(r.Owner); ok {
			if info, err := os.Stat(path); err == nil {
				a.since(info.ModTime())
			}
			a.record(r)
		}
	}
	return errors.Join(errs...)
}

func (a *Attachment) record(r record) {
	if r.NetNS != "" {
		a.netns = append(a.netns, namespace{path: r.NetNS})
	}
	for _, file := range r.Files {
		path := filepath.Join(file.Root, file.Path)
		var lines []string
		for _, line := range file.Part {
			lines = append(lines, strings.TrimPrefix(line, "inherited "))
		}
		a.DNS = append(a.DNS, DNS{path, lines})
		a.piece("resolv.conf", strings.Join(lines, ", "), path)
		switch has, err := hasPart(file.Root, file.Path, r.Owner); {
		case errors.Is(err, fs.ErrNotExist):
			a.problem(fmt.Sprintf("%s is gone: names are looked up where the host looks, or not at all", path))
		case err != nil:
			a.problem(fmt.Sprintf("%s cannot be read: %v", path, err))
		case !has:
			a.problem(fmt.Sprintf("%s was written by somebody else meanwhile: its name servers are theirs", path))
		}
	}
}

// hasPart says whether the file has a line of the owner's: "# TAG nameserver 192.0.2.53". Nothing in a container's root
// directory leads out of it.
func hasPart(root, path, tag string) (bool, error) {
	dir, err := os.OpenRoot(root)
	if err != nil {
		return false, err
	}
	defer dir.Close()
	file, err := dir.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0) // what a container has put there may be a pipe
	if err != nil {
		return false, err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if line := lines.Text(); line == "# "+tag || strings.HasPrefix(line, "# "+tag+" ") {
			return true, nil
		}
	}
	return false, lines.Err()
}
