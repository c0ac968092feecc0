// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	core "k8s.io/api/core/v1"

	"github.com/cni-chain/cni-chain/shared/testnet"
)

// TestContainerfile: the image is the programs and nothing else, and nothing is fetched for it.
func TestContainerfile(t *testing.T) {
	first, _, _ := made(t)
	var got []string
	for line := range strings.Lines(string(read(t, first.tree, "Containerfile"))) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			got = append(got, line)
		}
	}
	want := []string{"FROM scratch", "COPY bin/ /bin/", `ENTRYPOINT ["/bin/cnichain"]`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// node is a host with a container engine, and what a pod sees of it.
type node struct {
	t      *testing.T
	engine string // podman's directory
	image  string // that kubelet would have pulled
}

// TestPod: the image, built with podman from the archive, run as the DaemonSet says: it installs on a host of nothing,
// a chain of that works, the container that stays ends when it is told to, another version's pod upgrades, and the
// variant for uninstalling leaves nothing.
func TestPod(t *testing.T) {
	first, _, second := made(t)
	need(t, "podman", "runc")
	if os.Geteuid() != 0 || !fullRoot() {
		testnet.Lacks(t, "root, not only that of a user namespace, for podman")
	}
	n := newNode(t)
	n.build(first)
	conflist := read(t, first.tree, "conflists/bridge.conflist")
	must(t, "write the ConfigMap", os.WriteFile(filepath.Join(n.path("conflists"), "bridge.conflist"), conflist, 0o644))
	base := daemonSet(t, first, "base").Spec.Template.Spec
	must(t, "the init container", n.run(base, base.InitContainers[0]))
	n.stays(base)

	installed := filepath.Join(n.path("conf"), "bridge.conflist")
	t.Run("chain", func(t *testing.T) { attach(t, installed, n.path("bin")) })
	n.build(second)
	must(t, "upgrade", n.run(base, base.InitContainers[0]))
	if !bytes.Equal(read(t, n.path("bin"), "port-map"), read(t, second.bin(), "port-map")) {
		t.Error("the pod of the new version has not upgraded port-map")
	}
	t.Run("upgraded", func(t *testing.T) { attach(t, installed, n.path("bin")) })

	uninstall := daemonSet(t, first, "uninstall").Spec.Template.Spec
	careful := uninstall.InitContainers[0]
	careful.Args = slices.DeleteFunc(slices.Clone(careful.Args), func(arg string) bool { return arg == "--force" })
	if err := n.run(uninstall, careful); err == nil || !strings.Contains(err.Error(), "look for attachments") {
		t.Errorf("it cannot see the node's attachments, and removes the plugins without --force: %v", err)
	}
	for range 2 { // a pod may start again
		must(t, "uninstall", n.run(uninstall, uninstall.InitContainers[0]))
	}
	for _, name := range []string{"bin", "conf"} {
		if left, err := os.ReadDir(n.path(name)); err != nil || len(left) > 0 {
			t.Errorf("%v is left (%v)", left, err)
		}
	}
}

// fullRoot tells whether this is not only root of a user namespace.
func fullRoot() bool {
	data, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && strings.Join(strings.Fields(string(data)), " ") == "0 0 4294967295"
}

func newNode(t *testing.T) *node {
	t.Helper()
	engine, err := os.MkdirTemp("", "podman") // short, for the sockets
	must(t, "make a folder", err)
	n := &node{t: t, engine: engine, image: "localhost/cni-chain"}
	t.Cleanup(func() {
		_ = n.podman("rm", "-f", "-a", "-t", "0").Run()
		_ = os.RemoveAll(engine)
	})
	for _, name := range []string{"bin", "conf", "conflists"} {
		must(t, "make a directory", os.MkdirAll(n.path(name), 0o755))
	}
	return n
}

// path is where a volume of the pod is on the node.
func (n *node) path(volume string) string { return filepath.Join(n.engine, "node", volume) }

func (n *node) podman(args ...string) *exec.Cmd {
	return exec.Command("podman", append([]string{"--root", n.engine + "/root", "--runroot", n.engine + "/runroot",
		"--tmpdir", n.engine + "/tmp", "--runtime", "runc", "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs",
		"--events-backend", "none"}, args...)...)
}

func (n *node) build(r release) {
	n.t.Helper()
	if out, err := n.podman("build", "--isolation", "chroot", "-t", n.image, r.tree).CombinedOutput(); err != nil {
		n.t.Fatalf("podman build: %v\n%s", err, out)
	}
}

// arguments are what "podman run" needs for a container to be as the pod's specification says.
func (n *node) arguments(pod core.PodSpec, c core.Container, more ...string) []string {
	n.t.Helper()
	args := []string{"run", "--network=none", "--cgroups=no-conmon", "--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024",
		fmt.Sprintf("--user=%d:%d", *c.SecurityContext.RunAsUser, *c.SecurityContext.RunAsGroup)}
	for _, drop := range c.SecurityContext.Capabilities.Drop {
		args = append(args, "--cap-drop="+string(drop))
	}
	if *c.SecurityContext.ReadOnlyRootFilesystem {
		args = append(args, "--read-only", "--read-only-tmpfs=false")
	}
	if !*c.SecurityContext.AllowPrivilegeEscalation {
		args = append(args, "--security-opt=no-new-privileges")
	}
	for _, m := range c.VolumeMounts {
		volume := n.path(m.Name) + ":" + m.MountPath
		if m.ReadOnly {
			volume += ":ro"
		}
		args = append(args, "--volume="+volume)
	}
	return append(append(append(args, more...), n.image), c.Args...)
}

func (n *node) run(pod core.PodSpec, c core.Container) error {
	n.t.Helper()
	out, err := n.podman(n.arguments(pod, c, "--rm")...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

// stays starts the pod's container that stays, and has it end as kubelet does.
func (n *node) stays(pod core.PodSpec) {
	n.t.Helper()
	const name = "stay"
	podman := func(args ...string) string {
		out, err := n.podman(args...).CombinedOutput()
		if err != nil {
			n.t.Fatalf("podman %q: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	podman(n.arguments(pod, pod.Containers[0], "-d", "--name="+name)...)
	// Nothing says when it waits: until then the kernel keeps a signal from the first process of a namespace.
	for deadline := time.Now().Add(20 * time.Second); podman("inspect", "-f", "{{.State.Running}}", name) == "true"; {
		if time.Now().After(deadline) {
			n.t.Fatal("it does not end on SIGTERM")
		}
		_ = n.podman("kill", "--signal=TERM", name).Run() // an error when it has ended meanwhile
	}
	if code := podman("inspect", "-f", "{{.State.ExitCode}}", name); code != "0" {
		n.t.Errorf("told to end, it ends with status %s\n%s", code, podman("logs", name))
	}
}
