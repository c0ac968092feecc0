// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	current "github.com/containernetworking/cni/pkg/types/100"
	"github.com/vishvananda/netlink"

	"github.com/cni-chain/cni-chain/chain/chaintest"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// TestMain is also the IPAM plugins of the tests, when it is linked into a CNI_PATH under one of their names.
func TestMain(m *testing.M) {
	if fake, ok := fakes[filepath.Base(os.Args[0])]; ok {
		os.Exit(fake())
	}
	testnet.Main(m)
}

// world is a host with a bridge, and a container with an interface on it, as an earlier link leaves them.
type world struct {
	t       *testing.T
	ns      *testnet.NS
	bridge  string
	id      string
	cniPath string // CNI_PATH
}

const bridgeMAC, containerMAC = "02:00:00:00:00:01", "02:00:00:00:00:05"

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, ns: testnet.NewNS(t), bridge: "cni0", id: "c1"}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = w.bridge
	attrs.HardwareAddr = mac(t, bridgeMAC)
	bridge := &netlink.Bridge{LinkAttrs: attrs}
	must(t, netlink.LinkAdd(bridge))
	t.Cleanup(func() { _ = netlink.LinkDel(bridge) })
	must(t, netlink.LinkSetUp(bridge))
	w.connect("veth0", "eth0", containerMAC)
	// The tables that iptables makes when it is first used are there from the start.
	for _, command := range []string{"iptables", "ip6tables"} {
		w.host(command, "-t", "nat", "-A", "POSTROUTING", "-j", "ACCEPT")
		w.host(command, "-t", "nat", "-D", "POSTROUTING", "-j", "ACCEPT")
	}
	t.Cleanup(func() {
		w.host("nft", "flush", "ruleset")
		must(t, os.RemoveAll("/run/cni-chain/pool"))
		for _, name := range []string{"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"} {
			_ = os.WriteFile("/proc/sys/"+name, []byte("0"), 0)
		}
	})
	return w
}

// connect makes a veth pair: a port of the bridge, and an interface of the container.
func (w *world) connect(host, inside, address string) {
	w.t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = host
	attrs.HardwareAddr = mac(w.t, "02:00:00:00:00:02")
	veth := netlink.NewVeth(attrs)
	veth.PeerName, veth.PeerNamespace = inside, netlink.NsFd(w.ns.File().Fd())
	veth.PeerHardwareAddr = mac(w.t, address)
	must(w.t, netlink.LinkAdd(veth))
	w.t.Cleanup(func() { _ = netlink.LinkDel(veth) })
	bridge, err := netlink.LinkByName(w.bridge)
	must(w.t, err)
	must(w.t, netlink.LinkSetMaster(veth, bridge))
	must(w.t, netlink.LinkSetUp(veth))
}

func mac(t *testing.T, text string) (address []byte) {
	t.Helper()
	for _, part := range strings.Split(text, ":") {
		var b byte
		if _, err := fmt.Sscanf(part, "%02x", &b); err != nil {
			t.Fatal(err)
		}
		address = append(address, b)
	}
	return address
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// prev is the result of the link before.
func (w *world) prev() string {
	return fmt.Sprintf(`{"interfaces": [{"name": %q, "mac": %q}, {"name": "veth0", "mac": "02:00:00:00:00:02"},
		{"name": "eth0", "mac": %q, "sandbox": %q}]}`, w.bridge, bridgeMAC, containerMAC, w.ns.Path)
}

// call is a call of the link at 1.1.0; conf are its own keys.
func (w *world) call(verb, conf, prev string) chaintest.Call {
	if conf != "" {
		conf += ","
	}
	text := fmt.Sprintf(`{"cniVersion": "1.1.0", "name": "podnet", "type": "ip-config", %s "_": 0`, conf)
	if prev != "" {
		text += `, "prevResult": ` + prev
	}
	call := chaintest.Call{Command: verb, Config: text + "}", Env: map[string]string{"CNI_PATH": w.cniPath}}
	if verb != "GC" && verb != "STATUS" {
		call.ContainerID, call.IfName, call.NetNS = w.id, "eth0", w.ns.Path
	}
	return call
}

func (w *world) run(verb, conf, prev string) chaintest.Outcome {
	w.t.Helper()
	return chaintest.Run(w.t, plugin, w.call(verb, conf, prev))
}

// add is an ADD that must succeed; it returns the result, also as text.
func (w *world) add(conf string) (*current.Result, string) {
	w.t.Helper()
	return decodeResult(w.t, w.run("ADD", conf, w.prev()).OK(w.t))
}

func decodeResult(t *testing.T, o chaintest.Outcome) (*current.Result, string) {
	t.Helper()
	var result current.Result
	o.Result(t, &result)
	return &result, o.Stdout
}

// ip runs the ip command in the container, or with host first on the host.
func (w *world) ip(args ...string) string {
	w.t.Helper()
	return w.in(w.ns, "ip", args...)
}

func (w *world) host(name string, args ...string) string {
	w.t.Helper()
	return w.in(testnet.HostNS(w.t), name, args...)
}

func (w *world) in(ns *testnet.NS, name string, args ...string) string {
	w.t.Helper()
	cmd := exec.Command(name, args...)
	var out []byte
	err := ns.Do(func() (err error) {
		out, err = cmd.CombinedOutput()
		return err
	})
	if err != nil {
		w.t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// snapshot is the world but for the pool's position, which is to move on.
func (w *world) snapshot() *testnet.Snapshot {
	w.t.Helper()
	return testnet.Take(w.t, w.ns).Keep(func(o testnet.Object) bool {
		return o.Section != testnet.Files || !strings.HasPrefix(o.Key, "/run/cni-chain") ||
			strings.Contains(o.Key, "/pool/") && path.Base(o.Key) != "position" && path.Base(o.Key) != "podnet"
	})
}

// same fails unless nothing has changed but what stays on purpose (stays says what).
func (w *world) same(before *testnet.Snapshot, stays ...string) {
	w.t.Helper()
	var left []string
lines:
	for _, line := range strings.Split(testnet.Diff(before, w.snapshot()), "\n") {
		for _, s := range stays {
			if strings.Contains(line, s) {
				continue lines
			}
		}
		if strings.HasPrefix(line, " ") {
			left = append(left, line)
		}
	}
	if len(left) > 0 {
		w.t.Errorf("changed:\n%s", strings.Join(left, "\n"))
	}
}

// network is what stays of a network with a gateway after its last container, as lines of a difference; the container's
// interface is the one that made it.
var network = []string{"cni0", "forward", "accept_redirects", "anycast", "link eth0: flags", "keep_addr_on_down", "_notify"}

func decode[T any](t *testing.T, text string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}
