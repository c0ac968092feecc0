// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package runtimes

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/cni-chain/cni-chain/e2e/harness"
)

// kubelet is the client of a containerd's CRI.
type kubelet struct {
	*containerd
	cri.RuntimeServiceClient
}

// newKubelet starts containerd, gives it the image, and calls it.
func newKubelet(t *testing.T) *kubelet {
	t.Helper()
	c := startContainerd(t)
	archive := filepath.Join(t.TempDir(), "image.tar")
	writeImage(t, archive)
	run(t, c.ctr("--namespace", "k8s.io", "images", "import", "--snapshotter", "native", archive))
	conn, err := grpc.NewClient("unix://"+filepath.Join(c.dir, "socket"),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	must(t, "call containerd", err)
	t.Cleanup(func() { _ = conn.Close() })
	return &kubelet{c, cri.NewRuntimeServiceClient(conn)}
}

// soon is how long the kubelet may wait here.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// ready is what the kubelet asks every five seconds, and if it is not so, the node is NotReady.
func (k *kubelet) ready(ctx context.Context) error {
	answer, err := k.Status(ctx, &cri.StatusRequest{})
	if err != nil {
		return err
	}
	for _, condition := range answer.Status.Conditions {
		if !condition.Status {
			return fmt.Errorf("%s is false: %s: %s", condition.Type, condition.Reason, condition.Message)
		}
	}
	return nil
}

// polled asks while the test goes on, and fails it when the network is not ready; stop ends that.
func (k *kubelet) polled(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		for tick := time.Tick(100 * time.Millisecond); ; <-tick {
			if err := k.ready(ctx); err != nil || ctx.Err() != nil {
				ended <- err
				return
			}
		}
	}()
	return func() {
		stopped := ctx.Err() != nil
		cancel()
		if stopped {
			return
		}
		if err := <-ended; err != nil && !strings.Contains(err.Error(), "context canceled") {
			t.Errorf("a STATUS in between: %v", err)
		}
	}
}

// pod is a sandbox with a web server in it.
type pod struct {
	config           *cri.PodSandboxConfig
	sandbox, address string
}

// podConfig is what the kubelet says of a pod: the block of docs/runtimes.md.
func podConfig(t *testing.T, attempt uint32) *cri.PodSandboxConfig {
	t.Helper()
	var config cri.PodSandboxConfig
	must(t, "decode pod.json", json.Unmarshal([]byte(block(t, "pod.json")), &config))
	config.Metadata.Attempt, config.Linux.CgroupParent = attempt, cgroup()
	return &config
}

// start runs the pod as the kubelet does: the sandbox, then the container in it.
func (k *kubelet) start(t *testing.T, config *cri.PodSandboxConfig) *pod {
	t.Helper()
	p := &pod{config: config}
	sandbox, err := k.RunPodSandbox(soon(t), &cri.RunPodSandboxRequest{Config: config})
	must(t, "RunPodSandbox", err)
	p.sandbox = sandbox.PodSandboxId
	var web cri.ContainerConfig
	must(t, "decode container.json", json.Unmarshal([]byte(block(t, "container.json")), &web))
	web.Metadata.Attempt, web.Image.Image = config.Metadata.Attempt, image
	created, err := k.CreateContainer(soon(t), &cri.CreateContainerRequest{
		PodSandboxId: p.sandbox, Config: &web, SandboxConfig: config,
	})
	must(t, "CreateContainer", err)
	_, err = k.StartContainer(soon(t), &cri.StartContainerRequest{ContainerId: created.ContainerId})
	must(t, "StartContainer", err)
	status, _ := k.sandbox(t, p)
	p.address = status.Network.GetIp()
	return p
}

// sandboxInfo is the part of containerd's verbose answer that the test needs.
type sandboxInfo struct {
	Pid         int
	RuntimeSpec struct {
		Linux struct{ Namespaces []struct{ Type, Path string } }
	}
}

// netns is the name of the pod's network namespace.
func (i sandboxInfo) netns() string {
	for _, ns := range i.RuntimeSpec.Linux.Namespaces {
		if ns.Type == "network" {
			return filepath.Base(ns.Path)
		}
	}
	return ""
}

func (k *kubelet) sandbox(t *testing.T, p *pod) (status *cri.PodSandboxStatus, info sandboxInfo) {
	t.Helper()
	answer, err := k.PodSandboxStatus(soon(t), &cri.PodSandboxStatusRequest{PodSandboxId: p.sandbox, Verbose: true})
	must(t, "PodSandboxStatus", err)
	must(t, "decode its info", json.Unmarshal([]byte(answer.Info["info"]), &info))
	return answer.Status, info
}

