// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package multihost

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/e2e/harness"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// echoPort is where containers send back what they get, as it is and of any size.
const echoPort = 7001

// Headers in front of the payload of a UDP packet.
const udpOverV4, udpOverV6 = 20 + 8, 40 + 8

// dontFragment has a socket send each packet whole or not at all, with what the kernel knows of the way.
func dontFragment(_, _ string, raw syscall.RawConn) error {
	var err4, err6 error
	err := raw.Control(func(fd uintptr) {
		err4 = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DO)
		err6 = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_DO)
	})
	if err != nil || err4 == nil || err6 == nil {
		return err
	}
	return errors.Join(err4, err6)
}

// echo serves both protocols in the namespace, until the test ends.
func echo(t *testing.T, ns *testnet.NS) {
	t.Helper()
	listener, err := ns.Listen("tcp", fmt.Sprint(":", echoPort))
	must(t, "listen", err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // closed
			}
			go func() {
				_, _ = io.Copy(conn, conn)
				_ = conn.Close()
			}()
		}
	}()
	for _, network := range []string{"udp4", "udp6"} {
		config := net.ListenConfig{Control: dontFragment}
		must(t, "listen", ns.Do(func() error {
			conn, err := config.ListenPacket(context.Background(), network, fmt.Sprint(":", echoPort))
			if err != nil {
				return err
			}
			t.Cleanup(func() { _ = conn.Close() })
			go func() {
				packet := make([]byte, 1<<16)
				for {
					n, client, err := conn.ReadFrom(packet)
					if errors.Is(err, net.ErrClosed) {
						return
					}
					if err == nil {
						_, _ = conn.WriteTo(packet[:n], client)
					}
				}
			}()
			return nil
		}))
	}
}

// ping sends an echo request of ICMP.
func ping(from *testnet.NS, to netip.Addr) error {
	cmd := exec.Command("busybox", "ping", "-c", "1", "-W", "5", to.String())
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := from.Do(cmd.Run); err != nil {
		return fmt.Errorf("ping %s: %w: %s", to, err, strings.TrimSpace(out.String()))
	}
	return nil
}

// ask talks to the server of a container, which must see the source address.
func ask(from *testnet.NS, to netip.AddrPort, server string, source netip.Addr) error {
	return harness.Flow{From: from, Proto: "tcp", To: to, Server: server, Source: source}.Run()
}

// big sends what fits into the MTU and may not be broken up, there and back; one byte more the kernel must refuse
// without sending it. Then a megabyte over TCP, which the packets of are as large as they may be.
func big(from *testnet.NS, to netip.Addr, mtu int) error {
	payload := mtu - udpOverV4
	if to.Is6() {
		payload = mtu - udpOverV6
	}
	dialer := net.Dialer{Control: dontFragment, Timeout: testnet.Patience}
	var conn net.Conn
	at := netip.AddrPortFrom(to, echoPort).String()
	err := from.Do(func() (err error) {
		conn, err = dialer.Dial("udp", at)
		return err
	})
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(testnet.Patience))
	answer := make([]byte, mtu)
	if _, err := conn.Write(make([]byte, payload)); err != nil {
		return fmt.Errorf("send a packet of %d: %w", mtu, err)
	}
	if n, err := conn.Read(answer); err != nil || n != payload {
		return fmt.Errorf("a packet of %d comes back with %d bytes of %d: %w", mtu, n, payload, err)
	}
	if _, err := conn.Write(make([]byte, payload+1)); !errors.Is(err, unix.EMSGSIZE) {
		return fmt.Errorf("send a packet of %d, where the MTU is %d: %v, want %v", mtu+1, mtu, err, unix.EMSGSIZE)
	}
	return bulk(from, at)
}

// bulk sends a megabyte over TCP and gets it back.
func bulk(from *testnet.NS, at string) error {
	conn, err := from.Dial(context.Background(), "tcp", at)
	if err != nil {
		return err
	}
	defer conn.Close()
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	failed := make(chan error, 1)
	go func() {
		_, err := conn.Write(sent)
		failed <- errors.Join(err, conn.(*net.TCPConn).CloseWrite())
	}()
	got, err := io.ReadAll(conn)
	if err := errors.Join(err, <-failed); err != nil {
		return fmt.Errorf("a megabyte over TCP: %w", err)
	}
	if !bytes.Equal(sent, got) {
		return fmt.Errorf("of a megabyte over TCP %d bytes come back", len(got))
	}
	return nil
}

// addresses are a container's, of each family.
func addresses(a *harness.Attachment) (all []netip.Addr) {
	for _, addr := range a.Addresses() {
		all = append(all, addr.Addr())
	}
	return all
}

// line is a connection that stays open.
type line struct {
	net.Conn
	name string
	said int
}

// call opens a line to a container's echo.
func call(t *testing.T, from *testnet.NS, to netip.Addr) *line {
	t.Helper()
	conn, err := from.Dial(t.Context(), "tcp", netip.AddrPortFrom(to, echoPort).String())
	must(t, "call "+to.String(), err)
	t.Cleanup(func() { _ = conn.Close() })
	return &line{Conn: conn, name: from.Name + " to " + to.String()}
}

// holds fails the test unless what is said comes back.
func (l *line) holds(t *testing.T, when string) {
	t.Helper()
	l.said++
	text := "word " + strconv.Itoa(l.said) + "\n"
	_ = l.SetDeadline(time.Now().Add(testnet.Patience))
	answer := make([]byte, len(text))
	_, err := io.WriteString(l, text)
	if err == nil {
		_, err = io.ReadFull(l, answer)
	}
	if err != nil || string(answer) != text {
		t.Errorf("%s, %s: %q comes back as %q: %v", l.name, when, text, answer, err)
	}
}
