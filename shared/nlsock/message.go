// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package nlsock

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

// GenSize is the size of struct nfgenmsg of linux/netfilter/nfnetlink.h, which starts every body of netfilter's.
const GenSize = 4

// usualSize is enough for most messages. A buffer that grows has, at each of its sizes, two pages that the process has
// not had before.
const usualSize = 1 << 10

// Align rounds up to the 4 bytes of netlink messages and attributes (NLMSG_ALIGNTO, NLA_ALIGNTO).
func Align(n int) int { return (n + 3) &^ 3 }

// Writer builds netlink messages, one after the other, in Buf.
type Writer struct {
	Buf   []byte
	start int // of the message being written
}

// Begin starts a message that has NLM_F_REQUEST and flags; End closes it.
func (w *Writer) Begin(kind, flags uint16, seq uint32) {
	if w.Buf == nil {
		w.Buf = make([]byte, 0, usualSize)
	}
	w.start = len(w.Buf)
	w.Buf = binary.NativeEndian.AppendUint32(w.Buf, 0)
	w.Buf = binary.NativeEndian.AppendUint16(w.Buf, kind)
	w.Buf = binary.NativeEndian.AppendUint16(w.Buf, flags|unix.NLM_F_REQUEST)
	w.Buf = binary.NativeEndian.AppendUint32(w.Buf, seq)
	w.Buf = binary.NativeEndian.AppendUint32(w.Buf, 0)
}

// BeginGen starts a message to a subsystem of netfilter, with its struct nfgenmsg.
func (w *Writer) BeginGen(kind, flags uint16, seq uint32, family uint8, res uint16) {
	w.Begin(kind, flags, seq)
	w.Buf = append(w.Buf, family, unix.NFNETLINK_V0)
	w.Buf = binary.BigEndian.AppendUint16(w.Buf, res)
}

// End closes the message.
func (w *Writer) End() {
	binary.NativeEndian.PutUint32(w.Buf[w.start:], uint32(len(w.Buf)-w.start))
}

// Here is how far the message being written has come, in bytes.
func (w *Writer) Here() int { return len(w.Buf) - w.start }

// Acknowledge asks for an answer to the last message even when all goes well.
func (w *Writer) Acknowledge() {
	flags := w.Buf[w.start+6:]
	binary.NativeEndian.PutUint16(flags, binary.NativeEndian.Uint16(flags)|unix.NLM_F_ACK)
}

// Nest starts an attribute that holds attributes and returns where; CloseNest ends it.
func (w *Writer) Nest(kind uint16) int {
	at := len(w.Buf)
	w.Buf = binary.NativeEndian.AppendUint16(w.Buf, 0)
	w.Buf = binary.NativeEndian.AppendUint16(w.Buf, kind|unix.NLA_F_NESTED)
	return at
}

// CloseNest ends what Nest has started.
func (w *Writer) CloseNest(at int) {
	binary.NativeEndian.PutUint16(w.Buf[at:], uint16(len(w.Buf)-at))
}

// Bytes writes an attribute.
func (w *Writer) Bytes(kind uint16, data []byte) {
	w.Buf = binary.NativeEndian.AppendUint16(w.Buf, uint16(unix.NLA_HDRLEN+len(data)))
	w.Buf = binary.NativeEndian.AppendUint16(w.Buf, kind)
	w.Buf = append(w.Buf, data...)
	w.pad()
}

// Text writes a string with a NUL behind it.
func (w *Writer) Text(kind uint16, s string) {
	w.Buf = binary.NativeEndian.AppendUint16(w.Buf, uint16(unix.NLA_HDRLEN+len(s)+1))
	w.Buf = binary.NativeEndian.AppendUint16(w.Buf, kind)
	w.Buf = append(w.Buf, s...)
	w.Buf = append(w.Buf, 0)
	w.pad()
}

// Uint32 writes a number in network byte order, as netfilter has it.
func (w *Writer) Uint32(kind uint16, v uint32) {
	var data [4]byte
	binary.BigEndian.PutUint32(data[:], v)
	w.Bytes(kind, data[:])
}

// Uint64 writes a number in network byte order.
func (w *Writer) Uint64(kind uint16, v uint64) {
	var data [8]byte
	binary.BigEndian.PutUint64(data[:], v)
	w.Bytes(kind, data[:])
}

func (w *Writer) pad() {
	for len(w.Buf)%4 != 0 {
		w.Buf = append(w.Buf, 0)
	}
}

// EachAttr calls f for every attribute, the flags taken off its type; a broken tail is left out.
func EachAttr(data []byte, f func(kind uint16, value []byte)) {
	for len(data) >= unix.NLA_HDRLEN {
		size := int(binary.NativeEndian.Uint16(data))
		if size < unix.NLA_HDRLEN || size > len(data) {
			return
		}
		f(binary.NativeEndian.Uint16(data[2:])&attrTypeMask, data[unix.NLA_HDRLEN:size])
		data = data[min(Align(size), len(data)):]
	}
}

// GenAttrs is what follows the struct nfgenmsg of a body.
func GenAttrs(body []byte) []byte {
	return body[min(GenSize, len(body)):]
}

// CString is a string up to its NUL.
func CString(b []byte) string {
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}

// Refusal is what an NLMSG_ERROR says; Errno 0 is an acknowledgement.
type Refusal struct {
	Errno unix.Errno
	// Text is what the kernel adds, mostly nothing.
	Text string
	// Offset is where in our message the attribute is that the kernel complains about, 0 when it does not say.
	Offset int
}

// ParseRefusal reads an NLMSG_ERROR, or the errno of an NLMSG_DONE.
func ParseRefusal(m Message) Refusal {
	var r Refusal
	if len(m.Body) < 4 {
		return r
	}
	r.Errno = unix.Errno(-int32(binary.NativeEndian.Uint32(m.Body)))
	if m.Flags&unix.NLM_F_ACK_TLVS == 0 || len(m.Body) < 4+unix.NLMSG_HDRLEN {
		return r
	}
	rest := m.Body[4+unix.NLMSG_HDRLEN:]
	if m.Flags&unix.NLM_F_CAPPED == 0 {
		size := Align(int(binary.NativeEndian.Uint32(m.Body[4:])))
		rest = m.Body[min(4+size, len(m.Body)):]
	}
	EachAttr(rest, func(kind uint16, value []byte) {
		switch {
		case kind == errAttrMessage:
			r.Text = CString(value)
		case kind == errAttrOffset && len(value) >= 4:
			r.Offset = int(binary.NativeEndian.Uint32(value))
		}
	})
	return r
}