// end stops and removes the pod, each twice, as the kubelet may.
func (k *kubelet) end(t *testing.T, p *pod) {
	t.Helper()
	for range 2 {
		_, err := k.StopPodSandbox(soon(t), &cri.StopPodSandboxRequest{PodSandboxId: p.sandbox})
		must(t, "StopPodSandbox", err)
	}
	for range 2 {
		_, err := k.RemovePodSandbox(soon(t), &cri.RemovePodSandboxRequest{PodSandboxId: p.sandbox})
		must(t, "RemovePodSandbox", err)
	}
}

// TestCRI is a kubelet's day with containerd: pods come and go while it asks for the status, containerd is killed and
// comes back, and a sandbox dies.
func TestCRI(t *testing.T) {
	each(t, "containerd, CRI", containerdPrograms, func(t *testing.T, r *row, m *machine) {
		m.limit(t)
		k := newKubelet(t)
		defer k.logged(t)
		m.mayGoDown(t)
		m.look(t)
		must(t, "the node is ready", k.ready(soon(t)))
		stop := k.polled(t)
		defer func() { stop() }()
		var web *pod
		r.try(attach, func(t *testing.T) {
			web = k.start(r.t, podConfig(t, 0))
			fetch(t, m.Host, web.address, harness.Service)
			m.limited(t, r, web)
		})
		r.try(port, m.published)
		r.try(dns, func(t *testing.T) { k.resolves(t, r, m, web) })
		r.try(restart, func(t *testing.T) {
			stop()
			k.restarts(t, m, web)
			stop = k.polled(r.t)
			web = k.replaces(t, r, m, web)
			stop()
			k.powerCut(t, web)
			m.powerCut(t)
			k.containerd.start(t)
			eventually(t, "the node is ready", func() error { return k.ready(soon(t)) })
			web = k.follows(t, r, m, web)
			k.end(t, web)
			web = k.follows(t, r, m, k.diesMidway(t, web.config.Metadata.Attempt+1))
			stop = k.polled(r.t)
		})
		r.try(cleanup, func(t *testing.T) {
			k.end(t, web)
			m.closed(t)
			m.clean(t)
			must(t, "the node is ready", k.ready(soon(t)))
		})
	})
}

// resolves looks at the file of the container, which containerd writes, and at that of ip netns exec, which is ours.
func (k *kubelet) resolves(t *testing.T, r *row, m *machine, p *pod) {
	want := "search default.svc.example\nnameserver 198.51.100.7\noptions ndots:5\n"
	if page := fetch(t, m.Host, p.address, harness.Service); page != want {
		t.Errorf("the container's /etc/resolv.conf is %q, want %q", page, want)
	}
	r.remark(dns, "containerd writes the container's file, from the pod's dnsConfig; the link's is for `ip netns exec`")
	_, info := k.sandbox(t, p)
	data, err := os.ReadFile(filepath.Join("/etc/netns", info.netns(), "resolv.conf"))
	must(t, "read the link's", err)
	server := "198.51.100.7"
	if !m.net.Capable("dns") {
		server = m.servers()[0]
	}
	if !strings.Contains(string(data), "nameserver "+server+"\n") {
		t.Errorf("the link's file is %q, want the name server %s in it", data, server)
	}
}

// limit puts the block of docs/runtimes.md in place of the chain's bandwidth: with fixed rates there, the reference
// plugin does not look at those of the pod.
func (m *machine) limit(t *testing.T) {
	t.Helper()
	if !m.net.Has("bandwidth") {
		return
	}
	var conflist map[string]any
	must(t, "decode the conflist", json.Unmarshal(m.net.List.Bytes, &conflist))
	plugins, _ := conflist["plugins"].([]any)
	plugins[len(plugins)-1] = json.RawMessage(block(t, "bandwidth"))
	data, err := json.Marshal(conflist)
	must(t, "encode the conflist", err)
	files, err := os.ReadDir(confDir)
	must(t, "list conflists", err)
	must(t, "write it", os.WriteFile(filepath.Join(confDir, files[0].Name()), data, 0o600))
	m.net = harness.Parse(t, string(data))
}

// limited looks for the pod's rates, as tc prints them.
func (m *machine) limited(t *testing.T, r *row, p *pod) {
	t.Helper()
	if !m.net.Has("bandwidth") {
		r.remark(attach, "nothing in this chain looks at the bandwidth annotations")
		return
	}
	shaped := run(t, exec.Command("tc", "qdisc"))
	for _, rate := range []string{"rate 8Mbit", "rate 4Mbit"} {
		if !strings.Contains(shaped, rate) {
			t.Errorf("the pod's traffic is not limited to %s:\n%s", rate, shaped)
		}
	}
}
