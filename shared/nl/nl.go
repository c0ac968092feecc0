// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Package nl speaks rtnetlink: it sends one message and reads its answer, and knows of the messages themselves only how
// to ask for links. github.com/vishvananda/netlink stays out of the plugins, because it cannot make both ends of a veth
// in one message, asks for counters with every link, reads a link in another namespace only through a socket there,
// and makes a binary 350 KB larger.
//
// There are gets of single links, by name or index, also in another namespace. A list grows with the host and can be
// spoilt by any change to it; where there is no way around one, [List] repeats it.
package nl

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/nlsock"
)

// tries is how often a list is asked for. Each is spoilt only by a change during the microseconds that it takes.
const tries = 100

// Conn is a netlink socket for the links, addresses and routes of one network namespace. It is for one goroutine.
type Conn struct{ *nlsock.Socket }

// Dial makes a Conn to the network namespace of the calling thread; netns.Do brings a thread into another one.
func Dial() (*Conn, error) {
	s, err := nlsock.Open(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	s.Strict()
	return &Conn{s}, nil
}

// Message is one request: its kind (unix.RTM_), flags, the fixed part that the kind begins with, and attributes, which
// may be nil.
type Message struct {
	Kind, Flags uint16
	Head        []byte
	Attrs       func(*nlsock.Writer)
}

// Write appends the message to a buffer, for one that is sent with others.
func (m Message) Write(w *nlsock.Writer, seq uint32) {
	w.Begin(m.Kind, m.Flags, seq)
	w.Buf = append(w.Buf, m.Head...)
	if m.Attrs != nil {
		m.Attrs(w)
	}
	w.End()
}

// IfInfo is the fixed part of messages about links, struct ifinfomsg of linux/rtnetlink.h. Index 0 leaves it to an
// attribute to say which link; change says which of the flags are meant.
func IfInfo(index int, flags, change uint32) []byte {
	head := make([]byte, unix.SizeofIfInfomsg)
	binary.NativeEndian.PutUint32(head[4:], uint32(index))
	binary.NativeEndian.PutUint32(head[8:], flags)
	binary.NativeEndian.PutUint32(head[12:], change)
	return head
}

// Native writes a number in the host's byte order, as rtnetlink has it.
func Native(w *nlsock.Writer, kind uint16, v uint32) {
	w.Bytes(kind, binary.NativeEndian.AppendUint32(nil, v))
}

// Number reads a number of one, two or four bytes; what is too short is 0.
func Number(v []byte) uint32 {
	switch {
	case len(v) >= 4:
		return binary.NativeEndian.Uint32(v)
	case len(v) >= 2:
		return uint32(binary.NativeEndian.Uint16(v))
	case len(v) == 1:
		return uint32(v[0])
	}
	return 0
}

// Do makes a change. The error is the kernel's number, with what it says about it.
func (c *Conn) Do(m Message) error {
	m.Flags |= unix.NLM_F_ACK
	answered := false
	err := c.ask(m, func(answer nlsock.Message) error {
		answered = answered || answer.Kind == unix.NLMSG_ERROR
		return Refusal(answer)
	})
	if err == nil && !answered {
		return errors.New("the kernel gave no answer")
	}
	return err
}

// Get calls f with the bodies of what the kernel answers: one object, or with NLM_F_DUMP a list. EINTR says that the
// list is spoilt.
func (c *Conn) Get(m Message, f func(body []byte)) error {
	return c.ask(m, func(answer nlsock.Message) error {
		if answer.Flags&unix.NLM_F_DUMP_INTR != 0 {
			return unix.EINTR
		}
		if answer.Kind == unix.NLMSG_ERROR || answer.Kind == unix.NLMSG_DONE {
			return Refusal(answer)
		}
		f(answer.Body)
		return nil
	})
}

func (c *Conn) ask(m Message, f func(nlsock.Message) error) error {
	var w nlsock.Writer
	seq := c.NextSeq()
	m.Write(&w, seq)
	if err := c.Send(w.Buf); err != nil {
		return err
	}
	return c.ReadAll(func(answer nlsock.Message) error {
		if answer.Seq != seq {
			return nil
		}
		return f(answer)
	})
}

// List reads a list, and reads it again when a change came in between, of which the kernel then tells
// (containernetworking/plugins#1121). parse may take several objects, or none, from one body.
func List[T any](c *Conn, m Message, parse func(body []byte) []T) ([]T, error) {
	m.Flags |= unix.NLM_F_DUMP
	return whole(func() (all []T, err error) {
		err = c.Get(m, func(body []byte) { all = append(all, parse(body)...) })
		return all, err
	})
}

// whole reads until nothing has come in between.
func whole[T any](read func() ([]T, error)) ([]T, error) {
	for range tries {
		if all, err := read(); !errors.Is(err, unix.EINTR) {
			return all, err
		}
	}
	return nil, fmt.Errorf("it changed %d times while it was read: %w", tries, unix.EAGAIN)
}

// Refusal is the error in an NLMSG_ERROR or NLMSG_DONE, nil when there is none.
func Refusal(answer nlsock.Message) error {
	switch r := nlsock.ParseRefusal(answer); {
	case r.Errno == 0:
		return nil
	case r.Text != "":
		return fmt.Errorf("%w (%s)", r.Errno, r.Text)
	default:
		return r.Errno
	}
}

// IsGone says whether the error means that a link is not there, or not any more.
func IsGone(err error) bool { return errors.Is(err, unix.ENODEV) }
