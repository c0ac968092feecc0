// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Sizes in bytes. The kernel refuses a batch larger than the socket's send buffer (netlink_sendmsg in
// net/netlink/af_netlink.c), whose default of 208 KiB holds about 1,500 elements. One answer is never larger than
// 32 KiB (NLMSG_GOODSIZE, and netlink_dump's largest allocation).
const (
	smallBatch = 128 << 10
	readSize   = 64 << 10
)

// Conn is a netlink socket to the netfilter subsystems of one network namespace. It is for one goroutine. Closing it
// after a deletion takes 8 to 16 ms, because the kernel then waits until no packet can see what was deleted
// (nft_rcv_nl_event in net/netfilter/nf_tables_api.c); so do on one Conn all there is to do.
type Conn struct {
	fd      int
	seq     uint32
	buf     []byte
	sndbuf  int
	batches int
}

// Open makes a Conn to the network namespace of the calling thread.
func Open() (*Conn, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, fmt.Errorf("open netfilter socket: %w", err)
	}
	for _, option := range []int{unix.NETLINK_CAP_ACK, unix.NETLINK_EXT_ACK} {
		if err := unix.SetsockoptInt(fd, unix.SOL_NETLINK, option, 1); err != nil {
			_ = unix.Close(fd)
			return nil, fmt.Errorf("set up netfilter socket: %w", err)
		}
	}
	return &Conn{fd: fd, buf: make([]byte, readSize), sndbuf: smallBatch}, nil
}

// Close closes the socket.
func (c *Conn) Close() error {
	if err := unix.Close(c.fd); err != nil && !errors.Is(err, unix.EINTR) {
		return os.NewSyscallError("close netfilter socket", err)
	}
	return nil
}

// Batches is the number of transactions sent so far, for tests and for counting what a command costs.
func (c *Conn) Batches() int { return c.batches }

// send hands the kernel all messages in one sendmsg. The kernel works on them before it returns: what it has to say is
// in the receive buffer afterwards.
func (c *Conn) send(msgs []byte) error {
	if len(msgs) > c.sndbuf {
		c.growSendBuffer(2 * len(msgs))
	}
	for {
		err := unix.Sendmsg(c.fd, msgs, nil, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if errors.Is(err, unix.EMSGSIZE) {
			return fmt.Errorf("send %d bytes in one transaction: %w: root of the host may send any size, "+
				"others up to net.core.wmem_max", len(msgs), err)
		}
		return os.NewSyscallError("send to netfilter", err)
	}
}

// growSendBuffer asks for a larger send buffer; when the caller may not exceed net.core.wmem_max it gets that much, and
// send reports what does not fit.
func (c *Conn) growSendBuffer(size int) {
	if unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, size) != nil {
		_ = unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_SNDBUF, size)
	}
	c.sndbuf = size
}

// growReceiveBuffer makes room for many answers to one send.
func (c *Conn) growReceiveBuffer(size int) {
	if unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, size) != nil {
		_ = unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, size)
	}
}

// receive reads the next datagram; the slice is good until the next call. EAGAIN means that the kernel has said all it
// had to say. A receive that failed has taken nothing out of the buffer, so it is tried again a few times: an answer
// that we do not read would leave us not knowing what the kernel did.
func (c *Conn) receive() ([]byte, error) {
	for tries := 0; ; tries++ {
		n, _, flags, _, err := unix.Recvmsg(c.fd, c.buf, nil, unix.MSG_DONTWAIT)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return nil, unix.EAGAIN
		case err != nil && tries < 3:
			continue
		case err != nil:
			return nil, os.NewSyscallError("receive from netfilter", err)
		case flags&unix.MSG_TRUNC != 0:
			return nil, fmt.Errorf("receive from netfilter: an answer larger than %d bytes", len(c.buf))
		}
		return c.buf[:n], nil
	}
}

// message is one netlink message that was received.
type message struct {
	kind, flags uint16
	seq         uint32
	body        []byte
}

// eachMessage takes a datagram apart.
func eachMessage(data []byte, f func(message) error) error {
	for len(data) >= unix.NLMSG_HDRLEN {
		size := int(binary.NativeEndian.Uint32(data))
		if size < unix.NLMSG_HDRLEN || size > len(data) {
			return errors.New("read netfilter's answer: bad message length")
		}
		m := message{
			kind:  binary.NativeEndian.Uint16(data[4:]),
			flags: binary.NativeEndian.Uint16(data[6:]),
			seq:   binary.NativeEndian.Uint32(data[8:]),
			body:  data[unix.NLMSG_HDRLEN:size],
		}
		if err := f(m); err != nil {
			return err
		}
		data = data[min(align(size), len(data)):]
	}
	return nil
}

// align rounds up to the 4 bytes of netlink messages and attributes (NLMSG_ALIGNTO, NLA_ALIGNTO).
func align(n int) int { return (n + 3) &^ 3 }
