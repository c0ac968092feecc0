// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package runtimes

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

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
