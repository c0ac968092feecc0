// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package runtimes

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/e2e/harness"
)

// podman keeps everything in a folder of the test's.
type podman struct {
	dir, root string
}

// newPodman is podman with the block of docs/runtimes.md for its configuration.
func newPodman(t *testing.T) *podman {
	t.Helper()
	dir, err := os.MkdirTemp("", "pod") // short, for the sockets
	must(t, "make a folder", err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	p := &podman{dir: dir, root: busyboxRoot(t)}
	config := filepath.Join(dir, "containers.conf")
	must(t, "write containers.conf", os.WriteFile(config, []byte(block(t, "containers.conf")), 0o600))
	return p
}

// cmd is a call of podman. The options are for a machine without systemd and with nothing but vfs.
func (p *podman) cmd(args ...string) *exec.Cmd {
	cmd := exec.Command("podman", append([]string{
		"--root", filepath.Join(p.dir, "root"), "--runroot", filepath.Join(p.dir, "run"), "--tmpdir", filepath.Join(p.dir, "tmp"),
		"--storage-driver", "vfs", "--runtime", "runc", "--cgroup-manager", "cgroupfs", "--events-backend", "file",
	}, args...)...)
	cmd.Env = append(os.Environ(), "CONTAINERS_CONF="+filepath.Join(p.dir, "containers.conf"))
	return cmd
}

// start runs a container with the web server.
func (p *podman) start(t *testing.T, name string, args ...string) {
	t.Helper()
	all := append([]string{"run", "--detach", "--name", name, "--cgroups=no-conmon", "--cgroup-parent", cgroup()}, args...)
	all = append(all, "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024") // where root may not raise its own
	t.Cleanup(func() { _ = p.cmd("rm", "--force", "--time", "0", name).Run() })
	run(t, p.cmd(append(append(all, "--rootfs", p.root), serve...)...))
}

// endpoint is what podman knows of a container in a network.
type endpoint struct {
	IPAddress, MacAddress string
}

func (p *podman) networks(t *testing.T, name string) (networks map[string]endpoint) {
	t.Helper()
	data, err := p.cmd("inspect", "--format", "{{json .NetworkSettings.Networks}}", name).Output()
	must(t, "inspect "+name, err)
	must(t, "decode its networks", json.Unmarshal(data, &networks))
	return networks
}

// What the block of docs/runtimes.md asks for in the first network, if that knows the capabilities, and in the second.
var (
	first  = endpoint{"10.88.1.77", "02:42:0a:58:01:4d"}
	second = endpoint{"10.88.20.77", "02:42:0a:58:14:4d"}
)

// podmanOptions are those of the block, for the network of the row.
func podmanOptions(t *testing.T, m *machine) []string {
	t.Helper()
	text := strings.ReplaceAll(block(t, "podman run"), "\\\n", "")
	if !m.asks() {
		text = strings.ReplaceAll(text, fmt.Sprintf("bridge:ip=%s,mac=%s", first.IPAddress, first.MacAddress), m.net.List.Name)
	}
	text, found := strings.CutPrefix(text, "podman run --detach --name web ")
	text, _, ended := strings.Cut(text, "docker.io/library/busybox "+strings.Join(serve[1:], " "))
	if !found || !ended {
		t.Fatalf("the block does not run what the test runs: %q", text)
	}
	return strings.Fields(text)
}

// TestPodman runs containers with Debian's podman 4 and its CNI backend.
func TestPodman(t *testing.T) {
	programs := []string{"podman", "conmon", "runc", "busybox"}
	each(t, "podman 4, CNI backend", programs, func(t *testing.T, r *row, m *machine) {
		file := filepath.Join(confDir, "20-second.conflist")
		must(t, "write it", os.WriteFile(file, []byte(block(t, "second.conflist")), 0o600))
		m.also = harness.Load(t, file)
		p := newPodman(t)
		m.mayGoDown(t)
		m.look(t)
		options := podmanOptions(t, m)
		r.try(attach, func(t *testing.T) {
			p.start(r.t, "web", options...)
			p.reached(t, m)
		})
		r.try(port, m.published)
		r.try(dns, func(t *testing.T) {
			p.resolves(t, m, "web", append(m.servers(), m.also.DNS().Nameservers...)...)
			p.start(t, "asks", "--network", m.net.List.Name, "--dns", "198.51.100.9")
			p.resolves(t, m, "asks", "198.51.100.9")
			run(t, p.cmd("rm", "--force", "--time", "0", "asks"))
		})
		r.try(restart, func(t *testing.T) { p.restarts(t, r, m, options) })
		r.try(cleanup, func(t *testing.T) {
			run(t, p.cmd("rm", "--force", "--time", "0", "--all"))
			r.remark(cleanup, "`cnichain gc` has removed one file in `/etc/netns`, from before the machine went down: podman has no GC")
			for _, n := range []*harness.Network{latest(t, r.conflist), m.also} {
				list := filepath.Join(t.TempDir(), "network.conflist")
				must(t, "write it", os.WriteFile(list, n.List.Bytes, 0o600))
				run(t, exec.Command(filepath.Join(binDir, "cnichain"), "gc", list))
			}
			m.closed(t)
			m.clean(t)
		})
	})
}

// asks tells whether the first network knows how to be asked for an address and a MAC.
func (m *machine) asks() bool { return m.net.Capable("ips") && m.net.Capable("mac") }

// reached fetches by both networks, and looks at what was asked for.
func (p *podman) reached(t *testing.T, m *machine) {
	t.Helper()
	networks := p.networks(t, "web")
	got, also := networks[m.net.List.Name], networks["second"]
	if also != second {
		t.Errorf("the second network has given %v, want %v", also, second)
	}
	if m.asks() && got != first {
		t.Errorf("%s has given %v, want %v", m.net.List.Name, got, first)
	}
	fetch(t, m.Host, got.IPAddress, harness.Service)
	fetch(t, m.Host, also.IPAddress, harness.Service)
}

// resolves looks at the container's resolv.conf.
func (p *podman) resolves(t *testing.T, m *machine, name string, servers ...string) {
	t.Helper()
	page := fetch(t, m.Host, p.networks(t, name)[m.net.List.Name].IPAddress, harness.Service)
	for _, server := range servers {
		if !strings.Contains(page, "nameserver "+server+"\n") {
			t.Errorf("resolv.conf in %s is %q, want the name server %s in it", name, page, server)
		}
	}
}

// restarts starts the container again after each way to lose it.
func (p *podman) restarts(t *testing.T, r *row, m *machine, options []string) {
	run(t, p.cmd("restart", "--time", "0", "web"))
	m.published(t)
	p.reached(t, m)

	// The container is killed: its conmon has podman run DEL.
	p.kill(t, "{{.State.Pid}}")
	eventually(t, "podman notices", func() error {
		state, err := p.cmd("inspect", "--format", "{{.State.Status}}", "web").Output()
		if text := strings.TrimSpace(string(state)); err != nil || text != "exited" {
			return fmt.Errorf("the container is %q (%w)", text, err)
		}
		return nil
	})
	run(t, p.cmd("start", "web"))
	m.published(t)
	p.reached(t, m)

	// Its conmon is killed with it: podman 4 takes it for running, and can then do nothing but remove it.
	p.kill(t, "{{.State.ConmonPid}} {{.State.Pid}}")
	run(t, p.cmd("rm", "--force", "--time", "0", "web"))
	p.start(t, "web", options...)
	m.published(t)
	p.reached(t, m)

	p.powerCut(t)
	m.powerCut(t)
	if slices.Contains(m.net.AllTypes(), "host-local") {
		// Its leases are on the disk, and it refuses a container a second address.
		if out, err := p.cmd("start", "web").CombinedOutput(); err == nil || !strings.Contains(string(out), "duplicate") {
			t.Errorf("podman start: %v\n%s", err, out)
		}
		r.remark(restart, "after the machine went down, host-local refuses the container until its leases are removed "+
			"from the disk")
		must(t, "remove the leases", os.RemoveAll("/var/lib/cni/networks"))
		m.powerCut(t) // upstream's bridge fails on the one that its failure has left, without a MAC
	}
	run(t, p.cmd("start", "web"))
	m.published(t)
	p.reached(t, m)
}

// powerCut takes what a machine that goes down does not write to its disk: processes, and podman's state in memory.
func (p *podman) powerCut(t *testing.T) {
	t.Helper()
	p.kill(t, "{{.State.ConmonPid}} {{.State.Pid}}")
	for _, dir := range []string{filepath.Join(p.dir, "run"), filepath.Join(p.dir, "tmp"), "/run/runc", "/dev/shm/libpod_lock"} {
		must(t, "lose "+dir, os.RemoveAll(dir))
	}
}

// kill ends processes of the container, and waits until they have ended.
func (p *podman) kill(t *testing.T, format string) {
	t.Helper()
	for _, field := range strings.Fields(run(t, p.cmd("inspect", "--format", format, "web"))) {
		pid, err := strconv.Atoi(field)
		must(t, "read "+field, err)
		must(t, "kill", kill(pid))
		eventually(t, "it ends", func() error {
			if unix.Kill(pid, 0) == nil {
				return fmt.Errorf("%d is there", pid)
			}
			return nil
		})
	}
}
