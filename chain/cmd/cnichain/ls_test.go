// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/live"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

var examples = []*live.Attachment{
	{
		Network: "podnet", ContainerID: "blue", IfName: "eth0", NetNS: "/run/netns/blue", Healthy: true,
		Interface: &live.Interface{Name: "eth0", Kind: "veth", MAC: "02:00:00:00:00:01", MTU: 1500},
		Host:      &live.Interface{Name: "veth3d8z6ao9e88", Kind: "veth", MAC: "02:00:00:00:00:02", MTU: 1500, Master: "cni0"},
		Addresses: []string{"10.88.1.2/24", "fd00::2/64"},
		Ports: []live.Port{
			{Protocol: "tcp", HostPort: 8080, ContainerIP: "10.88.1.2", ContainerPort: 80, Count: 1},
			{Protocol: "tcp", HostPort: 8080, ContainerIP: "fd00::2", ContainerPort: 80, Count: 1},
			{Protocol: "udp", HostIP: "192.0.2.1", HostPort: 53, ContainerIP: "10.88.1.2", ContainerPort: 53, Count: 2},
			{Protocol: "tcp", HostPort: 9000, ContainerIP: "10.88.1.2", ContainerPort: 9000, Count: 1},
		},
		DNS: []live.DNS{{File: "/etc/netns/blue/resolv.conf", Lines: []string{"nameserver 192.0.2.53", "search example.org"}}},
		Pieces: []live.Piece{
			{Kind: "interface", What: "veth3d8z6ao9e88", Where: "x"}, {Kind: "lease", What: "10.88.1.2", Where: "pool /run/p"},
			{Kind: "resolv.conf", What: "x", Where: "x"},
		},
	},
	{
		Network: "podnet", ContainerID: "0123456789abcdef0123", IfName: "net1", Addresses: []string{"10.88.1.9"},
		Problems: []string{"its network namespace is gone"},
	},
}

// listerAfter writes when the first of them has that age.
func listerAfter(age time.Duration, w io.Writer) lister {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	since := now.Add(-age)
	examples[0].Since = &since
	return lister{w: w, now: now}
}

func TestTable(t *testing.T) {
	var out bytes.Buffer
	l := listerAfter(75*time.Minute, &out)
	l.table(examples)
	want := `
NETWORK  CONTAINER     IF    ADDRESSES                 PORTS                             SINCE  STATE
podnet   blue          eth0  10.88.1.2/24, fd00::2/64  tcp 8080, udp 192.0.2.1:53-54 +1  1 h    healthy
podnet   0123456789ab  net1  10.88.1.9                                                   ?      broken
  ! its network namespace is gone
`[1:]
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
	out.Reset()
	if l.table(nil); out.String() != "no attachments\n" {
		t.Errorf("of nothing it says %q", out.String())
	}
}

func TestDetails(t *testing.T) {
	var out bytes.Buffer
	l := listerAfter(72*time.Hour, &out)
	for _, a := range examples {
		l.details(a)
	}
	want := `
eth0 of container blue on network podnet: healthy, since 2025-12-30 03:04:05 (3 days)
  container    eth0  02:00:00:00:00:01  mtu 1500        /run/netns/blue
  host         veth3d8z6ao9e88  02:00:00:00:00:02  mtu 1500 on cni0
  address      10.88.1.2/24
  address      fd00::2/64
  lease        10.88.1.2                                pool /run/p
  resolv.conf  nameserver 192.0.2.53                    /etc/netns/blue/resolv.conf
               search example.org
net1 of container 0123456789abcdef0123 on network podnet: broken
  ! its network namespace is gone
  container    none                                     its network namespace is gone
  address      10.88.1.9
`[1:]
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestAge(t *testing.T) {
	for _, tt := range []struct {
		age  time.Duration
		want string
	}{
		{-time.Second, "0 s"}, {59 * time.Second, "59 s"}, {time.Minute, "1 min"}, {time.Hour, "1 h"}, {47 * time.Hour, "47 h"},
		{48 * time.Hour, "2 days"},
	} {
		if got := listerAfter(tt.age, nil).age(examples[0]); got != tt.want {
			t.Errorf("%v is %q, want %q", tt.age, got, tt.want)
		}
	}
}

func TestPick(t *testing.T) {
	all := func() []*live.Attachment {
		var list []*live.Attachment
		for _, id := range []string{"blue", "blue-2", "blue-2", "green", "green-a", "green-b"} {
			list = append(list, &live.Attachment{ContainerID: id})
		}
		return list
	}
	for _, tt := range []struct {
		text, err string
		want      int
	}{
		{"blue", "", 1}, {"blue-", "", 2}, {"green-", `"green-" begins the IDs of 2 containers: green-a, green-b`, 0},
		{"red", `no attachment of a container "red"`, 0}, {"gr", "3 containers", 0},
	} {
		got, err := pick(all(), tt.text)
		if len(got) != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%q: %d, %v", tt.text, len(got), err)
		}
	}
}

func TestLsOfNothing(t *testing.T) {
	testnet.Need(t)
	var out strings.Builder
	if code := execute(t.Context(), []string{"ls", "-o", "json"}, nil, &out, &out); code != 0 || out.String() != "[]\n" {
		t.Errorf("exit status %d: %s", code, &out)
	}
	out.Reset()
	if code := execute(t.Context(), []string{"ls", "-o", "xml"}, nil, &out, &out); code != 1 {
		t.Errorf("exit status %d: %s", code, &out)
	}
}
