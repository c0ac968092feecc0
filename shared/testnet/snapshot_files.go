// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package testnet

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/cni-chain/cni-chain/shared/lock"
	"github.com/cni-chain/cni-chain/shared/netns"
)

// fileTrees are looked at on the host.
var fileTrees = []string{"/run", "/etc/netns", "/var/lib/cni"}

// ownState is where plugins keep their state. They may leave its directories when those are empty, and their locks.
const ownState = "/run/cni-chain"

// xtablesLock is the file that iptables keeps for its own lock.
const xtablesLock = "/run/xtables.lock"

// collectFiles lists the files of the host's trees and of the roots.
func (c *collector) collectFiles() error {
	trees := fileTrees
	if c.scope.Trees != nil {
		trees = c.scope.Trees
	}
	for _, root := range slices.Concat(trees, c.scope.Roots) {
		if _, err := c.addTree(root); err != nil {
			return err
		}
	}
	return nil
}

// addTree adds what is at path and beneath it, and reports whether there is anything that counts. What goes away while
// it is looked at is not there.
func (c *collector) addTree(path string) (counts bool, err error) {
	if c.isLeftOut(path) {
		return false, nil
	}
	info, err := os.Lstat(path)
	if err == nil && info.IsDir() {
		hasMore, err := c.addBeneath(path)
		if err != nil {
			return false, err
		}
		if !hasMore && !c.scope.Volatile && isUnder(path, ownState) {
			return false, nil
		}
	}
	var list []Field
	if err == nil {
		list, err = describeFile(path, info)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	c.add(Object{Section: Files, Key: path, Fields: list})
	return true, nil
}

// isLeftOut reports whether the path is of no interest: a lock, or the mounts that are a section of their own.
func (c *collector) isLeftOut(path string) bool {
	isLock := path == lock.Dir || path == xtablesLock
	return path == netns.Dir || isLock && !c.scope.Volatile
}

// addBeneath adds what is in a directory, and reports whether there is anything that counts.
func (c *collector) addBeneath(dir string) (counts bool, err error) {
	names, err := readDir(dir)
	if err != nil {
		return false, err
	}
	for _, name := range names {
		more, err := c.addTree(filepath.Join(dir, name))
		if err != nil {
			return false, err
		}
		counts = counts || more
	}
	return counts, nil
}

// describeFile says what a file is, whose, and what is in it.
func describeFile(path string, info fs.FileInfo) ([]Field, error) {
	list := fields("mode", info.Mode().String())
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		list = append(list, Field{"owner", fmt.Sprintf("%d:%d", stat.Uid, stat.Gid)})
	}
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(path)
		return append(list, Field{"target", target}), err
	case info.Mode().IsRegular():
		sum, err := hashFile(path)
		return append(list, Field{"size", fmt.Sprint(info.Size())}, Field{"sha256", sum}), err
	}
	return list, nil
}

// hashFile is the start of the SHA-256 of a file's content.
func hashFile(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	return hex.EncodeToString(hash.Sum(nil)[:8]), nil
}

// collectNamespaces lists the names in /run/netns, and what is wrong with them, if anything is.
func (c *collector) collectNamespaces() error {
	names, err := readDir(netns.Dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		var list []Field
		file, err := netns.Open(netns.Path(name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			list = fields("error", err.Error())
		default:
			file.Close()
		}
		c.add(Object{Section: Namespaces, Key: name, Fields: list})
	}
	return nil
}

// collectMounts lists the mounts of this process, but for those of named namespaces. The fields of mountinfo are
// described in proc_pid_mountinfo(5).
func (c *collector) collectMounts() error {
	mounts, err := os.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(mounts)) {
		mount, filesystem, _ := strings.Cut(line, " - ")
		left, right := strings.Fields(mount), strings.Fields(filesystem)
		if len(left) < 6 || len(right) < 2 || isUnder(left[4], netns.Dir) {
			continue
		}
		c.add(Object{Section: Mounts, Key: left[4], Fields: fields(
			"type", right[0], "source", right[1], "root", left[3], "options", left[5])})
	}
	return nil
}
