// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package qemu

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/e2e/harness"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

const greeting = "hello over SCTP"

// TestSCTP: a mapped SCTP port is reached from outside, from the host and from another container, by either backend.
func TestSCTP(t *testing.T) {
	for _, backend := range []string{"nftables", "iptables"} {
		t.Run(backend, func(t *testing.T) {
			testnet.Need(t)
			fd, err := sctpSocket()
			if errors.Is(err, unix.EPROTONOSUPPORT) {
				testnet.Lacks(t, "SCTP")
			}
			must(t, "open an SCTP socket", err)
			must(t, "close it", unix.Close(fd))
			sctpPort(t, backend)
		})
	}
}

func sctpPort(t *testing.T, backend string) {
	t.Helper()
	n := chain(t, "podnet", fmt.Sprintf(`
		{"type": "veth-bridge", "bridge": "cni0", "hairpinMode": true},
		{"type": "ip-config", "isDefaultGateway": true, "ipMasq": true,
		 "ipam": {"type": "ip-pool", "ranges": [[{"subnet": "10.88.0.0/24"}], [{"subnet": "fd00:88::/64"}]]}},
		{"type": "port-map", "backend": %q, "capabilities": {"portMappings": true}}`, backend))
	w := harness.NewWorld(t, n)
	a, b := n.Attach(testnet.NewNS(t), "a"), n.Attach(testnet.NewNS(t), "b")
	a.With("portMappings", []harness.Port{{HostPort: harness.Published, ContainerPort: harness.Service, Protocol: "sctp"}})
	a.MustAdd(t)
	b.MustAdd(t)
	must(t, "CHECK", a.Check())
	serveSCTP(t, a.NS)
	for _, host := range []netip.Addr{w.Outside.HostV4, w.Outside.HostV6} {
		for name, from := range map[string]*testnet.NS{"outside": w.Outside.NS, "host": w.Host, "b": b.NS} {
			t.Run(fmt.Sprintf("%s to %s", name, host), func(t *testing.T) {
				must(t, "ask", askSCTP(from, netip.AddrPortFrom(host, harness.Published)))
			})
		}
	}
	must(t, "DEL", a.Del())
	if err := askSCTP(w.Outside.NS, netip.AddrPortFrom(w.Outside.HostV4, harness.Published)); err == nil {
		t.Error("after DEL the port is reached still")
	}
}

// sctpSocket opens a socket of both families in the calling thread's namespace, with which nothing waits for longer
// than ten seconds.
func sctpSocket() (int, error) {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_SCTP)
	if err != nil {
		return -1, err
	}
	patience := &unix.Timeval{Sec: 10}
	err = errors.Join(unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, patience),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, patience))
	return fd, err
}

// serveSCTP greets whoever connects to the service port, until the test ends.
func serveSCTP(t *testing.T, ns *testnet.NS) {
	t.Helper()
	var fd int
	must(t, "listen", ns.Do(func() (err error) {
		if fd, err = sctpSocket(); err != nil {
			return err
		}
		return errors.Join(unix.Bind(fd, &unix.SockaddrInet6{Port: harness.Service}), unix.Listen(fd, 8))
	}))
	go func() {
		for {
			client, _, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
			if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
				continue
			}
			if err != nil {
				return
			}
			_, _ = unix.Write(client, []byte(greeting))
			_ = unix.Close(client)
		}
	}()
	t.Cleanup(func() {
		_ = unix.Shutdown(fd, unix.SHUT_RDWR)
		_ = unix.Close(fd)
	})
}

// askSCTP connects from the namespace and reads the greeting. The socket is bound to the address that the route gives
// it: an SCTP socket that is bound to none tells its peer of all addresses of the machine, which NAT does not follow.
func askSCTP(ns *testnet.NS, to netip.AddrPort) error {
	return ns.Do(func() error {
		own, err := sourceFor(to)
		if err != nil {
			return err
		}
		fd, err := sctpSocket()
		if err != nil {
			return err
		}
		defer func() { _ = unix.Close(fd) }()
		if err := unix.Bind(fd, &unix.SockaddrInet6{Addr: own.As16()}); err != nil {
			return fmt.Errorf("bind %s: %w", own, err)
		}
		if err := unix.Connect(fd, &unix.SockaddrInet6{Addr: to.Addr().As16(), Port: int(to.Port())}); err != nil {
			return fmt.Errorf("connect %s: %w", to, err)
		}
		buffer := make([]byte, 64)
		n, err := unix.Read(fd, buffer)
		if got := string(buffer[:max(n, 0)]); err != nil || got != greeting {
			return fmt.Errorf("read from %s: %q, %v", to, got, err)
		}
		return nil
	})
}

// sourceFor is the address that a packet from here to there would have.
func sourceFor(to netip.AddrPort) (netip.Addr, error) {
	conn, err := net.Dial("udp", to.String()) // sends nothing
	if err != nil {
		return netip.Addr{}, err
	}
	defer func() { _ = conn.Close() }()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr(), nil
}
