// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// Types of the attributes inside an error message, enum nlmsgerr_attrs of linux/netlink.h.
const (
	errAttrMessage = 1
	errAttrOffset  = 2
)

// attrTypeMask leaves the flags out of an attribute's type, NLA_TYPE_MASK of linux/netlink.h.
const attrTypeMask = 0x3fff

// genSize is the size of struct nfgenmsg of linux/netfilter/nfnetlink.h, which starts every body.
const genSize = 4

// writer builds netlink messages, one after the other, in one buffer.
type writer struct {
	buf   []byte
	start int // of the message being written
}

// begin starts a message; end closes it.
func (w *writer) begin(kind, flags uint16, seq uint32, family uint8, res uint16) {
	w.start = len(w.buf)
	w.buf = binary.NativeEndian.AppendUint32(w.buf, 0)
	w.buf = binary.NativeEndian.AppendUint16(w.buf, kind)
	w.buf = binary.NativeEndian.AppendUint16(w.buf, flags|unix.NLM_F_REQUEST)
	w.buf = binary.NativeEndian.AppendUint32(w.buf, seq)
	w.buf = binary.NativeEndian.AppendUint32(w.buf, 0)
	w.buf = append(w.buf, family, unix.NFNETLINK_V0)
	w.buf = binary.BigEndian.AppendUint16(w.buf, res)
}

func (w *writer) end() {
	binary.NativeEndian.PutUint32(w.buf[w.start:], uint32(len(w.buf)-w.start))
}

// acknowledge asks for an answer to the last message even when all went well.
func (w *writer) acknowledge() {
	flags := w.buf[w.start+6:]
	binary.NativeEndian.PutUint16(flags, binary.NativeEndian.Uint16(flags)|unix.NLM_F_ACK)
}

// nest starts an attribute that holds attributes and returns where; closeNest ends it.
func (w *writer) nest(kind uint16) int {
	at := len(w.buf)
	w.buf = binary.NativeEndian.AppendUint16(w.buf, 0)
	w.buf = binary.NativeEndian.AppendUint16(w.buf, kind|unix.NLA_F_NESTED)
	return at
}

func (w *writer) closeNest(at int) {
	binary.NativeEndian.PutUint16(w.buf[at:], uint16(len(w.buf)-at))
}

func (w *writer) bytes(kind uint16, data []byte) {
	w.buf = binary.NativeEndian.AppendUint16(w.buf, uint16(unix.NLA_HDRLEN+len(data)))
	w.buf = binary.NativeEndian.AppendUint16(w.buf, kind)
	w.buf = append(w.buf, data...)
	w.pad()
}

// text writes a string with the NUL that the kernel wants (NLA_STRING of nf_tables is a C string).
func (w *writer) text(kind uint16, s string) {
	w.buf = binary.NativeEndian.AppendUint16(w.buf, uint16(unix.NLA_HDRLEN+len(s)+1))
	w.buf = binary.NativeEndian.AppendUint16(w.buf, kind)
	w.buf = append(w.buf, s...)
	w.buf = append(w.buf, 0)
	w.pad()
}

func (w *writer) number(kind uint16, v uint32) {
	w.bytes(kind, binary.BigEndian.AppendUint32(nil, v))
}

func (w *writer) number64(kind uint16, v uint64) {
	w.bytes(kind, binary.BigEndian.AppendUint64(nil, v))
}

// value writes data as nf_tables nests it: kind holds one NFTA_DATA_VALUE.
func (w *writer) value(kind uint16, data []byte) {
	at := w.nest(kind)
	w.bytes(unix.NFTA_DATA_VALUE, data)
	w.closeNest(at)
}

func (w *writer) pad() {
	for len(w.buf)%4 != 0 {
		w.buf = append(w.buf, 0)
	}
}

// eachAttr calls f for every attribute; a broken tail is left out.
func eachAttr(data []byte, f func(kind uint16, value []byte)) {
	for len(data) >= unix.NLA_HDRLEN {
		size := int(binary.NativeEndian.Uint16(data))
		if size < unix.NLA_HDRLEN || size > len(data) {
			return
		}
		kind := binary.NativeEndian.Uint16(data[2:]) & attrTypeMask
		f(kind, data[unix.NLA_HDRLEN:size])
		data = data[min(align(size), len(data)):]
	}
}

// attrs are the attributes of a message of nf_tables, behind its four bytes of nfgenmsg.
func attrs(body []byte) []byte {
	if len(body) < genSize {
		return nil
	}
	return body[genSize:]
}

func cString(b []byte) string {
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}

// comment finds the comment in user data: triples of type, length and value (linux/netfilter has no format for it, this
// is libnftnl's udata.h). Type 0 is the comment of rules, elements, chains and objects alike.
func comment(data []byte) string {
	for len(data) >= 2 {
		size := int(data[1])
		if len(data) < 2+size {
			break
		}
		if data[0] == 0 {
			return cString(data[2 : 2+size])
		}
		data = data[2+size:]
	}
	return ""
}

// refusal is what an NLMSG_ERROR says; errno 0 is an acknowledgement. offset is where in our message the attribute is
// that the kernel complains about, 0 when it does not say.
type refusal struct {
	errno  unix.Errno
	text   string
	offset int
}

func parseRefusal(m message) refusal {
	var r refusal
	if len(m.body) < 4+unix.NLMSG_HDRLEN {
		r.errno = unix.EPROTO
		return r
	}
	r.errno = unix.Errno(-int32(binary.NativeEndian.Uint32(m.body)))
	if m.flags&unix.NLM_F_ACK_TLVS == 0 {
		return r
	}
	rest := m.body[4+unix.NLMSG_HDRLEN:]
	if m.flags&unix.NLM_F_CAPPED == 0 {
		size := align(int(binary.NativeEndian.Uint32(m.body[4:])))
		rest = m.body[min(4+size, len(m.body)):]
	}
	eachAttr(rest, func(kind uint16, value []byte) {
		switch {
		case kind == errAttrMessage:
			r.text = cString(value)
		case kind == errAttrOffset && len(value) >= 4:
			r.offset = int(binary.NativeEndian.Uint32(value))
		}
	})
	return r
}
