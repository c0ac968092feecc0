// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// TestParseTracked: lines as kernels write them; what is none is an error, never a connection of nobody.
func TestParseTracked(t *testing.T) {
	addr := netip.MustParseAddr
	tests := []struct {
		line string
		want flow
	}{
		{"ipv4     2 tcp      6 431999 ESTABLISHED src=192.0.2.1 dst=192.0.2.2 sport=40000 dport=8080 src=10.88.0.5 " +
			"dst=192.0.2.1 sport=80 dport=40000 [ASSURED] mark=0 secctx=null zone=0 use=2\n",
			flow{proto: unix.IPPROTO_TCP, to: addr("192.0.2.2"), port: 8080, answers: addr("10.88.0.5")}},
		{"ipv4     2 udp      17 29 src=127.0.0.1 dst=127.0.0.1 sport=40000 dport=53 packets=1 bytes=29 [UNREPLIED] " +
			"src=127.0.0.1 dst=127.0.0.1 sport=53 dport=40000 packets=0 bytes=0 mark=0 zone=5 use=2\n",
			flow{proto: unix.IPPROTO_UDP, to: addr("127.0.0.1"), port: 53, answers: addr("127.0.0.1")}},
		{"ipv6     10 udp      17 29 src=fd00:0000:0000:0000:0000:0000:0000:0001 " +
			"dst=fd00:0000:0000:0000:0000:0000:0000:0002 sport=1 dport=2 src=fd00:0000:0000:0000:0000:0000:0000:0003 " +
			"dst=fd00:0000:0000:0000:0000:0000:0000:0001 sport=2 dport=1 mark=0 use=1\n",
			flow{proto: unix.IPPROTO_UDP, to: addr("fd00::2"), port: 2, answers: addr("fd00::3")}},
		{"ipv4     2 icmp     1 29 src=192.0.2.1 dst=192.0.2.2 type=8 code=0 id=7 src=192.0.2.2 dst=192.0.2.1 type=0 code=0 " +
			"id=7 mark=0 use=1\n", flow{proto: unix.IPPROTO_ICMP, to: addr("192.0.2.2"), answers: addr("192.0.2.2")}},
	}
	for _, test := range tests {
		got, err := parseTracked(test.line)
		if err != nil || got.proto != test.want.proto || got.to != test.want.to || got.port != test.want.port ||
			got.answers != test.want.answers {
			t.Errorf("%s is %+v, %v; want %+v", test.line, got, err, test.want)
		}
	}
	for _, line := range []string{"\n", "ipv4 2 tcp six 1 src=192.0.2.1 dst=192.0.2.2 src=192.0.2.2\n",
		"ipv4 2 udp 17 29 src=192.0.2.1 dst=192.0.2.2 sport=1 dport=2\n", "ipv4 2 udp 17 29 src=x dst=192.0.2.2 src=y\n",
		"ipv4 2 udp 17 29 src=192.0.2.1 dst=192.0.2.2 sport=1 dport=70000 src=192.0.2.2\n",
		"ipv4 2 udp 17 29 src=192.0.2.1 src=192.0.2.2\n"} {
		if got, err := parseTracked(line); err == nil {
			t.Errorf("%q is %+v", line, got)
		}
	}
}

// TestNothingToForget: told where few connections are tracked, and right.
func TestNothingToForget(t *testing.T) {
	must(t, trackedHost(t).Do(func() error {
		all := []string{"10.0.0.1:98", "[fd00::1]:98"}
		sendTracked(t, all)
		for want, f := range map[bool]filter{
			true:  {family: unix.AF_INET, proto: unix.IPPROTO_UDP, port: 99},
			false: {family: unix.AF_INET6, proto: unix.IPPROTO_UDP, port: 98},
		} {
			if got := nothingToForget(indexFilters([]filter{f})); got != want {
				t.Errorf("nothing of %+v to forget: %v", f, got)
			}
		}
		return nil
	}))
}
