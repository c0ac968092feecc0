// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Package nlsock is a bare netlink socket for the subsystems that no library speaks as we need it (nf_tables,
// conntrack, sock_diag): messages are written into one buffer, sent with one sendmsg, and answers are read as they
// come. It knows no message; for links, addresses and routes there is package nl.
package nlsock

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Sizes in bytes. The kernel refuses a message larger than the socket's send buffer (netlink_sendmsg in
// net/netlink/af_netlink.c), whose default is 208 KiB. One answer is never larger than 32 KiB (NLMSG_GOODSIZE, and
// netlink_dump's largest allocation).
const (
	smallMessage = 128 << 10
	readSize     = 64 << 10
)

// readTries is how often a receive that failed is tried.
const readTries = 4

// Socket is a netlink socket in one network namespace. It is for one goroutine.
type Socket struct {
	fd     int
	seq    uint32
	buf    []byte
	sndbuf int
	sends  int
}

// Open makes a socket of one protocol, a unix.NETLINK_ number, in the network namespace of the calling thread.
func Open(protocol int) (*Socket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return nil, fmt.Errorf("open netlink socket %d: %w", protocol, err)
	}
	for _, option := range []int{unix.NETLINK_CAP_ACK, unix.NETLINK_EXT_ACK} {
		if err := unix.SetsockoptInt(fd, unix.SOL_NETLINK, option, 1); err != nil {
			_ = unix.Close(fd)
			return nil, fmt.Errorf("set up netlink socket %d: %w", protocol, err)
		}
	}
	return &Socket{fd: fd, buf: make([]byte, readSize), sndbuf: smallMessage}, nil
}

// Close closes the socket.
func (s *Socket) Close() error {
	if err := unix.Close(s.fd); err != nil && !errors.Is(err, unix.EINTR) {
		return os.NewSyscallError("close netlink socket", err)
	}
	return nil
}

// CloseLater closes the socket without waiting for the kernel. A socket of netfilter is not closed before the kernel
// has destroyed what any transaction of nf_tables deleted, which takes it one or two grace periods of RCU, 8 to 16 ms
// (nft_rcv_nl_event in net/netfilter/nf_tables_api.c), and which concerns nobody any more: the deletion is through. So
// the last reference to the socket is left in a message that nobody can receive, on its way to a pair of local sockets
// that holds nothing but itself, which is for a kernel thread to collect (unix(7) and net/unix/garbage.c). With a
// kernel that takes no such message, or collects at once, as they did before 6.9, it is an ordinary Close.
func (s *Socket) CloseLater() error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return s.Close()
	}
	// Whatever goes wrong, the closes below are right: a message that was not sent holds nothing.
	_ = unix.Sendmsg(pair[0], []byte{0}, unix.UnixRights(s.fd, pair[1]), nil, 0)
	err = s.Close()
	_ = unix.Close(pair[1])
	_ = unix.Close(pair[0]) // the last, because it is what starts the collection
	return err
}

// Strict makes the kernel list only what matches the fields of a request for a list, where it otherwise lists all.
// Linux before 4.20 knows nothing of it and lists all nevertheless.
func (s *Socket) Strict() {
	_ = unix.SetsockoptInt(s.fd, unix.SOL_NETLINK, unix.NETLINK_GET_STRICT_CHK, 1)
}

// Sends is the number of sendmsg calls so far, for counting what a command costs.
func (s *Socket) Sends() int { return s.sends }

// NextSeq is the number for the next message.
func (s *Socket) NextSeq() uint32 {
	s.seq++
	return s.seq
}

// Send hands the kernel all messages in one sendmsg. The kernel works on them before it returns: what it has to say is
// there to be read afterwards.
func (s *Socket) Send(msgs []byte) error {
	if len(msgs) > s.sndbuf {
		s.growSendBuffer(2 * len(msgs))
	}
	for {
		err := unix.Sendmsg(s.fd, msgs, nil, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if errors.Is(err, unix.EMSGSIZE) {
			return fmt.Errorf("send %d bytes in one message: %w: root of the host may send any size, "+
				"others up to net.core.wmem_max", len(msgs), err)
		}
		s.sends++
		return os.NewSyscallError("send to the kernel", err)
	}
}

// growSendBuffer asks for a larger send buffer; when the caller may not exceed net.core.wmem_max it gets that much, and
// Send reports what does not fit.
func (s *Socket) growSendBuffer(size int) {
	if unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, size) != nil {
		_ = unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_SNDBUF, size)
	}
	s.sndbuf = size
}

// ReadAll calls f for every message until the kernel has no more to say, and returns f's first error. Bodies are good
// until f returns.
func (s *Socket) ReadAll(f func(Message) error) error {
	var failed error
	for {
		data, err := s.receive()
		if errors.Is(err, unix.EAGAIN) {
			return failed
		}
		if err != nil {
			return err
		}
		if err := eachMessage(data, f); err != nil && failed == nil {
			failed = err
		}
	}
}

// ReadPart calls f for every message of one datagram and leaves the rest of the kernel's answer unread, so that the
// beginning of a long list costs the same however long it is. The socket is good for nothing but Close afterwards.
func (s *Socket) ReadPart(f func(Message) error) error {
	data, err := s.receive()
	if err != nil {
		return err
	}
	return eachMessage(data, f)
}

// receive reads the next datagram. A receive that failed has taken nothing out of the buffer, so it is tried again a
// few times: with an answer that is not read, nobody knows what the kernel did.
func (s *Socket) receive() ([]byte, error) {
	for tries := 1; ; tries++ {
		n, err := s.read()
		switch {
		case err == unix.EAGAIN:
			return nil, unix.EAGAIN
		case err != 0 && (tries < readTries || err == unix.EINTR):
			continue
		case err != 0:
			return nil, os.NewSyscallError("receive from the kernel", err)
		case n > len(s.buf):
			return nil, fmt.Errorf("receive from the kernel: an answer larger than %d bytes", len(s.buf))
		}
		return s.buf[:n], nil
	}
}

// read reads one datagram and returns how long it is, also where the buffer is shorter. It never blocks; so the Go
// scheduler need not know of the call, which else may start a thread for what the process could do meanwhile.
func (s *Socket) read() (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(s.fd), uintptr(unsafe.Pointer(&s.buf[0])),
		uintptr(len(s.buf)), unix.MSG_DONTWAIT|unix.MSG_TRUNC, 0, 0)
	return int(n), errno
}

// Message is one netlink message that was received.
type Message struct {
	Kind, Flags uint16
	Seq         uint32
	Body        []byte
}

// eachMessage takes a datagram apart.
func eachMessage(data []byte, f func(Message) error) error {
	var failed error
	for len(data) >= unix.NLMSG_HDRLEN {
		size := int(binary.NativeEndian.Uint32(data))
		if size < unix.NLMSG_HDRLEN || size > len(data) {
			return errors.New("read the kernel's answer: bad message length")
		}
		m := Message{
			Kind:  binary.NativeEndian.Uint16(data[4:]),
			Flags: binary.NativeEndian.Uint16(data[6:]),
			Seq:   binary.NativeEndian.Uint32(data[8:]),
			Body:  data[unix.NLMSG_HDRLEN:size],
		}
		if err := f(m); err != nil && failed == nil {
			failed = err
		}
		data = data[min(Align(size), len(data)):]
	}
	return failed
}
