// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Package sysctl reads and writes kernel parameters under /proc/sys. It reads before it writes, so that a value that is
// already right needs no right to change it: in a container /proc/sys is often mounted read-only.
//
// Parameters under net/ belong to the network namespace of the calling thread. For another one, call from within
// netns.Do.
package sysctl

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"
)

const root = "/proc/sys/"

// maxValue is more than any parameter that is a number or a word has.
const maxValue = 4096

// Get is the value of a parameter without its line end. The elements are joined by "/": an interface name may contain
// dots, so Get("net/ipv4/conf", link, "forwarding") and never a dotted name. The error has fs.ErrNotExist where the
// kernel has no such parameter.
func Get(path ...string) (string, error) {
	name := strings.Join(path, "/")
	if err := check(name); err != nil {
		return "", explain("read", name, "", err)
	}
	fd, err := open(name, unix.O_RDONLY)
	if err != nil {
		return "", explain("read", name, "", err)
	}
	defer unix.Close(fd)
	var buf [maxValue]byte
	n, err := retry(func() (int, error) { return unix.Read(fd, buf[:]) })
	if err != nil {
		return "", explain("read", name, "", err)
	}
	return strings.TrimRight(string(buf[:n]), "\n"), nil
}

// Set writes a parameter if it has another value, and returns whether it did and the value before, for whoever wants to
// take it back. The error names the parameter and says what to do about the usual causes.
func Set(name, value string) (changed bool, old string, err error) {
	if old, err = Get(name); err != nil || old == value {
		return false, old, err
	}
	if err := Write(name, value); err != nil {
		return false, old, err
	}
	return true, old, nil
}

// Write is Set for whoever knows that the parameter has another value, as netlink tells of those of an interface.
func Write(name, value string) error {
	if err := check(name); err != nil {
		return explain("set", name, value, err)
	}
	fd, err := open(name, unix.O_WRONLY)
	if err != nil {
		return explain("set", name, value, err)
	}
	defer unix.Close(fd)
	if _, err := retry(func() (int, error) { return unix.Write(fd, []byte(value)) }); err != nil {
		return explain("set", name, value, err)
	}
	return nil
}

func open(name string, how int) (int, error) {
	return retry(func() (int, error) { return unix.Open(root+name, how|unix.O_CLOEXEC, 0) })
}

// check keeps a name below /proc/sys: parts of it come from configurations.
func check(name string) error {
	for _, element := range strings.Split(name, "/") {
		if element == "" || element == "." || element == ".." || strings.ContainsRune(element, 0) {
			return unix.EINVAL
		}
	}
	return nil
}

// explain adds what to do to what the kernel said.
func explain(verb, name, value string, err error) error {
	advice := ""
	switch {
	case errors.Is(err, unix.EROFS), errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		advice = ": /proc/sys cannot be written from here, as in an unprivileged container"
		if value != "" {
			advice += fmt.Sprintf("; set it beforehand (sysctl -w %s=%s) or allow writing", name, value)
		}
	case errors.Is(err, fs.ErrNotExist) && strings.HasPrefix(name, "net/ipv6/"):
		advice = ": the kernel runs without IPv6 (ipv6.disable=1, or no ipv6 module), or there is no such interface"
	case errors.Is(err, fs.ErrNotExist):
		advice = ": the kernel has no such parameter, or there is no such interface"
	}
	if verb == "set" {
		return fmt.Errorf("set sysctl %s to %s: %w%s", name, value, err, advice)
	}
	return fmt.Errorf("%s sysctl %s: %w%s", verb, name, err, advice)
}

// retry calls again when a signal interrupts: a Go process is sent some by its own runtime.
func retry(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}
