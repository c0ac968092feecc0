// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package testnet

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// maxDumps is how often a dump is begun again when the kernel says that things changed in between.
const maxDumps = 20

// socket is a netlink socket of the calling thread's namespace, opened when it is first used.
type socket struct {
	handle *nl.SocketHandle
}

func (s *socket) close() {
	if s.handle != nil {
		s.handle.Close()
	}
}

// dump asks the kernel for all objects of a kind. The parts are the request's body. Each answer is a body of the same
// form. A kernel without the feature has no objects.
func (s *socket) dump(protocol int, message uint16, parts ...[]byte) ([][]byte, error) {
	if s.handle == nil {
		opened, err := nl.GetNetlinkSocketAt(netns.None(), netns.None(), protocol)
		if err != nil {
			return nil, fmt.Errorf("open netlink socket: %w", err)
		}
		s.handle = &nl.SocketHandle{Socket: opened}
	}
	for try := 1; ; try++ {
		request := nl.NewNetlinkRequest(int(message), unix.NLM_F_DUMP)
		request.Sockets = map[int]*nl.SocketHandle{protocol: s.handle}
		for _, part := range parts {
			request.AddRawData(part)
		}
		answers, err := request.Execute(protocol, 0)
		switch {
		case errors.Is(err, nl.ErrDumpInterrupted) && try < maxDumps:
			continue
		case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EAFNOSUPPORT), errors.Is(err, unix.ENOPROTOOPT),
			errors.Is(err, unix.EINVAL) && protocol == unix.NETLINK_NETFILTER:
			return nil, nil
		case err != nil:
			return nil, fmt.Errorf("dump by netlink message %d: %w", message, err)
		}
		return answers, nil
	}
}

// attribute is one netlink attribute, without the flags in its type.
type attribute struct {
	kind uint16
	data []byte
}

// attributes are in the order of the message.
type attributes []attribute

// parseAttributes takes apart what follows the first skip bytes of a message. It stops at what makes no sense.
func parseAttributes(body []byte, skip int) attributes {
	var list attributes
	for body = body[min(skip, len(body)):]; len(body) >= unix.SizeofNlAttr; {
		length := int(binary.NativeEndian.Uint16(body))
		kind := binary.NativeEndian.Uint16(body[2:]) &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)
		if length < unix.SizeofNlAttr || length > len(body) {
			break
		}
		list = append(list, attribute{kind, body[unix.SizeofNlAttr:length]})
		aligned := (length + unix.NLA_ALIGNTO - 1) &^ (unix.NLA_ALIGNTO - 1)
		body = body[min(aligned, len(body)):]
	}
	return list
}

// get is the data of the first attribute of the kind; nil when there is none.
func (a attributes) get(kind uint16) []byte {
	for _, attr := range a {
		if attr.kind == kind {
			return attr.data
		}
	}
	return nil
}

// nested are the attributes within an attribute.
func (a attributes) nested(kind uint16) attributes { return parseAttributes(a.get(kind), 0) }

// str is the text of an attribute; "" when there is none.
func (a attributes) str(kind uint16) string {
	return strings.TrimRight(string(a.get(kind)), "\x00")
}

// number is a number of the machine's byte order of 1 to 8 bytes; 0 when there is none.
func (a attributes) number(kind uint16) uint64 {
	value, _ := nativeNumber(a.get(kind))
	return value
}

// decimal is the number as text; "" when there is none.
func (a attributes) decimal(kind uint16) string {
	value, ok := nativeNumber(a.get(kind))
	if !ok {
		return ""
	}
	return strconv.FormatUint(value, 10)
}

func nativeNumber(data []byte) (value uint64, ok bool) {
	switch len(data) {
	case 1:
		return uint64(data[0]), true
	case 2:
		return uint64(binary.NativeEndian.Uint16(data)), true
	case 4:
		return uint64(binary.NativeEndian.Uint32(data)), true
	case 8:
		return binary.NativeEndian.Uint64(data), true
	}
	return 0, false
}

// bigNumber is a number in network byte order, as nf_tables has them.
func bigNumber(data []byte) uint64 {
	var value uint64
	for _, b := range data {
		value = value<<8 | uint64(b)
	}
	return value
}

// named are the numbers of the attributes that names has a name for ("" has none), as fields.
func (a attributes) named(names map[uint16]string, prefix string) []Field {
	var list []Field
	for _, attr := range a {
		if name := names[attr.kind]; name != "" {
			value, ok := nativeNumber(attr.data)
			if !ok {
				list = append(list, Field{prefix + name, hex.EncodeToString(attr.data)})
				continue
			}
			list = append(list, Field{prefix + name, strconv.FormatUint(value, 10)})
		}
	}
	return list
}

// ip is an address of 4 or 16 bytes as text; "" when there is none.
func ip(data []byte) string {
	if address, ok := netip.AddrFromSlice(data); ok {
		return address.String()
	}
	return ""
}

// mac is a link layer address as text.
func mac(data []byte) string { return net.HardwareAddr(data).String() }

// words are the names of the bits that are set, in their order; bits without a name are left out.
func words(bits uint32, names []string) string {
	var list []string
	for i, name := range names {
		if bits&(1<<i) != 0 && name != "" {
			list = append(list, name)
		}
	}
	return strings.Join(list, "|")
}

// device is the name of an interface of this namespace.
func (c *collector) device(index uint32) string {
	if name, ok := c.links[index]; ok {
		return name
	}
	if index == 0 {
		return ""
	}
	return fmt.Sprintf("if%d", index)
}
