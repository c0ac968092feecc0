// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Package multihost runs a chain on three hosts whose ranges flannel hands out: each host is a namespace with files of
// its own in /run, a switch connects them, Debian's etcd runs beside them, and on each host the real flanneld carries
// packets over VXLAN. Configurations are those of docs/multi-host.md, as they stand there. It is a module of its own
// for flannel's sake, which is built from here (a tool line of go.mod).
package multihost

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cni-chain/cni-chain/e2e/harness"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

func TestMain(m *testing.M) { harness.Main(reported{m}) }

// reported runs the tests and tells what reached whom as a table.
type reported struct{ tests interface{ Run() int } }

func (r reported) Run() int {
	code := r.tests.Run()
	if text := reach.String(); text != "" {
		fmt.Print("\n", text, "\n")
	}
	return code
}

// flanneld is where make multihost builds it.
func flanneld() string { return harness.Bin("multihost/flanneld") }

// need skips the test by the name of what the machine lacks.
func need(t *testing.T) {
	t.Helper()
	testnet.Need(t)
	for _, program := range []string{"etcd", "iptables", "ip6tables", "nsenter", "busybox", flanneld()} {
		if _, err := exec.LookPath(program); err != nil {
			testnet.Lacks(t, "the program "+filepath.Base(program)+" (make multihost)")
		}
	}
	ns := testnet.NewNS(t)
	cmd := exec.Command("ip", "link", "add", "vxlan1", "type", "vxlan", "id", "1", "dstport", "8472")
	if err := ns.Do(cmd.Run); err != nil {
		testnet.Lacks(t, "the kernel's vxlan")
	}
	if _, err := os.Stat("/proc/sys/net/bridge/bridge-nf-call-iptables"); err != nil {
		testnet.Lacks(t, "the kernel's br_netfilter, which flanneld insists on")
	}
}

// block is a block of docs/multi-host.md that readers copy: the one after "<!-- block: NAME -->".
func block(t *testing.T, name string) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(harness.Root(), "docs/multi-host.md"))
	must(t, "read the page", err)
	_, rest, found := strings.Cut(string(page), "<!-- block: "+name+" -->\n```")
	_, rest, _ = strings.Cut(rest, "\n")
	text, _, closed := strings.Cut(rest, "```\n")
	if !found || !closed {
		t.Fatalf("docs/multi-host.md has no block %s", name)
	}
	return text
}

func must(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}
