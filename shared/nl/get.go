// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package nl

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/nlsock"
)

// skipStats is RTEXT_FILTER_SKIP_STATS of linux/rtnetlink.h: counters are most of what the kernel tells of a link.
const skipStats = 1 << 3

// Which says which link is meant: by one of Index, Name and AltName; in the Conn's own namespace or, with Elsewhere, in
// the one that it knows by the ID NSID.
type Which struct {
	Index         int
	Name, AltName string
	NSID          int
	Elsewhere     bool
}

// String is the link for messages.
func (q Which) String() string {
	text := fmt.Sprintf("interface %q", q.Name+q.AltName)
	if q.Index != 0 {
		text = fmt.Sprintf("interface with index %d", q.Index)
	}
	if q.Elsewhere {
		text += " in another namespace"
	}
	return text
}

func (q Which) message() Message {
	return Message{Kind: unix.RTM_GETLINK, Head: IfInfo(q.Index, 0, 0), Attrs: func(w *nlsock.Writer) {
		Native(w, unix.IFLA_EXT_MASK, skipStats)
		if q.Name != "" {
			w.Text(unix.IFLA_IFNAME, q.Name)
		}
		if q.AltName != "" {
			w.Text(unix.IFLA_ALT_IFNAME, q.AltName)
		}
		if q.Elsewhere {
			Native(w, unix.IFLA_TARGET_NETNSID, uint32(q.NSID))
		}
	}}
}

// Link reads one link; it is nil when there is none.
func (c *Conn) Link(q Which) (*Link, error) {
	links, err := c.Links(q)
	if err != nil {
		return nil, err
	}
	return links[0], nil
}

// Links reads several links with one send. The list is as long as the questions; a link that is not there is nil.
func (c *Conn) Links(questions ...Which) ([]*Link, error) {
	var w nlsock.Writer
	var first uint32
	for i, q := range questions {
		seq := c.NextSeq()
		if i == 0 {
			first = seq
		}
		q.message().Write(&w, seq)
	}
	if err := c.Send(w.Buf); err != nil {
		return nil, fmt.Errorf("find %v: %w", questions[0], err)
	}
	links := make([]*Link, len(questions))
	err := c.ReadAll(func(m nlsock.Message) error {
		i := m.Seq - first
		if i >= uint32(len(questions)) {
			return nil
		}
		l, err := questions[i].read(m)
		if err != nil {
			return fmt.Errorf("find %v: %w", questions[i], err)
		}
		links[i] = l
		return nil
	})
	return links, err
}

// read reads the answer to one question.
func (q Which) read(m nlsock.Message) (*Link, error) {
	if m.Kind == unix.NLMSG_ERROR {
		err := Refusal(m)
		// EINVAL: a kernel before 5.5 does not know of alternative names, so no link has one; or the other namespace is just
		// being taken down, and has no ID any more (rtnl_get_net_ns_capable in net/core/rtnetlink.c).
		if IsGone(err) || (q.AltName != "" || q.Elsewhere) && errors.Is(err, unix.EINVAL) {
			return nil, nil
		}
		return nil, err
	}
	l := ParseLink(m.Body)
	if q.Elsewhere != l.elsewhere {
		return nil, errors.New("the kernel cannot look into another namespace: it has to be Linux 4.16 or newer")
	}
	return l, nil
}

// ListLinks asks for all links that match the attributes, such as unix.IFLA_MASTER; nil is no attribute.
func ListLinks(matching func(*nlsock.Writer)) Message {
	return Message{Kind: unix.RTM_GETLINK, Flags: unix.NLM_F_DUMP, Head: IfInfo(0, 0, 0), Attrs: func(w *nlsock.Writer) {
		Native(w, unix.IFLA_EXT_MASK, skipStats)
		if matching != nil {
			matching(w)
		}
	}}
}

// NSID is the number by which the Conn's namespace knows another one, as in Link.PeerNS; -1 when it knows it by none,
// and then none of its links has its other end there.
func (c *Conn) NSID(ns *os.File) (int, error) {
	id := -1
	err := c.Get(Message{
		Kind:  unix.RTM_GETNSID,
		Head:  make([]byte, 4), // struct rtgenmsg with its padding
		Attrs: func(w *nlsock.Writer) { Native(w, unix.NETNSA_FD, uint32(ns.Fd())) },
	}, func(body []byte) {
		nlsock.EachAttr(body[min(4, len(body)):], func(kind uint16, v []byte) {
			if kind == unix.NETNSA_NSID {
				id = int(int32(Number(v)))
			}
		})
	})
	if err != nil {
		return 0, fmt.Errorf("ask for the ID of namespace %s: %w", ns.Name(), err)
	}
	return id, nil
}
