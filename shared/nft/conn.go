// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/nlsock"
)

// Conn is a netlink socket to the netfilter subsystems of one network namespace. It is for one goroutine.
type Conn struct {
	sock    *nlsock.Socket
	batches int
	// slow: a transaction deleted something or was refused, so that closing the socket takes the kernel long.
	slow bool
}

// Open makes a Conn to the network namespace of the calling thread.
func Open() (*Conn, error) {
	sock, err := nlsock.Open(unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, err
	}
	return &Conn{sock: sock}, nil
}

// Close closes the socket, and leaves to the kernel what it still has to clear away of what was deleted.
func (c *Conn) Close() error {
	if c.slow {
		return c.sock.CloseLater()
	}
	return c.sock.Close()
}

// Batches is the number of transactions sent so far, for tests and for counting what a command costs.
func (c *Conn) Batches() int { return c.batches }

// comment finds the comment in user data: triples of type, length and value (the format is libnftnl's, udata.h). Type 0
// is the comment of rules, elements and counters alike.
func comment(data []byte) string {
	for len(data) >= 2 {
		size := int(data[1])
		if len(data) < 2+size {
			break
		}
		if data[0] == 0 {
			return nlsock.CString(data[2 : 2+size])
		}
		data = data[2+size:]
	}
	return ""
}
