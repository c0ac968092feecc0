// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/shared/nft"
	"github.com/cni-chain/cni-chain/shared/nlsock"
)

// A question about sockets, struct inet_diag_req_v2 of linux/inet_diag.h: 56 bytes, of which the ports, the addresses
// and the interface are struct inet_diag_sockid; and struct inet_diag_msg of the answer.
const (
	sockDiagByFamily = 20      // SOCK_DIAG_BY_FAMILY of linux/sock_diag.h
	tcpListen        = 1 << 10 // TCPF_LISTEN of net/tcp_states.h
	udpUnconnected   = 1 << 7  // TCPF_CLOSE: the state of a UDP socket that takes packets from anybody
	diagAnswerSize   = 72
)

// manyPorts is from how many ports on all listening sockets are listed once, instead of looking up one by one.
const manyPorts = 64

// listener is a socket of the host that a mapping takes the packets from.
type listener struct {
	at  hostPort
	uid uint32
}

// checkListeners looks for programs of the host that listen on a port to be mapped.
func checkListeners(mode string, p *plan, log *slog.Logger) error {
	if mode == listenersIgnore {
		return nil
	}
	found, err := findListeners(p)
	if err != nil {
		log.Debug("look for listening programs", "err", err) // a kernel without sock_diag cannot tell
	}
	for _, l := range found {
		if mode == listenersRefuse {
			return chain.Errorf(codeListening, "map host port: a program of the host (user ID %d) listens on %s: "+
				"stop it, map another port, or set \"listeners\" to \"warn\"", l.uid, l.at)
		}
		log.Warn("a program of the host listens on a mapped port and gets no connections from now on",
			"on", l.at.String(), "uid", l.uid)
	}
	return nil
}

// findListeners asks the kernel's socket tables: exactly for each port when they are few, so that it does not cost more
// on a host with many sockets.
func findListeners(p *plan) ([]listener, error) {
	var questions []hostPort
	for _, s := range p.sides {
		for _, port := range s.ports {
			if port.proto == unix.IPPROTO_SCTP {
				continue // asking would load the sctp module
			}
			addr := port.addr
			if !addr.IsValid() {
				addr = s.family.loopback() // finds who listens on all addresses
			}
			for i := range port.count {
				questions = append(questions, hostPort{port.proto, addr, port.host + uint16(i)})
			}
		}
	}
	if len(questions) == 0 {
		return nil, nil
	}
	sock, err := nlsock.Open(unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, err
	}
	var found []listener
	if len(questions) > manyPorts {
		found, err = listListeners(sock, questions)
	} else {
		found, err = lookUpListeners(sock, questions)
	}
	return found, errors.Join(err, sock.Close())
}

// lookUpListeners asks for the socket that a packet to each of the ports would reach.
func lookUpListeners(sock *nlsock.Socket, questions []hostPort) ([]listener, error) {
	var found []listener
	for _, q := range questions {
		var w nlsock.Writer
		w.Begin(sockDiagByFamily, 0, sock.NextSeq())
		writeDiag(&w, q.addr.Is6(), q.proto, ^uint32(0))
		id := w.Buf[len(w.Buf)-48:]
		// Our side is the source of the question for TCP, but its destination for UDP (udp_dump_one of net/ipv4/udp_diag.c
		// has the two "swapped for historical reasons").
		port, addr := id[0:2], id[4:20]
		if q.proto == unix.IPPROTO_UDP {
			port, addr = id[2:4], id[20:36]
		}
		binary.BigEndian.PutUint16(port, q.port)
		copy(addr, nft.Addr(q.addr))
		w.End()
		if err := sock.Send(w.Buf); err != nil {
			return found, err
		}
		err := sock.ReadAll(func(m nlsock.Message) error {
			if m.Kind == unix.NLMSG_ERROR {
				if err := refusedErrno(m); !errors.Is(err, unix.ENOENT) {
					return err
				}
				return nil
			}
			if at, state, uid, ok := parseDiag(m, q.proto); ok && listens(q.proto, state) {
				found = append(found, listener{at, uid})
			}
			return nil
		})
		if err != nil {
			return found, fmt.Errorf("look for a program that listens on %v: %w", q, err)
		}
	}
	return found, nil
}

// listListeners lists all listening sockets of the protocols and families asked for.
func listListeners(sock *nlsock.Socket, questions []hostPort) ([]listener, error) {
	type table struct {
		proto uint8
		six   bool
	}
	wanted := map[table]map[uint16]bool{}
	for _, q := range questions {
		// A socket for IPv6 may serve IPv4 as well.
		for _, six := range []bool{q.addr.Is6(), true} {
			key := table{q.proto, six}
			if wanted[key] == nil {
				wanted[key] = map[uint16]bool{}
			}
			wanted[key][q.port] = true
		}
	}
	var found []listener
	for key, ports := range wanted {
		var w nlsock.Writer
		w.Begin(sockDiagByFamily, unix.NLM_F_DUMP, sock.NextSeq())
		writeDiag(&w, key.six, key.proto, listenStates(key.proto))
		w.End()
		if err := sock.Send(w.Buf); err != nil {
			return found, err
		}
		err := sock.ReadAll(func(m nlsock.Message) error {
			if m.Kind == unix.NLMSG_ERROR || m.Kind == unix.NLMSG_DONE {
				return refusedErrno(m)
			}
			if at, _, uid, ok := parseDiag(m, key.proto); ok && ports[at.port] {
				found = append(found, listener{at, uid})
			}
			return nil
		})
		if err != nil {
			return found, fmt.Errorf("list listening sockets: %w", err)
		}
	}
	return found, nil
}

// writeDiag writes a struct inet_diag_req_v2 with an empty socket ID, which asks for any interface and cookie.
func writeDiag(w *nlsock.Writer, six bool, proto uint8, states uint32) {
	afi := uint8(unix.AF_INET)
	if six {
		afi = unix.AF_INET6
	}
	w.Buf = append(w.Buf, afi, proto, 0, 0)
	w.Buf = binary.NativeEndian.AppendUint32(w.Buf, states)
	w.Buf = append(w.Buf, make([]byte, 40)...)
	w.Buf = append(w.Buf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff) // INET_DIAG_NOCOOKIE
}

// parseDiag reads a struct inet_diag_msg.
func parseDiag(m nlsock.Message, proto uint8) (at hostPort, state uint8, uid uint32, ok bool) {
	b := m.Body
	if m.Kind != sockDiagByFamily || len(b) < diagAnswerSize {
		return at, 0, 0, false
	}
	at = hostPort{proto: proto, port: binary.BigEndian.Uint16(b[4:])}
	if b[0] == unix.AF_INET {
		at.addr, _ = netip.AddrFromSlice(b[8:12])
	} else {
		at.addr, _ = netip.AddrFromSlice(b[8:24])
	}
	return at, b[1], binary.NativeEndian.Uint32(b[64:]), true
}

func listenStates(proto uint8) uint32 {
	if proto == unix.IPPROTO_UDP {
		return udpUnconnected
	}
	return tcpListen
}

func listens(proto, state uint8) bool { return listenStates(proto)&(1<<state) != 0 }
