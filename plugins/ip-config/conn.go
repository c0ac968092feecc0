// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import "github.com/cni-chain/cni-chain/shared/nl"

// conn is a netlink socket for the links, addresses and routes of one namespace.
type conn struct{ *nl.Conn }

// dial opens a conn to the namespace of the calling thread.
func dial() (*conn, error) {
	c, err := nl.Dial()
	if err != nil {
		return nil, err
	}
	return &conn{c}, nil
}

// dialed runs f on a conn of its own. An undo needs one: it comes when those of the ADD are closed.
func dialed(f func(*conn) error) error {
	c, err := dial()
	if err != nil {
		return err
	}
	defer c.close()
	return f(c)
}

func (c *conn) close() { _ = c.Close() } // nothing can be lost
