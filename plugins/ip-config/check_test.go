// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/chain/chaintest"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// TestDrift: whatever the link has made and somebody takes away, CHECK names; DEL cleans up all the same.
func TestDrift(t *testing.T) {
	const network = "cni-chain:podnet/"
	for _, backend := range backends {
		conf := strings.Replace(dualPool, `"ipMasq"`, `"ipMasqBackend": "`+backend+`", "ipMasq"`, 1)
		for name, c := range map[string]struct {
			drift func(w *world)
			words []string
		}{
			"address":          {func(w *world) { w.ip("addr", "del", "10.1.0.2/24", "dev", "eth0") }, []string{"10.1.0.2/24 is missing on eth0"}},
			"IPv6 address":     {func(w *world) { w.ip("addr", "del", "fd00:1::2/64", "dev", "eth0") }, []string{"fd00:1::2/64 is missing on eth0"}},
			"default route":    {func(w *world) { w.ip("route", "del", "default") }, []string{"default of IPv4 via 10.1.0.1 is missing"}},
			"IPv6 route":       {func(w *world) { w.ip("-6", "route", "del", "default") }, []string{"default of IPv6 via fd00:1::1 is missing"}},
			"interface down":   {func(w *world) { w.ip("link", "set", "eth0", "down") }, []string{"eth0", "is down"}},
			"interface gone":   {func(w *world) { w.host("ip", "link", "del", "veth0") }, []string{`"eth0"`, "no such device"}},
			"gateway":          {func(w *world) { w.host("ip", "addr", "del", "10.1.0.1/24", "dev", "cni0") }, []string{"gateway address 10.1.0.1/24 is missing on cni0"}},
			"forwarding":       {func(w *world) { w.host("sysctl", "-qw", "net.ipv4.ip_forward=0") }, []string{"net/ipv4/ip_forward is 0"}},
			"IPv6 forwarding":  {func(w *world) { w.host("sysctl", "-qw", "net.ipv6.conf.all.forwarding=0") }, []string{"net/ipv6/conf/all/forwarding is 0"}},
			"all rules":        {func(w *world) { w.host("nft", "flush", "ruleset") }, []string{"masquerade of 10.1.0.2 is gone"}},
			"lease":            {func(w *world) { must(w.t, os.RemoveAll("/run/cni-chain/pool/podnet")) }, []string{"holds no address"}},
			"several":          {func(w *world) { w.ip("addr", "flush", "dev", "eth0") }, []string{"10.1.0.2/24 is missing", "fd00:1::2/64 is missing", "default"}},
			"masquerade chain": {func(w *world) { w.host("nft", "flush", "chain", "inet", "cni-chain", "masq-podnet-10.1.0.0/24") }, []string{"masquerade of 10.1.0.0/24 is gone"}},
			"masquerade element": {func(w *world) {
				w.host("nft", "delete", "element", "inet", "cni-chain", "masq-podnet-10.1.0.0/24", "{ 10.1.0.2 }")
			}, []string{"masquerade of 10.1.0.2 is gone"}},
		} {
			if backend == backendIPTables && strings.HasPrefix(name, "masquerade ") {
				continue
			}
			t.Run(backend+" "+name, func(t *testing.T) {
				w := newWorld(t)
				_, text := w.add(conf)
				w.run("CHECK", conf, text).OK(t)
				c.drift(w)
				w.run("CHECK", conf, text).Fails(t, codeCheck, c.words...)
				w.run("DEL", conf, text).OK(t)
				if got := w.host("nft", "list", "ruleset"); strings.Contains(got, "cni-chain") || strings.Contains(got, network) {
					t.Errorf("left:\n%s", got)
				}
			})
		}
	}
}

// TestRoutesMayMove: CHECK passes after a link that has put the routes into a table of its own, as sbr and vrf do
// (upstream's bridge fails).
func TestRoutesMayMove(t *testing.T) {
	w := newWorld(t)
	_, text := w.add(dualPool)
	w.ip("route", "del", "default")
	w.ip("route", "add", "default", "via", "10.1.0.1", "dev", "eth0", "table", "100")
	w.ip("-6", "route", "del", "default")
	w.ip("-6", "route", "add", "default", "via", "fd00:1::1", "dev", "eth0", "table", "100")
	w.run("CHECK", dualPool, text).OK(t)
}

// TestSbr is upstream's own, if it has been built.
func TestSbr(t *testing.T) {
	w := newWorld(t)
	w.upstream("sbr")
	_, text := w.add(dualPool)
	after := w.plugin("sbr", "ADD", `{"cniVersion": "1.1.0", "name": "podnet", "type": "sbr", "prevResult": `+text+"}")
	if got := w.ip("route"); strings.Contains(got, "default") {
		t.Errorf("sbr has not moved the route:\n%s", got)
	}
	w.run("CHECK", dualPool, after).OK(t)
}

