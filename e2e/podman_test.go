// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/e2e/harness"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// podmanConflist is the chain with a name server of its own. Podman 4 knows CNI up to 1.0.0.
const podmanConflist = `{"cniVersion": "1.0.0", "name": "podnet", "plugins": [
	{"type": "veth-bridge", "bridge": "cni-podman", "hairpinMode": true, "capabilities": {"mac": true}},
	{"type": "ip-config", "isDefaultGateway": true, "ipMasq": true, "ipam": {"type": "ip-pool", "subnet": "10.88.40.0/24"},
	 "capabilities": {"ips": true}},
	{"type": "resolv-conf", "dns": {"nameservers": ["192.0.2.77"]}},
	{"type": "port-map", "capabilities": {"portMappings": true}}]}`

// TestPodman: Debian's podman, with the CNI backend, runs a container on the chain: its name server is in
// /etc/resolv.conf, its port is reached from outside, a static address and MAC are its own, and it leaves nothing.
func TestPodman(t *testing.T) {
	testnet.Need(t)
	for _, program := range []string{"podman", "runc", "busybox"} {
		if _, err := exec.LookPath(program); err != nil {
			testnet.Lacks(t, "the program "+program)
		}
	}
	if os.Geteuid() != 0 || !fullRoot() {
		testnet.Lacks(t, "root, not only that of a user namespace, for podman")
	}
	// A mount of its own: podman would mount /run/netns over itself, and the namespaces in it could not be removed.
	must(t, "make /run/netns", os.MkdirAll("/run/netns", 0o755))
	must(t, "mount /run/netns", unix.Mount("tmpfs", "/run/netns", "tmpfs", 0, "mode=0755"))
	t.Cleanup(func() { _ = unix.Unmount("/run/netns", unix.MNT_DETACH) })
	n := harness.Parse(t, podmanConflist)
	w := harness.NewWorld(t, n)
	podman := podmanOn(t)
	root := busyboxRoot(t)
	before := plugins(t)

	run(t, podman("run", "-d", "--name", "web", "--cgroups=no-conmon", "--ulimit", "nofile=1024:1024", "--ulimit",
		"nproc=1024:1024", "--network", "podnet", "--ip", "10.88.40.9", "--mac-address", "02:00:00:00:40:09",
		"-p", fmt.Sprintf("%d:%d", harness.Published, harness.Service), "--rootfs", root,
		"/bin/busybox", "sh", "-c", "busybox ip addr show eth0 > /tmp/eth0; cat /etc/resolv.conf > /tmp/resolv.conf; "+
			fmt.Sprintf("exec busybox httpd -f -p %d -h /tmp", harness.Service)))
	url := fmt.Sprintf("http://%s:%d/", w.Outside.HostV4, harness.Published)
	if page := fetch(t, w.Outside.NS, url+"resolv.conf"); !strings.Contains(page, "nameserver 192.0.2.77") {
		t.Errorf("the container's /etc/resolv.conf is %q, want the chain's name server", page)
	}
	eth0 := fetch(t, w.Outside.NS, url+"eth0")
	for _, want := range []string{"10.88.40.9/24", "02:00:00:00:40:09"} {
		if !strings.Contains(strings.ToLower(eth0), want) {
			t.Errorf("the container's interface lacks %s:\n%s", want, eth0)
		}
	}
	run(t, podman("rm", "-f", "-t", "0", "web"))
	if left := harness.Left(n, testnet.Diff(before, plugins(t))); left != "" {
		t.Errorf("the machine is not what it was:\n%s", left)
	}
}

// podmanOn configures podman in a folder of the test's own and returns how to call it.
func podmanOn(t *testing.T) func(args ...string) *exec.Cmd {
	t.Helper()
	dir, err := os.MkdirTemp("", "podman") // short, for the sockets
	must(t, "make a folder", err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	must(t, "make net.d", os.Mkdir(filepath.Join(dir, "net.d"), 0o755))
	must(t, "write the conflist", os.WriteFile(filepath.Join(dir, "net.d", "10-podnet.conflist"), []byte(podmanConflist), 0o600))
	config := filepath.Join(dir, "containers.conf")
	must(t, "write containers.conf", os.WriteFile(config, fmt.Appendf(nil, `[network]
network_backend = "cni"
cni_plugin_dirs = [%q]
network_config_dir = "%s/net.d"
default_network = "podnet"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
`, harness.Bin(""), dir), 0o600))
	return func(args ...string) *exec.Cmd {
		cmd := exec.Command("podman", append([]string{"--root", dir + "/root", "--runroot", dir + "/runroot", "--tmpdir", dir + "/tmp",
			"--runtime", "runc", "--storage-driver", "vfs"}, args...)...)
		cmd.Env = append(os.Environ(), "CONTAINERS_CONF="+config)
		return cmd
	}
}
