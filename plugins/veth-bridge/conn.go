// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/nl"
	"github.com/cni-chain/cni-chain/shared/nlsock"
)

// conn is the one socket of a call: all is done from the host, the container's end of a veth included.
type conn struct{ *nl.Conn }

func dial() (*conn, error) {
	c, err := nl.Dial()
	if err != nil {
		return nil, err
	}
	return &conn{c}, nil
}

// undoing is an undo with a socket of its own: it runs when that of the step has been closed.
func undoing(f func(*conn) error) func() error {
	return func() error {
		c, err := dial()
		if err != nil {
			return err
		}
		defer c.Close()
		return f(c)
	}
}

// makeLink makes a link, which must not exist.
func makeLink(flags uint32, attrs func(*nlsock.Writer)) nl.Message {
	return nl.Message{Kind: unix.RTM_NEWLINK, Flags: unix.NLM_F_CREATE | unix.NLM_F_EXCL, Head: nl.IfInfo(0, flags, flags),
		Attrs: attrs}
}

// setLink changes a link; the kernel sets the flags after everything else (do_setlink in net/core/rtnetlink.c).
func setLink(index int, flags, change uint32, attrs func(*nlsock.Writer)) nl.Message {
	return nl.Message{Kind: unix.RTM_SETLINK, Head: nl.IfInfo(index, flags, change), Attrs: attrs}
}

func setMaster(index, master int, flags uint32) nl.Message {
	return setLink(index, flags, flags, func(w *nlsock.Writer) { nl.Native(w, unix.IFLA_MASTER, uint32(master)) })
}

func setAlias(index int, alias string) nl.Message {
	// Without a zero byte, which the kernel would keep.
	return setLink(index, 0, 0, func(w *nlsock.Writer) { w.Bytes(unix.IFLA_IFALIAS, []byte(alias)) })
}

// setPort is a message about a port of a bridge, which has the family AF_BRIDGE.
func setPort(kind uint16, index int, attrs func(*nlsock.Writer)) nl.Message {
	head := nl.IfInfo(index, 0, 0)
	head[0] = unix.AF_BRIDGE
	return nl.Message{Kind: kind, Head: head, Attrs: attrs}
}

// delete deletes a link; one that is gone is fine. Both ends of a veth go with either.
func (c *conn) delete(l *nl.Link) error {
	err := c.Do(nl.Message{Kind: unix.RTM_DELLINK, Head: nl.IfInfo(l.Index, 0, 0)})
	if err != nil && !nl.IsGone(err) {
		return fmt.Errorf("delete interface %s: %w", l.Name, err)
	}
	return nil
}

// deleteByName deletes a link that nobody else can have made.
func (c *conn) deleteByName(name string) error {
	return c.Do(nl.Message{Kind: unix.RTM_DELLINK, Head: nl.IfInfo(0, 0, 0), Attrs: func(w *nlsock.Writer) {
		w.Text(unix.IFLA_IFNAME, name)
	}})
}

// byName reads a link of the host; it is nil when there is none.
func (c *conn) byName(name string) (*nl.Link, error) { return c.Link(nl.Which{Name: name}) }

// ports lists the indexes of a bridge's ports. It costs what the bridge has of ports.
func (c *conn) ports(bridge int) ([]int, error) {
	ports, err := nl.List(c.Conn, portsOf(bridge), func(body []byte) []int {
		if l := nl.ParseLink(body); l.Master == bridge {
			return []int{l.Index}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list ports of the bridge with index %d: %w", bridge, err)
	}
	return ports, nil
}

func portsOf(bridge int) nl.Message {
	return nl.ListLinks(func(w *nlsock.Writer) { nl.Native(w, unix.IFLA_MASTER, uint32(bridge)) })
}

// listTries is how often anyPort asks again when a change has spoilt the answer.
const listTries = 10

// anyPort says whether a bridge has a port besides the one with index except. It reads the first part of the list only,
// on a socket of its own that is closed then: a bridge with thousands of ports costs what one with two does.
func (c *conn) anyPort(bridge, except int) (bool, error) {
	for range listTries {
		found, torn, err := firstPort(bridge, except)
		if err != nil {
			return false, fmt.Errorf("look for ports of the bridge with index %d: %w", bridge, err)
		}
		if found || !torn {
			return found, nil
		}
	}
	return true, nil // so much changes there that it is in use
}

func firstPort(bridge, except int) (found, torn bool, err error) {
	c, err := dial()
	if err != nil {
		return false, false, err
	}
	defer c.Close()
	var w nlsock.Writer
	portsOf(bridge).Write(&w, c.NextSeq())
	if err := c.Send(w.Buf); err != nil {
		return false, false, err
	}
	err = c.ReadPart(func(m nlsock.Message) error {
		torn = torn || m.Flags&unix.NLM_F_DUMP_INTR != 0
		if m.Kind != unix.RTM_NEWLINK {
			return nl.Refusal(m)
		}
		if l := nl.ParseLink(m.Body); l.Master == bridge && l.Index != except {
			found = true
		}
		return nil
	})
	return found, torn, err
}
