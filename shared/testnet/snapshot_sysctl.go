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

// sysctlRoot shows the parameters of the thread's namespace.
const sysctlRoot = "/proc/sys/net"

// sysctlDirs are looked at without what is beneath them. The settings of interfaces come with the interfaces.
var sysctlDirs = []string{
	"ipv4", "ipv4/conf/all", "ipv4/conf/default", "ipv6", "ipv6/conf/all", "ipv6/conf/default", "bridge",
}

// collectSysctls reads the kernel's parameters.
func (c *collector) collectSysctls() error {
	for _, dir := range sysctlDirs {
		if err := c.addSysctls(dir); err != nil {
			return err
		}
	}
	return nil
}

// addSysctls adds the parameters in one directory, but for what cannot be read: some are only written, some have no
// value (ipv6 stable_secret).
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
