// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cni-chain/cni-chain/shared/nft"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// thousandPorts are 1,000 ports of TCP in a row and 1,000 of UDP, every other one.
func thousandPorts() []Mapping {
	var mappings []Mapping
	for i := range 1000 {
		mappings = append(mappings, Mapping{HostPort: 10000 + i, ContainerPort: 10000 + i},
			Mapping{HostPort: 10000 + 2*i, ContainerPort: 20000 + i, Protocol: "udp"})
	}
	return mappings
}

// TestThousandPorts: all are mapped, checked, recorded, and taken back.
func TestThousandPorts(t *testing.T) {
	b := newBridge(t, "cni0", "10.88.1.1/24", "fd00:88:1::1/64")
	c := b.newContainer()
	c.v6 = netip.Addr{}
	b.newContainer().add(nil, web).OK(t)
	before := hostState(t)
	c.add(nil, thousandPorts()...).OK(t)
	c.check(nil, thousandPorts()...).OK(t)
	conn, err := nft.Open()
	must(t, err)
	defer conn.Close()
	n := 0
	must(t, conn.Dump(nft.Inet, shared()[v4].any, func() { n = 0 }, func(nft.Element) { n++ }))
	if n != 2001 {
		t.Errorf("%d elements", n)
	}
	c.del().OK(t)
	if diff := cmp.Diff(before, hostState(t)); diff != "" {
		t.Errorf("left behind:\n%s", diff)
	}
}

// TestThousandPortsAreOneTransaction counts what the process asks of the kernel, and runs.
func TestThousandPortsAreOneTransaction(t *testing.T) {
	testnet.Need(t)
	if _, err := exec.LookPath("strace"); err != nil {
		testnet.Lacks(t, "strace")
	}
	b := newBridge(t, "cni0", "10.88.1.1/24", "fd00:88:1::1/64")
	b.newContainer().add(nil, web).OK(t)
	c := b.newContainer()
	t.Cleanup(func() { c.del().OK(t) })
	trace := func(command string, mappings []Mapping) string {
		t.Helper()
		config, err := json.Marshal(c.config(map[string]any{"listeners": "ignore"}, mappings...))
		must(t, err)
		file := filepath.Join(t.TempDir(), "trace")
		cmd := exec.Command("strace", "-f", "-e", "trace=execve,sendmsg,sendto", "-s", "20", "-o", file, "/proc/self/exe")
		self, err := os.Executable()
		must(t, err)
		cmd.Args[len(cmd.Args)-1] = self
		cmd.Env = append(os.Environ(), asPlugin+"=1", "CNI_COMMAND="+command, "CNI_CONTAINERID="+c.id, "CNI_IFNAME=eth0",
			"CNI_NETNS="+c.Path, "CNI_PATH=/opt/cni/bin")
		cmd.Stdin = strings.NewReader(string(config))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
		data, err := os.ReadFile(file)
		must(t, err)
		return string(data)
	}
	for _, mappings := range [][]Mapping{{web2}, thousandPorts()} {
		for _, command := range []string{"ADD", "DEL"} {
			calls := trace(command, mappings)
			if n := strings.Count(calls, "NFNL_MSG_BATCH_BEGIN"); n != 1 {
				t.Errorf("%s of %d ports makes %d transactions", command, len(mappings), n)
			}
			if n := strings.Count(calls, "execve("); n != 1 {
				t.Errorf("%s of %d ports executes %d programs", command, len(mappings), n-1)
			}
			t.Logf("%s of %4d ports: %d messages sent", command, len(mappings), strings.Count(calls, "send"))
		}
	}
}

var web2 = Mapping{HostPort: 8081, ContainerPort: 80}
