// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/account"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// prove sends traffic every way that the chain promises.
func (s *story) prove(ctx context.Context) error {
	s.heading("Does it work?")
	green, err := s.address(1)
	if err != nil {
		return err
	}
	if err := s.provePing(ctx, green); err != nil {
		return err
	}
	if err := s.provePage(ctx); err != nil {
		return err
	}
	if err := s.proveMasquerade(ctx); err != nil {
		return err
	}
	return s.proveDNS()
}

// address is the first address that an add gave.
func (s *story) address(i int) (netip.Addr, error) {
	result := account.Result(s.chain.List.CNIVersion, s.added[i].Result)
	if result == nil || len(result.IPs) == 0 {
		return netip.Addr{}, fmt.Errorf("the chain gave %s no address", account.Namespace(s.added[i].NetNS))
	}
	address, _ := netip.AddrFromSlice(result.IPs[0].Address.IP)
	return address.Unmap(), nil
}

func (s *story) provePing(ctx context.Context, to netip.Addr) error {
	times, err := ping(ctx, s.blue, to, 3)
	if err != nil {
		return fmt.Errorf("ping green from blue: %w", err)
	}
	var texts []string
	for _, t := range times {
		texts = append(texts, fmt.Sprintf("%.2f", t.Seconds()*1000))
	}
	s.proof("blue pings green", "%s answers in %s ms", to, strings.Join(texts, ", "))
	return nil
}

// provePage fetches green's page by the host's port from everywhere.
func (s *story) provePage(ctx context.Context) error {
	stop, err := s.green.ServeHTTP(fmt.Sprintf(":%d", pagePort), page("green"))
	if err != nil {
		return err
	}
	defer stop()
	for _, client := range []struct {
		name string
		from *testnet.NS
		host string
	}{
		{"outside", s.outside.NS, s.outside.HostV4.String()},
		{"blue", s.blue, s.outside.HostV4.String()},
		{"the host itself", s.host, "127.0.0.1"},
	} {
		url := fmt.Sprintf("http://%s/", net.JoinHostPort(client.host, fmt.Sprint(hostPort)))
		text, err := client.from.Fetch(ctx, url)
		if err != nil {
			return fmt.Errorf("fetch green's page from %s: %w", client.name, err)
		}
		s.proof(client.name+" opens "+url, "%q", text)
	}
	return nil
}

// proveMasquerade fetches a page the other way: who does outside believe to talk to?
func (s *story) proveMasquerade(ctx context.Context) error {
	stop, err := s.outside.ServeHTTP(fmt.Sprintf(":%d", pagePort), page("outside"))
	if err != nil {
		return err
	}
	defer stop()
	url := fmt.Sprintf("http://%s/", s.outside.V4)
	text, err := s.blue.Fetch(ctx, url)
	if err != nil {
		return fmt.Errorf("fetch outside's page from blue: %w", err)
	}
	s.proof("blue opens "+url, "%q", text)
	s.say("   %s\n", s.style.Dim("(A server greets the address it sees. Outside sees the host's: masquerade.)"))
	return nil
}

func (s *story) proveDNS() error {
	content, err := resolvConf(s.blue)
	if err != nil {
		return err
	}
	s.say("   ip netns exec blue cat /etc/resolv.conf\n")
	for _, line := range strings.Split(strings.TrimSpace(content), "\n") {
		s.say("      %s\n", s.style.Dim(line))
	}
	return nil
}

func (s *story) proof(what, format string, args ...any) {
	s.say("   %-44s %s\n", what, s.style.Good(fmt.Sprintf(format, args...)))
}

// page says who serves it, and to whom.
func page(server string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		client, _, _ := net.SplitHostPort(r.RemoteAddr)
		fmt.Fprintf(w, "Hello %s, this is %s", client, server)
	})
}

// hostResolvConf is the host's; the demo's host has an /etc of its own.
const hostResolvConf = "/etc/resolv.conf"

// resolvConf reads /etc/resolv.conf as a program started by "ip netns exec" sees it: with the namespace's files of
// /etc/netns over those of /etc, in a mount namespace of its own (ip-netns(8)).
func resolvConf(ns *testnet.NS) (content string, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // for good: the thread ends with this goroutine, and its mount namespace with it
		var data []byte
		data, err = readOver(filepath.Join("/etc/netns", ns.Name, "resolv.conf"), hostResolvConf)
		content = string(data)
	}()
	<-done
	if err != nil {
		return "", fmt.Errorf("read /etc/resolv.conf inside %s: %w", ns.Name, err)
	}
	return content, nil
}

// readOver mounts a file over another, in a new mount namespace of the calling thread, and reads it there.
func readOver(file, over string) ([]byte, error) {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return nil, err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return nil, err
	}
	if err := unix.Mount(file, over, "", unix.MS_BIND, ""); err != nil {
		return nil, fmt.Errorf("mount %s: %w", file, err)
	}
	return os.ReadFile(over)
}
