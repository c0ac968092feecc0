// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/nft"
)

// namespaceID is what makes a namespace this one and not another: as long as it lives, nothing else has its device and
// inode (namespaces(7)).
func namespaceID(stat *unix.Stat_t) string { return fmt.Sprintf("%d %d", stat.Dev, stat.Ino) }

// namespaceNote identifies the open namespace and says where it was found.
func namespaceNote(ns *os.File, path string) (string, error) {
	var stat unix.Stat_t
	if err := unix.Fstat(int(ns.Fd()), &stat); err != nil {
		return "", fmt.Errorf("look at network namespace %s: %w", path, err)
	}
	return namespaceID(&stat) + " " + path, nil
}

// gone says whether the network namespace of an attachment is no longer where it was: then its container is no more,
// and nobody has called DEL.
func gone(h *nft.Holding) bool {
	fields := strings.SplitN(noteOf(h, noteNetNS), " ", 3)
	if len(fields) != 3 {
		return false // not ours to judge
	}
	var stat unix.Stat_t
	if err := unix.Stat(fields[2], &stat); err != nil {
		return err == unix.ENOENT || err == unix.ENOTDIR
	}
	return namespaceID(&stat) != fields[0]+" "+fields[1]
}
