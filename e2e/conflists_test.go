// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cni-chain/cni-chain/e2e/harness"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// TestConflists attaches two containers by every example conflist, as a runtime does, sends traffic every way that
// the conflist offers, and takes all away again. What is expected is read from the conflist: a new one is tested
// without a line here.
func TestConflists(t *testing.T) {
	for _, file := range harness.Conflists(t) {
		name := strings.TrimSuffix(filepath.Base(file), ".conflist")
		t.Run(name, func(t *testing.T) {
			testnet.Need(t)
			harness.EachBridgeNetfilter(t, func(t *testing.T) { runChain(t, harness.Load(t, file)) })
		})
	}
}

func runChain(t *testing.T, n *harness.Network) {
	w := harness.NewWorld(t, n)
	a := n.Attach(testnet.NewNS(t), "container-a").With("portMappings", harness.PublishedPorts)
	b := process(t, n, "container-b")
	harness.Serve(t, w.Host, w.Outside.NS, a.NS, b.NS)
	if w.LAN != nil {
		harness.Serve(t, w.LAN)
	}
	pristine := testnet.Take(t, a.NS)
	second := b
	t.Cleanup(func() { _, _ = a.Del(), second.Del() }) // for what a failure left

	must(t, "validate", n.Validate())
	must(t, "STATUS", n.Status())
	must(t, "ADD a", a.Add())
	w.Route(t, a)
	must(t, "CHECK a", a.Check())
	harness.CheckContract(t, a)
	if single := n.Value("addresses") != nil; single {
		b = nil // the address is taken
	} else {
		asked := askedFor(t, a, b)
		must(t, "ADD b", b.Add())
		must(t, "CHECK b", b.Check())
		harness.CheckContract(t, b)
		asked(t)
		harness.Try(t, harness.Neighbours(a, b))
	}
	harness.Try(t, w.Around(a))
	if n.Capable("portMappings") {
		harness.Try(t, w.Mapped(a, b))
	}
	checkDNS(t, a, b)
	undisturbed(t, n, a, b)
	takeAway(t, w, a, b, pristine)
}

// process attaches a container as runtimes make them: a process with a root of its own, its namespace without a name.
func process(t *testing.T, n *harness.Network, id string) *harness.Attachment {
	t.Helper()
	root := t.TempDir()
	must(t, "make the container's /etc", os.Mkdir(filepath.Join(root, "etc"), 0o755))
	a := n.Attach(testnet.NewContainer(t, root).NS, id)
	a.Root = root
	return a
}

func must(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// askedFor has the runtime ask for a MAC, an address and name servers, where the conflist lets it, and returns the
// check that b has got them.
func askedFor(t *testing.T, a, b *harness.Attachment) func(*testing.T) {
	t.Helper()
	const mac = "02:42:0a:58:00:4d"
	b.With("mac", mac).With("dns", harness.RuntimeDNS{Servers: []string{"198.51.100.7"}, Options: []string{"rotate"}})
	var wanted []string
	for _, addr := range a.Addresses() {
		ip := addr.Addr().AsSlice()
		ip[len(ip)-1] = 0xd2 // 210: in every range of the conflists
		wanted = append(wanted, harness.WithBits(ip, addr.Bits()))
	}
	b.With("ips", wanted)
	return func(t *testing.T) {
		t.Helper()
		if got := harness.MAC(t, b); b.Net.Capable("mac") && got != mac {
			t.Errorf("b has the MAC %s, the runtime asked for %s", got, mac)
		}
		for i, addr := range b.Addresses() {
			if b.Net.Capable("ips") && addr.String() != wanted[i] {
				t.Errorf("b has the address %s, the runtime asked for %s", addr, wanted[i])
			}
		}
	}
}

func checkDNS(t *testing.T, attachments ...*harness.Attachment) {
	t.Helper()
	for _, a := range attachments {
		if a == nil || !a.Net.Has("resolv-conf") {
			continue
		}
		if err := a.CheckDNS(); err != nil {
			t.Errorf("name servers of %s: %v", a.Runtime.ContainerID, err)
		}
	}
}

// undisturbed: what a runtime does to a network in use must not change it.
func undisturbed(t *testing.T, n *harness.Network, a, b *harness.Attachment) {
	t.Helper()
	used := testnet.Take(t, a.NS)
	valid := []*harness.Attachment{a}
	if b != nil {
		valid = append(valid, b)
	}
	must(t, "GC with all valid", n.GC(valid...))
	if diff := testnet.Diff(used, testnet.Take(t, a.NS)); diff != "" {
		t.Errorf("GC of a network in use changed it:\n%s", diff)
	}
	if !n.OursOnly() {
		return
	}
	again := *a
	if err := again.Add(); err == nil {
		t.Error("a second ADD of the same attachment succeeded")
	}
	if diff := testnet.Diff(used, testnet.Take(t, a.NS)); diff != "" {
		t.Errorf("a second ADD of the same attachment changed the machine:\n%s", diff)
	}
}

// takeAway deletes both attachments and compares the machine with what it was.
func takeAway(t *testing.T, w *harness.World, a, b *harness.Attachment, pristine *testnet.Snapshot) {
	t.Helper()
	n := a.Net
	if b != nil {
		if n.OursOnly() {
			must(t, "end container b", b.NS.Close()) // the runtime's DEL often comes after the namespace
		}
		must(t, "DEL b", b.Del())
		must(t, "DEL b again", b.Del())
		must(t, "CHECK a without b", a.Check())
		harness.Try(t, prefixed("without b: ", w.Around(a)))
		if n.Capable("portMappings") {
			harness.Try(t, prefixed("without b: ", w.Mapped(a, nil)))
		}
	}
	must(t, "DEL a", a.Del())
	must(t, "DEL a again", a.Del())
	must(t, "GC", n.GC())
	after := testnet.Take(t, a.NS)
	if left := harness.Left(n, testnet.Diff(pristine, after)); left != "" {
		t.Errorf("the machine is not what it was:\n%s", left)
	}
	must(t, "ADD a once more", a.Add())
	must(t, "DEL a once more", a.Del())
	if more := harness.Left(n, testnet.Diff(after, testnet.Take(t, a.NS))); more != "" {
		t.Errorf("a second round leaves more than the first:\n%s", more)
	}
	forgotten(t, a, after)
}

// forgotten: a container vanished, and with it what the runtime knew of it. GC finds what it left (CNI 1.1.0).
func forgotten(t *testing.T, a *harness.Attachment, after *testnet.Snapshot) {
	t.Helper()
	if !a.Net.OursOnly() || !a.Net.AtLeast("1.1.0") {
		return
	}
	gone := process(t, a.Net, "container-gone").With("portMappings", harness.PublishedPorts)
	must(t, "ADD of a container that will vanish", gone.Add())
	must(t, "end it", gone.NS.Close())
	must(t, "lose the runtime's cache", os.RemoveAll(a.Net.Cache))
	must(t, "GC", a.Net.GC())
	if left := harness.Left(a.Net, testnet.Diff(after, testnet.Take(t, a.NS))); left != "" {
		t.Errorf("GC left something of a container that vanished:\n%s", left)
	}
}

func prefixed(prefix string, flows []harness.Flow) []harness.Flow {
	for i := range flows {
		flows[i].Name = prefix + flows[i].Name
	}
	return flows
}
