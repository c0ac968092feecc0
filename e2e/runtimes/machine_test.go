// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package runtimes

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/e2e/harness"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// examples are the conflists that every runtime gets: our links alone, after upstream's bridge, and before others of
// upstream's, bandwidth among them.
var examples = []string{"bridge", "mixed-upstream-bridge-port-map", "full-upstream-tail"}

// Where the plugins and conflists are, as docs/runtimes.md has it.
const (
	binDir  = "/opt/cni/bin"
	confDir = "/etc/cni/net.d"
)

// machine is where a runtime works with one chain.
type machine struct {
	*harness.World
	// net is the network of the row, also a second one or nil.
	net, also *harness.Network
	before    *testnet.Snapshot
	row       *row
}

// each runs the test for every example, with a row of the table, on a machine where the chain is installed.
func each(t *testing.T, runtime string, programs []string, test func(t *testing.T, r *row, m *machine)) {
	testnet.Need(t)
	lacks := ""
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			lacks = "the program " + program
		}
	}
	if lacks == "" && len(programs) > 0 && (os.Geteuid() != 0 || !fullRoot()) {
		lacks = "root, not only that of a user namespace"
	}
	for _, example := range examples {
		t.Run(example, func(t *testing.T) {
			r := newRow(t, runtime, example)
			if lacks != "" {
				r.skip("needs " + lacks)
				testnet.Lacks(t, lacks)
			}
			n := harness.Load(t, harness.Example(example))
			m := &machine{World: harness.NewWorld(t, n), net: n, row: r}
			m.powerCut(t) // nothing is there of the row before
			must(t, "empty the disk", errors.Join(empty("/var/lib/cni"), empty("/etc/netns")))
			install(t, example)
			test(t, r, m)
		})
	}
}

// fullRoot: in a user namespace of its own, root maps to another user.
func fullRoot() bool {
	data, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && strings.Join(strings.Fields(string(data)), " ") == "0 0 4294967295"
}

