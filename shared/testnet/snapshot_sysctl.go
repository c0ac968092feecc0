// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package testnet

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// sysctlDirs are looked at without what is beneath them: neighbour tables and routes have no settings of a link. Of a
// directory with per set, it is the directories in it: one for each interface.
var sysctlDirs = []struct {
	dir string
	per bool
}{
	{"ipv4", false}, {"ipv4/conf", true}, {"ipv6", false}, {"ipv6/conf", true}, {"bridge", false},
}

// collectSysctls reads the kernel's parameters. The files of /proc/sys/net show the namespace of the thread.
func (c *collector) collectSysctls() error {
	for _, each := range sysctlDirs {
		dirs := []string{each.dir}
		if each.per {
			names, err := readDir(filepath.Join(sysctlRoot, each.dir))
			if err != nil {
				return err
			}
			dirs = dirs[:0]
			for _, name := range names {
				dirs = append(dirs, each.dir+"/"+name)
			}
		}
		for _, dir := range dirs {
			if err := c.addSysctls(dir); err != nil {
				return err
			}
		}
	}
	return nil
}

const sysctlRoot = "/proc/sys/net"

// addSysctls adds the parameters in one directory, but for what cannot be read: some are only written, some have no
// value (ipv6 stable_secret), and an interface may go away meanwhile.
//
// A snapshot reads more of these than of everything else, so it does without package os, which asks the runtime's
// poller about each file, and opens them from their directory.
func (c *collector) addSysctls(dir string) error {
	fd, names, err := openDir(filepath.Join(sysctlRoot, dir))
	if err != nil || fd < 0 {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	buffer := make([]byte, 4096)
	for _, name := range names {
		file, err := unix.Openat(fd, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			continue
		}
		n, err := unix.Read(file, buffer)
		_ = unix.Close(file)
		if err != nil { // a directory, too
			continue
		}
		value := strings.Join(strings.Fields(string(buffer[:n])), " ")
		c.add(Object{Section: Sysctls, Key: dir + "/" + name, Fields: []Field{{"value", value}}})
	}
	return nil
}

// readDir lists the names in a directory, unsorted; none when it is not there.
func readDir(dir string) ([]string, error) {
	fd, names, err := openDir(dir)
	if fd >= 0 {
		_ = unix.Close(fd)
	}
	return names, err
}

// openDir opens a directory and lists the names in it, unsorted; fd is -1 when it is not there, or on an error.
func openDir(dir string) (fd int, names []string, err error) {
	fd, err = unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return -1, nil, nil
	}
	if err != nil {
		return -1, nil, fmt.Errorf("open %s: %w", dir, err)
	}
	buffer := make([]byte, 8192)
	for {
		n, err := unix.ReadDirent(fd, buffer)
		if err != nil {
			_ = unix.Close(fd)
			return -1, nil, fmt.Errorf("read %s: %w", dir, err)
		}
		if n == 0 {
			return fd, names, nil
		}
		_, _, names = unix.ParseDirent(buffer[:n], -1, names)
	}
}