// TestUpstreamIPAM: host-local and static, through all verbs that they have.
func TestUpstreamIPAM(t *testing.T) {
	for name, ipam := range map[string]string{
		"host-local": `{"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00:1::/64"}]], "routes": [{"dst": "10.9.0.0/16"}]}`,
		"static": `{"type": "static", "addresses": [{"address": "10.1.0.2/24"}, {"address": "fd00:1::2/64"}],
			"routes": [{"dst": "10.9.0.0/16"}], "dns": {"nameservers": ["10.1.0.53"]}}`,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.upstream(name)
			before := w.snapshot()
			conf := `"isDefaultGateway": true, "ipMasq": true, "ipam": ` + ipam
			_, text := w.add(conf)
			if got := w.ip("route"); !strings.Contains(got, "10.9.0.0/16 via 10.1.0.1") || !strings.Contains(got, "default via 10.1.0.1") {
				t.Errorf("routes:\n%s", got)
			}
			w.run("CHECK", conf, text).OK(t)
			w.run("STATUS", conf, "").OK(t)
			// A live attachment keeps its lease when it is added again: host-local would have refused, and been told to DEL.
			w.run("ADD", conf, w.prev()).Fails(t, codeExists, "10.1.0.2/24")
			w.run("CHECK", conf, text).OK(t)
			// One that was killed has its lease still.
			w.ip("addr", "flush", "dev", "eth0")
			w.add(conf)
			call := w.call("DEL", conf, "")
			call.NetNS = ""
			chaintest.Run(t, plugin, call).OK(t)
			w.ip("addr", "flush", "dev", "eth0")
			w.same(before, append(network, "/var/lib/cni", "dev eth0")...)
			if left, _ := filepath.Glob("/var/lib/cni/networks/podnet/10.*"); len(left) > 0 {
				t.Errorf("leases left: %v", left)
			}
		})
	}
}

// TestExhaustedHostLocal is containernetworking/plugins#697: nothing is leased after an ADD that failed.
func TestExhaustedHostLocal(t *testing.T) {
	w := newWorld(t)
	w.upstream("host-local")
	before := w.snapshot()
	w.run("ADD", `"ipam": {"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "10.2.0.0/30", "rangeStart": "10.2.0.1", "rangeEnd": "10.2.0.1"}]]}`,
		w.prev()).Fails(t, 999, "host-local")
	w.same(before, "/var/lib/cni")
	if left, _ := filepath.Glob("/var/lib/cni/networks/podnet/10.*"); len(left) > 0 {
		t.Errorf("leases left: %v", left)
	}
}

// upstream makes the reference plugins the CNI_PATH.
func (w *world) upstream(name string) {
	w.t.Helper()
	dir, err := filepath.Abs("../../bin/upstream")
	must(w.t, err)
	if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
		testnet.Lacks(w.t, "upstream's "+name+" in bin/upstream (make upstream)")
	}
	w.cniPath = dir
}

// plugin runs a plugin of the CNI_PATH and returns what it prints.
func (w *world) plugin(name, verb, stdin string) string {
	w.t.Helper()
	cmd := exec.Command(filepath.Join(w.cniPath, name))
	cmd.Env = append(os.Environ(), "CNI_COMMAND="+verb, "CNI_CONTAINERID="+w.id, "CNI_IFNAME=eth0", "CNI_NETNS="+w.ns.Path, "CNI_PATH="+w.cniPath)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.Output() // stderr is for what it wants to say besides
	if err != nil {
		w.t.Fatalf("%s %s: %v: %s", name, verb, err, out)
	}
	return string(out)
}

// TestResultOfTheChain: whose interface it is decides, by name and namespace.
func TestResultOfTheChain(t *testing.T) {
	w := newWorld(t)
	const conf = `"addresses": [{"address": "10.1.0.5/24"}]`
	for name, prev := range map[string]string{
		"no interfaces":   `{"interfaces": []}`,
		"another name":    strings.Replace(w.prev(), `"eth0"`, `"eth1"`, 1),
		"another sandbox": strings.Replace(w.prev(), w.ns.Path, "/run/netns/other", 1),
	} {
		t.Run(name, func(t *testing.T) {
			w.run("ADD", conf, prev).Fails(t, chain.CodeConfig, "eth0", w.ns.Path)
		})
	}
	w.run("ADD", conf, "").Fails(t, chain.CodeConfig, "prevResult")
	// The container's comes first here, and a host interface of the same name is another one.
	prev := `{"interfaces": [{"name": "eth0", "sandbox": "` + w.ns.Path + `"}, {"name": "eth0"}], "ips": [{"address": "192.0.2.5/24"}]}`
	result, text := decodeResult(t, w.run("ADD", conf, prev).OK(t))
	if len(result.IPs) != 2 || *result.IPs[1].Interface != 0 || result.IPs[0].Interface != nil ||
		result.Interfaces[0].Mac != containerMAC {
		t.Errorf("result %s", text)
	}
}
