// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/nlsock"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// TestFlush: the connections that the filters name are forgotten and no others, of both families, whether the kernel is
// given the filters or lists its connections because there are many.
func TestFlush(t *testing.T) {
	of := func(addr string, port uint16) filter {
		a := netip.MustParseAddr(addr)
		return filter{family: familyOf(a).afi(), proto: unix.IPPROTO_UDP, to: a, port: port}
	}
	answeredBy := func(addr string) filter {
		a := netip.MustParseAddr(addr)
		return filter{family: familyOf(a).afi(), answers: a}
	}
	all := []string{"10.0.0.1:98", "10.0.0.1:99", "10.0.0.2:98", "10.0.0.2:99",
		"[fd00::1]:98", "[fd00::1]:99", "[fd00::2]:98", "[fd00::2]:99"}
	var nobody []filter
	for port := range uint16(maxFilters) {
		nobody = append(nobody, of("10.0.0.9", 1000+port))
	}
	tests := []struct {
		name    string
		filters []filter
		gone    []string
	}{
		{"none", nil, nil},
		{"one port", []filter{of("10.0.0.1", 99)}, []string{"10.0.0.1:99"}},
		{"one port, IPv6", []filter{of("fd00::1", 99)}, []string{"[fd00::1]:99"}},
		{"a port of all addresses", []filter{{family: unix.AF_INET, proto: unix.IPPROTO_UDP, port: 98}},
			[]string{"10.0.0.1:98", "10.0.0.2:98"}},
		{"a port of all addresses, IPv6", []filter{{family: unix.AF_INET6, proto: unix.IPPROTO_UDP, port: 98}},
			[]string{"[fd00::1]:98", "[fd00::2]:98"}},
		{"another protocol", []filter{{family: unix.AF_INET, proto: unix.IPPROTO_TCP, port: 98}}, nil},
		{"who answers", []filter{answeredBy("10.0.0.2")}, []string{"10.0.0.2:98", "10.0.0.2:99"}},
		{"who answers, IPv6", []filter{answeredBy("fd00::2")}, []string{"[fd00::2]:98", "[fd00::2]:99"}},
		{"both families", []filter{answeredBy("10.0.0.2"), of("fd00::2", 99)},
			[]string{"10.0.0.2:98", "10.0.0.2:99", "[fd00::2]:99"}},
		{"many", append(nobody, of("10.0.0.1", 99)), []string{"10.0.0.1:99"}},
		{"many and who answers", append(nobody, answeredBy("10.0.0.2"), of("fd00::1", 98)),
			[]string{"10.0.0.2:98", "10.0.0.2:99", "[fd00::1]:98"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			must(t, trackedHost(t).Do(func() error {
				sendTracked(t, all)
				must(t, flush(test.filters))
				left := slices.DeleteFunc(slices.Clone(all), func(to string) bool { return slices.Contains(test.gone, to) })
				if diff := cmp.Diff(left, tracked(t)); diff != "" {
					t.Errorf("connections (-want +got):\n%s", diff)
				}
				return nil
			}))
		})
	}
}

func TestWhichKernelsTakeFilters(t *testing.T) {
	for release, want := range map[string]bool{
		"5.4.0-150-generic": false, "5.14.0-503.el9.x86_64": false, "6.11.0-29-generic": false, "6.12": true,
		"6.18.44-fc": true, "7.0.0-rc1": true, "10.2": true, "": false, "6": false, "next": false,
	} {
		if got := takesFilters(release); got != want {
			t.Errorf("%q: got %v, want %v", release, got, want)
		}
	}
}

// trackedHost is a namespace with four addresses that tracks its connections to itself.
func trackedHost(t *testing.T) *testnet.NS {
	t.Helper()
	ns := testnet.NewNS(t)
	must(t, ns.Do(func() error {
		for _, args := range [][]string{
			{"ip", "link", "set", "lo", "up"},
			{"ip", "addr", "add", "10.0.0.1/32", "dev", "lo"}, {"ip", "addr", "add", "10.0.0.2/32", "dev", "lo"},
			{"ip", "addr", "add", "fd00::1/128", "dev", "lo"}, {"ip", "addr", "add", "fd00::2/128", "dev", "lo"},
			{"nft", "table inet t { chain c { type filter hook output priority 0; ct state new accept; }; }"},
		} {
			if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
				t.Fatalf("%v: %v: %s", args, err, out)
			}
		}
		return nil
	}))
	return ns
}

func sendOnce(t *testing.T, to string) {
	t.Helper()
	conn, err := net.Dial("udp", to)
	must(t, err)
	defer conn.Close()
	_, err = conn.Write([]byte("x"))
	must(t, err)
}

// sendTracked sends until the kernel tracks all connections: on a busy machine it loses what is sent by IPv6 right
// after the addresses were given.
func sendTracked(t *testing.T, all []string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		there := tracked(t)
		if slices.Equal(there, all) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("tracked are %v, want %v", there, all)
		}
		for _, to := range all {
			if !slices.Contains(there, to) {
				sendOnce(t, to)
			}
		}
	}
}

// tracked are where the UDP connections go that the kernel knows, in order.
func tracked(t *testing.T) (list []string) {
	t.Helper()
	sock, err := nlsock.Open(unix.NETLINK_NETFILTER)
	must(t, err)
	defer sock.Close()
	_, err = listFlows(sock, filter{proto: unix.IPPROTO_UDP}, func(c flow) bool {
		if c.proto == unix.IPPROTO_UDP {
			list = append(list, netip.AddrPortFrom(c.to, c.port).String())
		}
		return false
	})
	must(t, err)
	slices.Sort(list)
	return slices.Compact(list)
}
