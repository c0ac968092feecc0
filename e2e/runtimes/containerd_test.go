// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package runtimes

import (
	"bufio"
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

var containerdPrograms = []string{"containerd", "ctr", "runc", "busybox"}

// containerd is a daemon of the test's own.
type containerd struct {
	dir    string
	daemon *exec.Cmd
}

// containerdConfig goes before the block of docs/runtimes.md: it is for a daemon beside others, in a container.
const containerdConfig = `root = "%[1]s/root"
state = "%[1]s/state"
disabled_plugins = ["io.containerd.internal.v1.opt"]
[grpc]
  address = "%[1]s/socket"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "` + image + `"
  disable_apparmor = true
  restrict_oom_score_adj = true
  tolerate_missing_hugetlb_controller = true
  disable_hugetlb_controller = true
[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "native"
`

// startContainerd starts one until the test ends.
func startContainerd(t *testing.T) *containerd {
	t.Helper()
	dir, err := os.MkdirTemp("", "ctrd") // short, for the sockets
	must(t, "make a folder", err)
	version, rest, _ := strings.Cut(block(t, "config.toml"), "\n")
	config := version + "\n" + fmt.Sprintf(containerdConfig, dir) + rest
	must(t, "write its configuration", os.WriteFile(filepath.Join(dir, "config.toml"), []byte(config), 0o600))
	c := &containerd{dir: dir}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	t.Cleanup(c.end)
	c.start(t)
	return c
}

// start waits until the daemon answers.
func (c *containerd) start(t *testing.T) {
	t.Helper()
	c.daemon = exec.Command("containerd", "--config", filepath.Join(c.dir, "config.toml"), "--log-level", "error")
	log, err := os.OpenFile(filepath.Join(c.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	must(t, "open its log", err)
	defer log.Close()
	c.daemon.Stdout, c.daemon.Stderr = log, log // a file: shims keep it open for longer than the daemon lives
	must(t, "start containerd", c.daemon.Start())
	eventually(t, "containerd answers", func() error { return c.ctr("version").Run() })
}

// stop ends the daemon; containers go on.
func (c *containerd) stop(signal os.Signal) {
	_ = c.daemon.Process.Signal(signal)
	_ = c.daemon.Wait()
}

// end ends the containers that a failed test has left, and the daemon.
func (c *containerd) end() {
	for _, namespace := range []string{"default", "k8s.io"} {
		tasks, _ := c.ctr("--namespace", namespace, "task", "ls", "--quiet").Output()
		for _, id := range strings.Fields(string(tasks)) {
			_ = c.ctr("--namespace", namespace, "task", "delete", "--force", id).Run()
		}
	}
	c.stop(unix.SIGTERM)
}

// logged shows what the daemon said when the test has failed.
func (c *containerd) logged(t *testing.T) {
	if log, err := os.ReadFile(filepath.Join(c.dir, "log")); err == nil && t.Failed() {
		t.Logf("containerd says:\n%s", log)
	}
}

func (c *containerd) ctr(args ...string) *exec.Cmd {
	return exec.Command("ctr", append([]string{"--address", filepath.Join(c.dir, "socket")}, args...)...)
}

// TestCtr runs a container with ctr run --cni.
func TestCtr(t *testing.T) {
	each(t, "containerd, ctr run --cni", containerdPrograms, func(t *testing.T, r *row, m *machine) {
		c := startContainerd(t)
		defer c.logged(t)
		root := busyboxRoot(t)
		m.look(t)
		id, address := "e2e", ""
		var container *exec.Cmd
		r.try(attach, func(t *testing.T) {
			container, address = c.runCtr(r.t, id, root)
			fetch(t, m.Host, address, harness.Service)
		})
		r.not(port, "`ctr` has no option for it")
		r.try(dns, func(t *testing.T) {
			page, want := fetch(t, m.Host, address, harness.Service), m.servers()
			if !strings.Contains(page, "nameserver "+want[0]+"\n") {
				t.Errorf("the container's /etc/resolv.conf is %q, want the name server %s in it", page, want[0])
			}
		})
		r.try(restart, func(t *testing.T) { // ctr, which runs DEL, is killed, the container too, and the next has its ID
			must(t, "kill ctr", container.Process.Kill())
			_ = container.Wait()
			c.kill(t, id)
			if !m.net.OursOnly() {
				id = "another"
				r.remark(restart, "under another ID, after a DEL by hand: host-local and bandwidth refuse one whose DEL never came")
				must(t, "DEL by hand", m.net.Attach(&testnet.NS{}, "default-e2e").Del())
			}
			container, address = c.runCtr(r.t, id, root)
			fetch(t, m.Host, address, harness.Service)
		})
		r.try(cleanup, func(t *testing.T) {
			run(t, c.ctr("task", "kill", "--signal", "KILL", id))
			_ = container.Wait() // with the exit status of the killed container, after DEL
			run(t, c.ctr("container", "rm", id))
			m.clean(t)
		})
	})
}

// kill ends a container that has lost its ctr, without DEL.
func (c *containerd) kill(t *testing.T, id string) {
	t.Helper()
	run(t, c.ctr("task", "kill", "--signal", "KILL", id))
	eventually(t, "the task goes", func() error { return c.ctr("task", "rm", id).Run() })
	run(t, c.ctr("container", "rm", id))
}

// runCtr starts a container and returns its address.
func (c *containerd) runCtr(t *testing.T, id, root string) (container *exec.Cmd, address string) {
	t.Helper()
	container = c.ctr("run", "--cni", "--cgroup", cgroup()+"/"+id, "--rootfs", root, id, "/bin/busybox", "sh", "-c",
		"busybox ip -o -4 addr show eth0; exec "+strings.Join(serve, " "))
	stdout, err := container.StdoutPipe()
	must(t, "pipe", err)
	container.Stderr = t.Output()
	container.WaitDelay = 10 * time.Second
	must(t, "ctr run", container.Start())
	t.Cleanup(func() {
		_ = c.ctr("task", "kill", "--signal", "KILL", id).Run()
		_, _ = container.Process.Kill(), container.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	must(t, "read the container's first line", err)
	words := strings.Fields(line)
	if len(words) < 4 {
		t.Fatalf("the container prints %q, want its address", line)
	}
	address, _, _ = strings.Cut(words[3], "/")
	return container, address
}
