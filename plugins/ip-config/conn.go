// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/nlsock"
)

// maxRestarts ends a list that changes whenever it is read.
const maxRestarts = 20

// conn is a netlink socket for the links, addresses and routes of one namespace. The messages are made here because no
// library writes the origin of an address (IFA_PROTO) or reads a link's IPv6 settings.
type conn struct{ *nlsock.Socket }

// dial opens a conn to the namespace of the calling thread.
func dial() (*conn, error) {
	s, err := nlsock.Open(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	s.Strict()
	return &conn{s}, nil
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

// message is a request: the kind, the fixed part that the kind begins with, and attributes.
type message struct {
	kind, flags uint16
	head        []byte
	attrs       func(*nlsock.Writer)
}

func (m message) write(seq uint32) []byte {
	var w nlsock.Writer
	w.Begin(m.kind, m.flags, seq)
	w.Buf = append(w.Buf, m.head...)
	if m.attrs != nil {
		m.attrs(&w)
	}
	w.End()
	return w.Buf
}

// do makes a change; the error is the kernel's, with what it says about it.
func (c *conn) do(m message) error {
	m.flags |= unix.NLM_F_ACK
	answered := false
	err := c.ask(m, func(nlsock.Message) {}, &answered)
	if err == nil && !answered {
		return errors.New("the kernel gave no answer")
	}
	return err
}

// get calls f with the bodies of what the kernel answers: the one object, or with NLM_F_DUMP the list.
func (c *conn) get(m message, f func(body []byte)) error {
	var answered bool
	return c.ask(m, func(answer nlsock.Message) { f(answer.Body) }, &answered)
}

func (c *conn) ask(m message, f func(nlsock.Message), answered *bool) error {
	seq := c.NextSeq()
	if err := c.Send(m.write(seq)); err != nil {
		return err
	}
	return c.ReadAll(func(answer nlsock.Message) error {
		if answer.Seq != seq {
			return nil
		}
		if answer.Flags&unix.NLM_F_DUMP_INTR != 0 {
			return unix.EINTR
		}
		if answer.Kind != unix.NLMSG_ERROR && answer.Kind != unix.NLMSG_DONE {
			f(answer)
			return nil
		}
		*answered = true
		return refusal(nlsock.ParseRefusal(answer))
	})
}

func refusal(r nlsock.Refusal) error {
	switch {
	case r.Errno == 0:
		return nil
	case r.Text != "":
		return fmt.Errorf("%w (%s)", r.Errno, r.Text)
	}
	return r.Errno
}

// list reads a list, and reads it again when a change came in between, of which the kernel then tells
// (containernetworking/plugins#1121).
func list[T any](c *conn, m message, parse func(body []byte) []T) ([]T, error) {
	m.flags |= unix.NLM_F_DUMP
	for range maxRestarts {
		var all []T
		err := c.get(m, func(body []byte) { all = append(all, parse(body)...) })
		if !errors.Is(err, unix.EINTR) {
			return all, err
		}
	}
	return nil, fmt.Errorf("it changed %d times while it was read: %w", maxRestarts, unix.EAGAIN)
}

// native writes a number in the host's byte order, as rtnetlink has it.
func native(w *nlsock.Writer, kind uint16, v uint32) {
	w.Bytes(kind, binary.NativeEndian.AppendUint32(nil, v))
}

// number reads one; what is too short is 0.
func number(v []byte) uint32 {
	if len(v) < 4 {
		return 0
	}
	return binary.NativeEndian.Uint32(v)
}
