// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Package counts guards speed without a clock: how often each command of each link makes each system call. A sendmsg is
// a netlink message or a batch of them, an execve beyond the first a process.
package counts

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/containernetworking/cni/pkg/invoke"
	"github.com/containernetworking/cni/pkg/version"
	"github.com/google/go-cmp/cmp"

	"github.com/cni-chain/cni-chain/e2e/harness"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

func TestMain(m *testing.M) { harness.Main(m) }

var update = flag.Bool("update", false, "write the counts of this run into testdata/counts.json")

// working are the system calls by which a link works, as strace names them; what the Go runtime does for itself is not
// among them.
const working = "?execve,?socket,?sendmsg,?sendto,?setns,?mount,?openat,?openat2,?rename,?renameat,?renameat2,?linkat," +
	"?unlinkat,?mkdirat,?flock"

// ofTheRuntime are files that a Go program opens before main, or for the time zone, as the machine has them.
var ofTheRuntime = regexp.MustCompile(`"/proc/self/(cgroup|mountinfo)"|"/sys/|"/etc/localtime"|"/usr/share/zoneinfo`)

var traced = regexp.MustCompile(`^\d+ +(\w+)\(`)

// interrupted is how strace writes a call that a signal of the runtime to itself has interrupted, and that comes again.
var interrupted = regexp.MustCompile(`= \? ERESTART|= -1 EINTR `)

// counter runs plugins for libcni under strace. It is one of invoke.Exec.
type counter struct {
	version.PluginDecoder
	log string
	// on: count, and do not merely run.
	on     bool
	counts map[string]map[string]int
}

func (c *counter) ExecPlugin(ctx context.Context, path string, stdin []byte, env []string) ([]byte, error) {
	if !c.on {
		return (&invoke.RawExec{Stderr: os.Stderr}).ExecPlugin(ctx, path, stdin, env)
	}
	cmd := exec.CommandContext(ctx, "strace", "-f", "-qq", "-o", c.log, "-e", "trace="+working, path)
	var stdout bytes.Buffer
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = env, bytes.NewReader(stdin), &stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w: %s", filepath.Base(path), err, stdout.Bytes())
	}
	data, err := os.ReadFile(c.log)
	if err != nil {
		return nil, err
	}
	name := filepath.Base(path)
	for _, variable := range env {
		if command, ok := strings.CutPrefix(variable, "CNI_COMMAND="); ok {
			name += " " + command
		}
	}
	c.counts[name] = map[string]int{}
	for _, line := range strings.Split(string(data), "\n") {
		m := traced.FindStringSubmatch(line)
		if m != nil && !ofTheRuntime.MatchString(line) && !interrupted.MatchString(line) {
			c.counts[name][m[1]]++
		}
	}
	return stdout.Bytes(), nil
}

func (c *counter) FindInPath(plugin string, paths []string) (string, error) {
	return invoke.FindInPath(plugin, paths)
}

// TestCounts: the counts are those of testdata/counts.json, and the same with one attachment there already and with 60.
func TestCounts(t *testing.T) {
	if out, err := exec.Command("strace", "-qq", "-o", "/dev/null", "true").CombinedOutput(); err != nil {
		t.Skipf("needs strace: %v: %s", err, out)
	}
	conflist, err := os.ReadFile(harness.Example("dual-stack"))
	if err != nil {
		t.Fatal(err)
	}
	c := &counter{log: filepath.Join(t.TempDir(), "trace"), counts: map[string]map[string]int{}}
	n := harness.ParseWith(t, string(conflist), c)
	w := harness.NewWorld(t, n)
	// Where it is not there, the first container's resolv.conf makes it, and the last one's DEL removes it.
	if err := os.MkdirAll("/etc/netns", 0o755); err != nil {
		t.Fatal(err)
	}
	attach(t, n, 0, 1)
	// A connection for conntrack to know: where it knows none, port-map does not look for stale ones.
	port := w.Host.StartServer(t, "tcp", ":0")
	w.Outside.MustAsk(t, "tcp", netip.AddrPortFrom(w.Outside.HostV4, port).String())
	alone := c.cycle(t, n)
	file := filepath.Join("testdata", "counts.json")
	if *update {
		write(t, file, alone)
	}
	if diff := cmp.Diff(read(t, file), alone); diff != "" {
		t.Errorf("the counts have changed; if that is meant, go test -run TestCounts -update (-kept +now):\n%s", diff)
	}
	attach(t, n, 1, 60)
	if diff := cmp.Diff(alone, c.cycle(t, n)); diff != "" {
		t.Errorf("the counts are others among 60 attachments (-alone +among):\n%s", diff)
	}
}

func ports(first int) []harness.Port {
	return []harness.Port{{HostPort: first, ContainerPort: 80, Protocol: "tcp"}, {HostPort: first, ContainerPort: 80, Protocol: "udp"}}
}

// attach attaches containers, which go with the test.
func attach(t *testing.T, n *harness.Network, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		n.Attach(testnet.NewNS(t), fmt.Sprintf("live%d", i)).With("portMappings", ports(10000+i)).MustAdd(t)
	}
}

// cycle counts ADD, CHECK and DEL of one container.
func (c *counter) cycle(t *testing.T, n *harness.Network) map[string]map[string]int {
	t.Helper()
	c.on, c.counts = true, map[string]map[string]int{}
	defer func() { c.on = false }()
	ns, err := testnet.Create("counted")
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	a := n.Attach(ns, "counted").With("portMappings", ports(9000))
	for _, call := range []func() error{a.Add, a.Check, a.Del} {
		if err := call(); err != nil {
			t.Fatal(err)
		}
	}
	return c.counts
}

func read(t *testing.T, file string) (counts map[string]map[string]int) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &counts); err != nil {
		t.Fatal(err)
	}
	return counts
}

func write(t *testing.T, file string, counts map[string]map[string]int) {
	t.Helper()
	data, err := json.MarshalIndent(counts, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(data, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}
