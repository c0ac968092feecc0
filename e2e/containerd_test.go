// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/e2e/harness"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// TestContainerd: Debian's containerd runs a container on conflists/bridge.conflist as it is, from where make install
// and an administrator put things; the container is reached, knows its name server, and leaves nothing.
func TestContainerd(t *testing.T) {
	testnet.Need(t)
	for _, program := range []string{"containerd", "ctr", "runc", "busybox"} {
		if _, err := exec.LookPath(program); err != nil {
			testnet.Lacks(t, "the program "+program)
		}
	}
	if os.Geteuid() != 0 || !fullRoot() {
		testnet.Lacks(t, "root, not only that of a user namespace, for containerd")
	}
	n := harness.Load(t, harness.Example("bridge"))
	w := harness.NewWorld(t, n)
	install(t)
	ctr := startContainerd(t)
	root := busyboxRoot(t)
	before := plugins(t)

	container := ctr("run", "--rm", "--cni", "--rootfs", root, "e2e", "/bin/busybox", "sh", "-c",
		fmt.Sprintf("busybox ip -o -4 addr show eth0; exec busybox httpd -f -p %d -h /etc", harness.Service))
	stdout, err := container.StdoutPipe()
	must(t, "pipe", err)
	container.Stderr = t.Output()
	must(t, "ctr run", container.Start())
	t.Cleanup(func() { _, _ = container.Process.Kill(), container.Wait() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	must(t, "read the container's first line", err)
	words := strings.Fields(line)
	if len(words) < 4 {
		t.Fatalf("the container prints %q, want its address", line)
	}
	address, _, _ := strings.Cut(words[3], "/")

	page := fetch(t, w.Host, fmt.Sprintf("http://%s:%d/resolv.conf", address, harness.Service))
	if !strings.Contains(page, "nameserver "+harness.HostDNS) {
		t.Errorf("the container's /etc/resolv.conf is %q, want the host's name server", page)
	}
	run(t, ctr("task", "kill", "--signal", "KILL", "e2e"))
	_ = container.Wait() // with the exit status of the killed container, after DEL
	if left := harness.Left(n, testnet.Diff(before, plugins(t))); left != "" {
		t.Errorf("the machine is not what it was:\n%s", left)
	}
}

// fullRoot: in a user namespace of its own, root maps to another user.
func fullRoot() bool {
	data, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && strings.Join(strings.Fields(string(data)), " ") == "0 0 4294967295"
}

// install puts plugins and conflist where containerd looks, in the mounts of this process.
func install(t *testing.T) {
	t.Helper()
	for _, dir := range []string{"/opt", "/etc/cni"} {
		must(t, "make "+dir, os.MkdirAll(dir, 0o755))
		must(t, "mount over "+dir, unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=0755"))
		t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	}
	install := exec.Command("make", "-s", "install")
	install.Dir = harness.Root()
	run(t, install)
	run(t, exec.Command("install", "-D", "-m", "0644", harness.Example("bridge"), "/etc/cni/net.d/10-bridge.conflist"))
}

// startContainerd starts a daemon of the test's own and returns how to call it.
func startContainerd(t *testing.T) func(args ...string) *exec.Cmd {
	t.Helper()
	dir, err := os.MkdirTemp("", "ctrd") // short, for the sockets
	must(t, "make a folder", err)
	config, socket := filepath.Join(dir, "config.toml"), filepath.Join(dir, "socket")
	must(t, "write its configuration", os.WriteFile(config, fmt.Appendf(nil, `version = 2
root = "%[1]s/root"
state = "%[1]s/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
[grpc]
  address = "%[2]s"
`, dir, socket), 0o600))
	ctx, cancel := context.WithCancel(context.Background())
	daemon := exec.CommandContext(ctx, "containerd", "--config", config, "--log-level", "warn")
	daemon.Cancel = func() error { return daemon.Process.Signal(unix.SIGTERM) }
	daemon.WaitDelay = 10 * time.Second
	daemon.Stderr = t.Output()
	must(t, "start containerd", daemon.Start())
	t.Cleanup(func() {
		cancel()
		_ = daemon.Wait()
		_ = os.RemoveAll(dir)
	})
	ctr := func(args ...string) *exec.Cmd {
		return exec.Command("ctr", append([]string{"--address", socket}, args...)...)
	}
	for deadline := time.Now().Add(20 * time.Second); ctr("version").Run() != nil; {
		if time.Now().After(deadline) {
			t.Fatal("containerd does not answer")
		}
	}
	return ctr
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
	run(t, exec.Command("cp", busybox, filepath.Join(root, "bin")))
	must(t, "link sh", os.Symlink("busybox", filepath.Join(root, "bin/sh")))
	return root
}

// fetch asks until the server, which has only just been started, answers.
func fetch(t *testing.T, from *testnet.NS, url string) string {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		page, err := from.Fetch(context.Background(), url)
		if err == nil {
			return page
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}
