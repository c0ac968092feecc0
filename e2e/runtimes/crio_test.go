// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package runtimes

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/containernetworking/cni/libcni"

	"github.com/cni-chain/cni-chain/e2e/harness"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// TestCRIO calls libcni as CRI-O does by ocicni: a CHECK right after every ADD, STATUS before each, aliases as a map,
// arguments of Kubernetes, never the dns capability, and a GC whose list of valid attachments is null when no sandbox
// is there. CRI-O itself is not in Debian 12.
func TestCRIO(t *testing.T) {
	each(t, "a caller as CRI-O", nil, func(t *testing.T, r *row, m *machine) {
		m.net = latest(t, r.conflist)
		ns := testnet.NamedNS(t, "4f0c9a6e-crio")
		m.look(t)
		a := crioAttachment(m.net, ns, "sandbox1")
		t.Cleanup(func() { _ = a.Del() })
		r.try(attach, func(t *testing.T) {
			must(t, "STATUS", m.net.Status())
			must(t, "ADD", a.Add())
			must(t, "CHECK", a.Check())
			harness.Serve(r.t, ns)
			for _, addr := range a.Addresses() {
				m.Host.MustAsk(t, "tcp", netip.AddrPortFrom(addr.Addr(), harness.Service).String())
			}
		})
		r.try(port, func(t *testing.T) { m.asksPort(t, ns) })
		r.try(dns, func(t *testing.T) { must(t, "resolv.conf", a.CheckDNS()) })
		r.try(restart, func(t *testing.T) { m.crioRestarts(t, a, ns) })
		r.try(cleanup, func(t *testing.T) {
			must(t, "DEL", a.Del())
			must(t, "a second DEL", a.Del())
			must(t, "GC of null", m.nullGC())
			m.clean(t)
		})
	})
}

// latest is the example in the version that has GC and STATUS, where all its plugins speak it.
func latest(t *testing.T, example string) *harness.Network {
	t.Helper()
	data, err := os.ReadFile(harness.Example(example))
	must(t, "read "+example, err)
	var conflist map[string]any
	must(t, "decode "+example, json.Unmarshal(data, &conflist))
	conflist["cniVersion"] = "1.1.0"
	data, err = json.Marshal(conflist)
	must(t, "encode "+example, err)
	return harness.Parse(t, string(data))
}

// crioAttachment has what ocicni passes.
func crioAttachment(n *harness.Network, ns *testnet.NS, id string) *harness.Attachment {
	a := n.Attach(ns, id).With("portMappings", harness.PublishedPorts)
	a.With("aliases", map[string][]string{n.List.Name: {"web"}})
	a.With("cgroupPath", "/kubepods.slice/pod1")
	a.With("io.kubernetes.cri.pod-annotations", map[string]string{"who": "e2e"})
	a.With("bandwidth", map[string]int{})
	a.Runtime.Args = [][2]string{
		{"IgnoreUnknown", "1"}, {"K8S_POD_NAMESPACE", "default"}, {"K8S_POD_NAME", "web"},
		{"K8S_POD_INFRA_CONTAINER_ID", id}, {"K8S_POD_UID", "0b2a1c9e"},
	}
	return a
}

// crioRestarts: CRI-O has been killed and comes back. A GC with the sandboxes it still has keeps them, and takes those
// that nobody stopped: one with a cached result, and one whose cache was lost with the crash.
func (m *machine) crioRestarts(t *testing.T, a *harness.Attachment, ns *testnet.NS) {
	t.Helper()
	for _, id := range []string{"forgotten", "lost"} {
		gone := testnet.NamedNS(t, id)
		dead := m.net.Attach(gone, id)
		must(t, "ADD "+id, dead.Add())
		must(t, "CHECK "+id, dead.Check())
		must(t, "delete the namespace of "+id, gone.Close())
		if id == "lost" {
			file := fmt.Sprintf("%s-%s-eth0", m.net.List.Name, id)
			must(t, "lose the cache", os.Remove(filepath.Join(m.net.Cache, "results", file)))
		}
	}
	must(t, "GC", m.net.GC(a))
	must(t, "STATUS", m.net.Status())
	must(t, "CHECK", a.Check())
	m.asksPort(t, ns)
}

// nullGC is GC as libcni sends it for a nil list: "cni.dev/valid-attachments": null.
func (m *machine) nullGC() error {
	return m.net.CNI.GCNetworkList(context.Background(), m.net.List, &libcni.GCArgs{})
}
