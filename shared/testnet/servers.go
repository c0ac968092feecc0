// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package testnet

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Answer is what a server of ours tells a client.
type Answer struct {
	// Server is the name of the namespace that the server is in.
	Server string
	// Source is the client's address as the server saw it; Target the server's own, both after any translation.
	Source, Target netip.AddrPort
	// Echo is what the client sent.
	Echo string
}

// maxMessage is the longest message to or from a server, in bytes: what fits in a UDP packet on any link.
const maxMessage = 1024

// serverPatience is how long a server waits for a TCP client to send its line.
const serverPatience = 10 * time.Second

// Serve starts a server in the namespace, until stop is called. The network is tcp, tcp4, tcp6, udp, udp4 or udp6; the
// address as for net.Listen: ":8080" is all addresses of both families. Port 0 takes a free one, which address tells.
func (n *NS) Serve(network, address string) (at netip.AddrPort, stop func(), err error) {
	if strings.HasPrefix(network, "udp") {
		return n.serveUDP(network, address)
	}
	listener, err := n.Listen(network, address)
	if err != nil {
		return netip.AddrPort{}, nil, err
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // closed
			}
			go answerTCP(n.Name, conn)
		}
	}()
	return addrPort(listener.Addr()), func() { _ = listener.Close() }, nil
}

// Listen opens a TCP port in the namespace, for a server of the caller's.
func (n *NS) Listen(network, address string) (listener net.Listener, err error) {
	var config net.ListenConfig
	config.SetMultipathTCP(false)
	err = n.Do(func() (err error) {
		listener, err = config.Listen(context.Background(), network, address)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("serve in namespace %q: %w", n.Name, err)
	}
	return listener, nil
}

// StartServer starts a server in the namespace, until the test ends, and returns its port.
func (n *NS) StartServer(t T, network, address string) (port uint16) {
	t.Helper()
	at, stop, err := n.Serve(network, address)
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(stop)
	return at.Port()
}

// answerTCP answers one line of one client.
func answerTCP(server string, conn net.Conn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(serverPatience))
	line, err := bufio.NewReader(io.LimitReader(conn, maxMessage)).ReadString('\n')
	if err != nil {
		return // a client that says nothing hears nothing
	}
	answer := Answer{server, addrPort(conn.RemoteAddr()), addrPort(conn.LocalAddr()), strings.TrimSuffix(line, "\n")}
	_ = json.NewEncoder(conn).Encode(answer)
}

func (n *NS) serveUDP(network, address string) (at netip.AddrPort, stop func(), err error) {
	// IP_PKTINFO tells the address that a packet came to, and sends the answer from it: ip(7), ipv6(7). Each fails on a
	// socket of the other family only.
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var err4, err6 error
		err := raw.Control(func(fd uintptr) {
			err4 = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_PKTINFO, 1)
			err6 = unix.SetsockoptInt(int(fd), unix.SOL_IPV6, unix.IPV6_RECVPKTINFO, 1)
		})
		if err != nil || err4 == nil || err6 == nil {
			return err
		}
		return errors.Join(err4, err6)
	}}
	var packets net.PacketConn
	err = n.Do(func() (err error) {
		packets, err = config.ListenPacket(context.Background(), network, address)
		return err
	})
	if err != nil {
		return netip.AddrPort{}, nil, fmt.Errorf("serve in namespace %q: %w", n.Name, err)
	}
	conn := packets.(*net.UDPConn)
	go answerUDP(n.Name, conn)
	return addrPort(conn.LocalAddr()), func() { _ = conn.Close() }, nil
}

// answerUDP answers each packet until the socket is closed.
func answerUDP(server string, conn *net.UDPConn) {
	packet, control := make([]byte, maxMessage), make([]byte, 128)
	port := addrPort(conn.LocalAddr()).Port()
	for {
		n, controlLen, _, client, err := conn.ReadMsgUDPAddrPort(packet, control)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // an ICMP error about an earlier answer
		}
		target := netip.AddrPortFrom(arrivedAt(control[:controlLen]), port)
		source := netip.AddrPortFrom(client.Addr().Unmap(), client.Port())
		answer, err := json.Marshal(Answer{server, source, target, string(packet[:n])})
		if err == nil {
			_, _, _ = conn.WriteMsgUDPAddrPort(answer, control[:controlLen], client)
		}
	}
}

// arrivedAt finds the address a packet was sent to: the last member of struct in_pktinfo, the first of in6_pktinfo.
func arrivedAt(control []byte) netip.Addr {
	messages, _ := unix.ParseSocketControlMessage(control)
	for _, m := range messages {
		switch {
		case m.Header.Level == unix.SOL_IP && m.Header.Type == unix.IP_PKTINFO && len(m.Data) >= 12:
			return netip.AddrFrom4([4]byte(m.Data[8:12]))
		case m.Header.Level == unix.SOL_IPV6 && m.Header.Type == unix.IPV6_PKTINFO && len(m.Data) >= 16:
			return netip.AddrFrom16([16]byte(m.Data[:16])).Unmap()
		}
	}
	return netip.Addr{}
}

// addrPort is the address of a TCP or UDP socket.
func addrPort(address net.Addr) netip.AddrPort {
	at, _ := netip.ParseAddrPort(address.String())
	return netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
}
