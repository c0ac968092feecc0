// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package nlsock

import (
	"bytes"
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"
)

// TestWriterAndReader: what is written reads the same, nested and padded.
func TestWriterAndReader(t *testing.T) {
	var w Writer
	w.BeginGen(0x0a09, unix.NLM_F_CREATE, 7, unix.AF_INET, 3)
	w.Text(1, "name")
	at := w.Nest(2)
	w.Bytes(3, []byte{1, 2, 3, 4, 5})
	w.Uint32(4, 6)
	w.CloseNest(at)
	w.Uint64(5, 8)
	w.Acknowledge()
	w.End()
	w.Begin(9, 0, 8)
	w.End()

	var got []Message
	if err := eachMessage(w.Buf, func(m Message) error { got = append(got, m); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].Kind != 0x0a09 || got[0].Seq != 7 || got[1].Seq != 8 ||
		got[0].Flags != unix.NLM_F_REQUEST|unix.NLM_F_CREATE|unix.NLM_F_ACK {
		t.Fatalf("messages are %+v", got)
	}
	seen := map[uint16]bool{}
	EachAttr(GenAttrs(got[0].Body), func(kind uint16, value []byte) {
		seen[kind] = true
		switch kind {
		case 1:
			if CString(value) != "name" {
				t.Errorf("text is %q", value)
			}
		case 2:
			EachAttr(value, func(kind uint16, value []byte) {
				seen[kind] = true
				if kind == 3 && !bytes.Equal(value, []byte{1, 2, 3, 4, 5}) || kind == 4 && binary.BigEndian.Uint32(value) != 6 {
					t.Errorf("attribute %d is %v", kind, value)
				}
			})
		case 5:
			if binary.BigEndian.Uint64(value) != 8 {
				t.Errorf("number is %v", value)
			}
		}
	})
	if len(seen) != 5 {
		t.Errorf("attributes are %v", seen)
	}
}

// FuzzRead: no answer, however broken, makes the readers panic or read beyond it.
func FuzzRead(f *testing.F) {
	var w Writer
	w.BeginGen(unix.NLMSG_ERROR, unix.NLM_F_CAPPED|unix.NLM_F_ACK_TLVS, 1, 0, 0)
	w.Text(errAttrMessage, "no")
	w.End()
	f.Add(w.Buf)
	f.Add([]byte{16, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		_ = eachMessage(data, func(m Message) error {
			ParseRefusal(m)
			EachAttr(GenAttrs(m.Body), func(_ uint16, value []byte) { EachAttr(value, func(uint16, []byte) {}) })
			return nil
		})
	})
}
