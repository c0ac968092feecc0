// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package nlsock

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestCloseLater: the process has none of the descriptors any more, and soon the kernel has not got the socket either.
func TestCloseLater(t *testing.T) {
	before := descriptors(t)
	sock, err := Open(unix.NETLINK_NETFILTER)
	if err != nil {
		t.Fatal(err)
	}
	var stat unix.Stat_t
	if err := unix.Fstat(sock.fd, &stat); err != nil {
		t.Fatal(err)
	}
	// It is bound, and so in the kernel's list, once it has sent something.
	var w Writer
	w.BeginGen(unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_GETGEN, 0, 1, unix.AF_UNSPEC, 0)
	w.End()
	if err := sock.Send(w.Buf); err != nil {
		t.Fatal(err)
	}
	if !listed(t, stat.Ino) {
		t.Fatal("the open socket is not in /proc/self/net/netlink")
	}
	if err := sock.CloseLater(); err != nil {
		t.Fatal(err)
	}
	if after := descriptors(t); after != before {
		t.Errorf("the process had %d descriptors before, now %d", before, after)
	}
	for deadline := time.Now().Add(10 * time.Second); listed(t, stat.Ino); {
		if time.Now().After(deadline) {
			t.Fatal("the kernel still has the socket after 10 s")
		}
		time.Sleep(time.Millisecond)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// listed says whether the kernel has a netlink socket of that inode, the last column of its list.
func listed(t *testing.T, inode uint64) bool {
	t.Helper()
	data, err := os.ReadFile("/proc/self/net/netlink")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if len(fields) > 0 && fields[len(fields)-1] == strconv.FormatUint(inode, 10) {
			return true
		}
	}
	return false
}
