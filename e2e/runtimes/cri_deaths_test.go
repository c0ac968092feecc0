// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package runtimes

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// restarts kills containerd, and starts it again while the pod goes on.
func (k *kubelet) restarts(t *testing.T, m *machine, web *pod) {
	k.stop(unix.SIGKILL)
	m.published(t)
	k.containerd.start(t)
	eventually(t, "the node is ready", func() error { return k.ready(soon(t)) })
	m.published(t)
	status, _ := k.sandbox(t, web)
	if status.State != cri.PodSandboxState_SANDBOX_READY || status.Network.Ip != web.address {
		t.Errorf("after the restart, the sandbox is %v", status)
	}
}

// replaces kills the sandbox: the kubelet runs the next attempt.
func (k *kubelet) replaces(t *testing.T, r *row, m *machine, web *pod) *pod {
	_, info := k.sandbox(t, web)
	must(t, "kill the sandbox", unix.Kill(info.Pid, unix.SIGKILL))
	eventually(t, "containerd notices", func() error { return k.notReady(t, web) })
	return k.follows(t, r, m, web)
}

// powerCut takes containerd, the shim, the pod's processes, and what containerd keeps in memory.
func (k *kubelet) powerCut(t *testing.T, web *pod) {
	t.Helper()
	_, info := k.sandbox(t, web)
	k.stop(unix.SIGKILL)
	shim := parent(t, info.Pid)
	for _, pid := range append(children(t, shim), shim) {
		must(t, "kill", kill(pid))
	}
	eventually(t, "lose its state", func() error {
		mounts, err := filepath.Glob(filepath.Join(k.dir, "state/io.containerd.*/*/*/rootfs"))
		sandboxes, _ := filepath.Glob(filepath.Join(k.dir, "state/io.containerd.*/sandboxes/*/shm"))
		for _, dir := range append(mounts, sandboxes...) {
			_ = unix.Unmount(dir, unix.MNT_DETACH)
		}
		return errors.Join(err, os.RemoveAll(filepath.Join(k.dir, "state")))
	})
}

// kill ends a process that may have ended with another one meanwhile.
func kill(pid int) error {
	if err := unix.Kill(pid, unix.SIGKILL); !errors.Is(err, unix.ESRCH) {
		return err
	}
	return nil
}

// follows is the next attempt after a sandbox that is dead, with the same host port: the kubelet stops the dead one
// before, and removes it later.
func (k *kubelet) follows(t *testing.T, r *row, m *machine, dead *pod) *pod {
	t.Helper()
	must(t, "the sandbox is dead", k.notReady(t, dead))
	_, err := k.StopPodSandbox(soon(t), &cri.StopPodSandboxRequest{PodSandboxId: dead.sandbox})
	must(t, "StopPodSandbox", err)
	next := k.start(r.t, podConfig(t, dead.config.Metadata.Attempt+1))
	m.published(t)
	k.end(t, dead)
	m.published(t)
	return next
}

// notReady is an error while the sandbox is ready.
func (k *kubelet) notReady(t *testing.T, p *pod) error {
	if status, _ := k.sandbox(t, p); status.State == cri.PodSandboxState_SANDBOX_READY {
		return fmt.Errorf("it is %v", status.State)
	}
	return nil
}

// hangs stands in for port-map: the first ADD maps the ports, tells its process, and never ends.
const hangs = `#!/bin/sh
real=${0%/*}/real-port-map
if [ "$CNI_COMMAND" = ADD ] && mkdir /run/hangs 2>/dev/null; then
	$real >/dev/null
	echo $$ >/run/hangs/draft
	mv /run/hangs/draft /run/hangs/pid
	exec sleep 600
fi
exec $real
`

// diesMidway kills containerd in the middle of an ADD, which has mapped the ports, and starts it again. It returns what
// containerd remembers of the sandbox.
func (k *kubelet) diesMidway(t *testing.T, attempt uint32) *pod {
	t.Helper()
	link := filepath.Join(binDir, "port-map")
	must(t, "move port-map", os.Rename(link, filepath.Join(binDir, "real-port-map")))
	must(t, "take its place", os.WriteFile(link, []byte(hangs), 0o755))
	t.Cleanup(func() { _ = os.RemoveAll("/run/hangs") })
	config, ended := podConfig(t, attempt), make(chan error)
	ctx := soon(t)
	go func() {
		_, err := k.RunPodSandbox(ctx, &cri.RunPodSandboxRequest{Config: config})
		ended <- err
	}()
	var pid int
	eventually(t, "the ADD hangs", func() error {
		text, err := os.ReadFile("/run/hangs/pid")
		if err != nil {
			return err
		}
		pid, err = strconv.Atoi(strings.TrimSpace(string(text)))
		return err
	})
	k.stop(unix.SIGKILL)
	must(t, "kill the link", unix.Kill(pid, unix.SIGKILL))
	if err := <-ended; err == nil {
		t.Error("RunPodSandbox succeeds, though containerd is dead")
	}
	k.containerd.start(t)
	eventually(t, "the node is ready", func() error { return k.ready(soon(t)) })
	sandboxes, err := k.ListPodSandbox(soon(t), &cri.ListPodSandboxRequest{})
	must(t, "ListPodSandbox", err)
	if len(sandboxes.Items) != 1 {
		t.Fatalf("containerd remembers %v, want one sandbox", sandboxes.Items)
	}
	return &pod{config: config, sandbox: sandboxes.Items[0].Id}
}
