// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/nft"
)

// openedDir has an empty file for each interface that the nftables backend has opened to the host's loopback address.
// Who needs it, the counters in the table say; but "nft flush ruleset", which distributions run to load their rules
// again, takes the table away and leaves the interface open. Then the next DEL or GC finds a file without a counter,
// and closes the interface.
const openedDir = markDir + "/opened"

// opened is one such interface: its file's name is "4-0-cni0", family, what route_localnet was before, and interface.
type opened struct {
	family family
	was    string
	link   string
	// counter is that of an interface that is unused.
	counter *nft.Object
}

func (o opened) file() string {
	return filepath.Join(openedDir, fmt.Sprintf("%d-%s-%s", o.family, o.was, o.link))
}

// remember makes the file before the interface is opened, unless there is one, and returns what was there before.
func remember(f family, link, now string) (was string, err error) {
	for _, was := range []string{"0", "1"} {
		if _, err := os.Lstat((opened{family: f, was: was, link: link}).file()); err == nil {
			return was, nil
		}
	}
	if err := os.MkdirAll(openedDir, 0o700); err != nil {
		return "", errors.Join(err, forgetOpened(f, link))
	}
	record := opened{family: f, was: now, link: link}
	file, err := os.OpenFile(record.file(), os.O_CREATE|os.O_WRONLY|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return "", errors.Join(err, forgetOpened(f, link))
	}
	return now, file.Close()
}

// forgetOpened deletes the file, and the directories after the last.
func forgetOpened(f family, link string) error {
	for _, was := range []string{"0", "1"} {
		if err := os.Remove((opened{family: f, was: was, link: link}).file()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	_ = os.Remove(openedDir) // not empty: others are open
	_ = os.Remove(markDir)
	return nil
}

// close puts back what was before.
func (o opened) close() error {
	if o.family == v6 {
		return closeLoopback6(o.link)
	}
	return closeLoopback4(o.link, wasPrefix+o.was)
}

// unused lists the interfaces that are open and that nobody needs.
func (n *nftables) unused() ([]opened, error) {
	entries, err := os.ReadDir(openedDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []opened
	var counters []string
	for _, e := range entries {
		parts := strings.SplitN(e.Name(), "-", 3)
		if len(parts) != 3 {
			continue
		}
		o := opened{family: family(parts[0][0] - '0'), was: parts[1], link: parts[2]}
		all, counters = append(all, o), append(counters, localCounter(o.family, o.link))
	}
	found, err := n.conn.Counters(nft.Inet, counters...)
	if err != nil {
		return nil, err
	}
	var free []opened
	for i, o := range all {
		if o.counter = found[i]; o.counter == nil || o.counter.Use == 0 {
			free = append(free, o)
		}
	}
	return free, nil
}

// closeUnused closes the interfaces that nobody needs. It is done under the lock.
func (n *nftables) closeUnused() error {
	free, err := n.unused()
	for _, o := range free {
		if o.counter == nil {
			err = errors.Join(err, o.close(), forgetOpened(o.family, o.link))
		} else {
			err = errors.Join(err, n.deleteIdle(o.counter))
		}
	}
	return err
}

// deleteIdle deletes the counter of an interface, after somebody has emptied the set whose elements referred to it.
func (n *nftables) deleteIdle(counter *nft.Object) error {
	tx := n.conn.Begin(nft.Inet)
	tx.DeleteCounter(counter.Name)
	if err := n.release(tx, counter); err != nil {
		return err
	}
	if err := tx.DeleteTableIfLast(); err != nil {
		return err
	}
	return tx.Commit()
}
