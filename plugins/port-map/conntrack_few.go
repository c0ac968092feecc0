// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// nothingToForget says that no connection is one of the filters', as far as that can be told for a millisecond: where
// few are tracked, all stand in one piece of this file, for which the kernel does not lock each bucket of its table as
// it does for a list. Of several pieces, one may lack what another process has moved meanwhile; then it is not told.
func nothingToForget(x index) bool {
	fd, err := unix.Open("/proc/thread-self/net/nf_conntrack", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false // a kernel without CONFIG_NF_CONNTRACK_PROCFS
	}
	defer unix.Close(fd)
	var piece, rest [8 << 10]byte
	n, err := unix.Read(fd, piece[:])
	if err != nil {
		return false
	}
	if more, err := unix.Read(fd, rest[:]); err != nil || more != 0 {
		return false
	}
	for line := range strings.Lines(string(piece[:n])) {
		c, err := parseTracked(line)
		if err != nil || x.match(c) {
			return false
		}
	}
	return true
}

var errTracked = errors.New("not a line of nf_conntrack")

// parseTracked reads a connection as ct_seq_show of net/netfilter/nf_conntrack_standalone.c writes it: the family and
// the protocol by name and number, then "key=value" of the first packet's addresses and ports, and the same of the
// answer. What has no ports has port 0.
func parseTracked(line string) (c flow, err error) {
	words := strings.Fields(line)
	if len(words) < 4 {
		return c, errTracked
	}
	proto, err := strconv.ParseUint(words[3], 10, 8)
	if err != nil {
		return c, err
	}
	c.proto = uint8(proto)
	sources := 0
	for _, word := range words[4:] {
		key, value, _ := strings.Cut(word, "=")
		switch {
		case key == "src":
			c.answers, err = netip.ParseAddr(value) // the second one stays
			sources++
		case key == "dst" && sources == 1:
			c.to, err = netip.ParseAddr(value)
		case key == "dport" && sources == 1:
			var port uint64
			port, err = strconv.ParseUint(value, 10, 16)
			c.port = uint16(port)
		}
		if err != nil {
			return c, err
		}
	}
	if sources != 2 || !c.to.IsValid() {
		return c, errTracked
	}
	return c, nil
}