// install puts plugins and conflist where runtimes look, in the mounts of this process.
func install(t *testing.T, example string) {
	t.Helper()
	for _, dir := range []string{"/opt", "/etc/cni"} {
		must(t, "make "+dir, os.MkdirAll(dir, 0o755))
		must(t, "mount over "+dir, unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=0755"))
		t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	}
	install := exec.Command("sh", "-ec", strings.ReplaceAll(block(t, "install"), "bridge.", example+"."))
	install.Dir = harness.Root()
	install.Env = append(os.Environ(), "MAKEFLAGS=-s")
	run(t, install)
	upstream, err := filepath.Glob(harness.Bin("upstream/*"))
	must(t, "find the reference plugins", err)
	for _, plugin := range upstream {
		if err := os.Symlink(plugin, filepath.Join(binDir, filepath.Base(plugin))); err != nil {
			t.Fatal(err)
		}
	}
}

// servers are the name servers of a container that the runtime tells of none.
func (m *machine) servers() []string {
	if servers := m.net.DNS().Nameservers; servers != nil {
		return servers
	}
	return []string{harness.HostDNS}
}

// mayGoDown has the folder /etc/netns there before: the link removes it when it has made it, which it notes in memory.
func (m *machine) mayGoDown(t *testing.T) {
	t.Helper()
	must(t, "make /etc/netns", os.MkdirAll("/etc/netns", 0o755))
}

// look takes the snapshot that clean compares with.
func (m *machine) look(t *testing.T) {
	t.Helper()
	m.before = plugins(t)
}

// left is what the chains left, as lines.
func (m *machine) left(t *testing.T) string {
	t.Helper()
	left := harness.Left(m.net, testnet.Diff(m.before, plugins(t)))
	if m.also != nil {
		left = harness.Left(m.also, left)
	}
	return left
}

// leaksOfDead is what reference plugins leave of a container whose namespace went before DEL: they look there for what
// they have to undo, and have no GC.
var leaksOfDead = map[string]struct {
	what    string
	pattern *regexp.Regexp
}{
	"bridge": {"masquerading rules", regexp.MustCompile(
		`nft (chain ip6? nat CNI-[0-9a-f]{24}|rule ip6? nat (CNI-[0-9a-f]{24}|POSTROUTING): .*name: )`)},
	"bandwidth": {"an ifb interface", regexp.MustCompile(`^\s*\+ (link|tc class|tc qdisc) .*\bbwp[0-9a-f]{12}\b`)},
	"firewall":  {"rules for its addresses", regexp.MustCompile(`nft rule ip6? filter CNI-FORWARD: `)},
	// Not if there is a DEL at all, which a GC of a lost cache is not.
	"host-local": {"its leases, if a GC has to do without a cache",
		regexp.MustCompile(`file /var/lib/cni/networks/[^/]+/[0-9a-f.:]+: `)},
}

// clean reports what the chain left. Namespaces, which the kernel takes down in its own time, may still have an
// interface.
func (m *machine) clean(t *testing.T) {
	t.Helper()
	var leaking []string
	eventually(t, "the machine is what it was", func() error {
		var left []string
		leaking = nil
		for _, line := range strings.Split(m.left(t), "\n") {
			if plugin := m.leakedBy(line); plugin != "" {
				leaking = append(leaking, plugin)
			} else if line != "" {
				left = append(left, line)
			}
		}
		if left != nil {
			return errors.New(strings.Join(left, "\n"))
		}
		return nil
	})
	slices.Sort(leaking)
	for _, plugin := range slices.Compact(leaking) {
		m.row.remark(cleanup, "of a container that died before its DEL, "+plugin+" leaves "+leaksOfDead[plugin].what)
	}
}

// leakedBy is the reference plugin that explains what is left, or "".
func (m *machine) leakedBy(line string) string {
	if !strings.HasPrefix(strings.TrimSpace(line), "+ ") {
		return ""
	}
	for _, plugin := range m.net.AllTypes() {
		if leak, ok := leaksOfDead[plugin]; ok && leak.pattern.MatchString(line) {
			return plugin
		}
	}
	return ""
}

// plugins is a snapshot without what runtimes, not plugins, leave.
func plugins(t *testing.T) *testnet.Snapshot {
	t.Helper()
	runtimes := regexp.MustCompile(
		`^(/run/(containerd|runc|libpod|containers|lock|netns)(/.*)?|/var/lib/cni(/(results|cache)(/.*)?)?)$`)
	return testnet.Take(t).Keep(func(o testnet.Object) bool {
		return o.Section != testnet.Mounts && o.Section != testnet.Namespaces &&
			(o.Section != testnet.Files || !runtimes.MatchString(o.Key))
	})
}

// busyboxRoot is the root directory of a container with one program.
func busyboxRoot(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for _, dir := range []string{"bin", "dev", "etc", "proc", "sys", "tmp"} {
		must(t, "make "+dir, os.Mkdir(filepath.Join(root, dir), 0o755))
	}
	busybox, err := exec.LookPath("busybox")
	must(t, "find busybox", err)
	run(t, exec.Command("cp", busybox, filepath.Join(root, "bin/busybox")))
	must(t, "link sh", os.Symlink("busybox", filepath.Join(root, "bin/sh")))
	return root
}

// serve is what containers run: a web server with /etc, so that what it serves shows the name servers too.
var serve = []string{"/bin/busybox", "httpd", "-f", "-p", fmt.Sprint(harness.Service), "-h", "/etc"}

// fetch asks for a container's resolv.conf until the server, which has only just been started, answers.
func fetch(t *testing.T, from *testnet.NS, address string, port int) string {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		page, err := from.Fetch(context.Background(), fmt.Sprintf("http://%s:%d/resolv.conf", address, port))
		if err == nil {
			return page
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// published fetches by the mapped port, from outside and by localhost.
func (m *machine) published(t *testing.T) {
	t.Helper()
	fetch(t, m.Outside.NS, m.Outside.HostV4.String(), harness.Published)
	fetch(t, m.Host, "127.0.0.1", harness.Published)
}

// closed fails while the mapped port answers.
func (m *machine) closed(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if _, err := m.Outside.Fetch(ctx, fmt.Sprintf("http://%s:%d/", m.Outside.HostV4, harness.Published)); err == nil {
		t.Error("the port is still open")
	}
}

// block is a block of docs/runtimes.md, which readers copy: the one after the line "<!-- block: NAME -->". Where the
// README has it too, it is the same.
func block(t *testing.T, name string) string {
	t.Helper()
	text, found := blockOf(t, "docs/runtimes.md", name)
	if !found {
		t.Fatalf("docs/runtimes.md has no block %s", name)
	}
	if copied, found := blockOf(t, "README.md", name); found && copied != text {
		t.Fatalf("in README.md, block %s is %q, in docs/runtimes.md %q", name, copied, text)
	}
	return text
}

func blockOf(t *testing.T, page, name string) (text string, found bool) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(harness.Root(), page))
	must(t, "read the page", err)
	_, rest, found := strings.Cut(string(data), "<!-- block: "+name+" -->\n```")
	_, rest, _ = strings.Cut(rest, "\n")
	text, _, closed := strings.Cut(rest, "```\n")
	return text, found && closed
}

func must(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func run(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return string(out)
}

// eventually polls until the condition holds.
func eventually(t *testing.T, what string, holds func() error) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		err := holds()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(20 * time.Millisecond) // what is polled are programs, which take that long to start
	}
}
