// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/cni-chain/cni-chain/e2e/faults/inject"
	"github.com/cni-chain/cni-chain/e2e/faults/ledger"
	"github.com/cni-chain/cni-chain/e2e/harness"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// patience is how long a plugin may take before it counts as hanging. Under the injector it takes up to 0.2 seconds.
const patience = 20 * time.Second

// chain is a conflist with all capabilities in use, called link by link as libcni does.
type chain struct {
	name    string
	suite   string
	net     *harness.Network
	runtime map[string]any
	dirs    []string
	builtin sync.Once
}

func load(t *testing.T, name string) *chain {
	t.Helper()
	return chainOf(name, ledger.Ours, harness.Load(t, harness.Example(name)))
}

func chainOf(name, suite string, n *harness.Network) *chain {
	return &chain{name: name, suite: suite, net: n, dirs: harness.PluginDirs(), runtime: map[string]any{
		"portMappings": harness.PublishedPorts,
		"dns":          map[string]any{"servers": []string{"192.0.2.53"}},
	}}
}

// The chains besides dual-stack.conflist: the links with their other backends and features, ip-pool as the IPAM plugin
// that it is under others' plugins, and the reference plugins for what dual-stack.conflist does.
const (
	// filesDir is where resolv-conf writes a file for each container.
	filesDir = "/run/faults"

	others = `{"cniVersion": "1.1.0", "name": "others", "plugins": [
		{"type": "veth-bridge", "bridge": "cni-others", "macspoofchk": true, "portIsolation": true, "removeBridge": true},
		{"type": "ip-config", "addresses": [{"address": "10.92.0.2/24", "gateway": "10.92.0.1"}], "isDefaultGateway": true,
		 "ipMasq": true, "ipMasqBackend": "iptables"},
		{"type": "resolv-conf", "writeTo": ["netns", "` + filesDir + `/{containerID}.conf"], "dns": {"nameservers": ["10.92.0.1"]}},
		{"type": "port-map", "backend": "iptables", "capabilities": {"portMappings": true}}]}`
	poolAlone = `{"cniVersion": "1.1.0", "name": "pool-alone", "plugins": [
		{"type": "ip-pool", "ipam": {"type": "ip-pool", "ranges": [[{"subnet": "10.93.0.0/24"}], [{"subnet": "fd00:93::/64"}]]}}]}`
	upstreams = `{"cniVersion": "1.1.0", "name": "upstreams", "plugins": [
		{"type": "bridge", "bridge": "cni0", "hairpinMode": true, "isDefaultGateway": true, "ipMasq": true,
		 "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.91.0.0/24"}], [{"subnet": "fd00:91::/64"}]]}},
		{"type": "portmap", "capabilities": {"portMappings": true}}]}`
)

// chains are those whose system calls fail. The reference plugins are for the comparison, and take the longest.
func chains(t *testing.T) []*chain {
	t.Helper()
	list := []*chain{
		load(t, "dual-stack"),
		chainOf("others", ledger.Ours, harness.Parse(t, others)),
		chainOf("pool-alone", ledger.Ours, harness.Parse(t, poolAlone)),
	}
	if all() {
		list = append(list, chainOf("upstreams", ledger.Upstream, harness.Parse(t, upstreams)))
	}
	return list
}

// attempt is one attachment that is being tried.
type attempt struct {
	*chain
	ns     *testnet.NS
	id     string
	result json.RawMessage // of the last link that succeeded
}

// call is one execution of a link.
type call struct {
	link    int
	command string
	// bare: DEL with nothing but the names.
	bare bool
	// valid is GC's list, as JSON; "" is that nobody is.
	valid string
	// fault is what goes wrong; nil is nothing.
	fault *inject.Fault
}

// answer is what came of a call.
type answer struct {
	stdout, stderr string
	exit           int
	hang           bool
	inject.Report  // if there was a fault to inject
}

func (a *attempt) run(c call) answer {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, a.path(a.plugin(c.link)))
	cmd.WaitDelay = time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(a.stdin(c)), &stdout, &stderr
	cmd.Env = []string{
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "CNI_PATH=" + strings.Join(a.dirs, ":"), "CNI_COMMAND=" + c.command,
		"CNI_CONTAINERID=" + a.id, "CNI_IFNAME=eth0", "CNI_CHAIN_FAULT=" + os.Getenv("CNI_CHAIN_FAULT"),
	}
	if !c.bare {
		cmd.Env = append(cmd.Env, "CNI_NETNS="+a.ns.Path)
	}
	if c.fault != nil {
		must(c.fault.Under(injector(), cmd))
	}
	_ = cmd.Run()
	got := answer{stdout: stdout.String(), stderr: stderr.String(), hang: ctx.Err() != nil}
	got.exit = cmd.ProcessState.ExitCode()
	if c.fault != nil {
		var err error
		got.Report, err = c.fault.Read()
		must(err)
	}
	if c.command == "ADD" && got.exit == 0 && !got.Killed {
		a.result = json.RawMessage(got.stdout)
	}
	return got
}

// plugin is the name of a link's program.
func (c *chain) plugin(link int) string { return fmt.Sprint(c.net.Objects()[link]["type"]) }

func (a *attempt) path(plugin string) string {
	for _, dir := range a.dirs {
		if path := filepath.Join(dir, plugin); isThere(path) {
			return path
		}
	}
	return plugin
}

func isThere(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// stdin is the link's object of the conflist with what libcni adds.
func (a *attempt) stdin(c call) []byte {
	conf := maps.Clone(a.net.Objects()[c.link])
	conf["cniVersion"], conf["name"] = "1.1.0", a.net.List.Name
	declared, _ := conf["capabilities"].(map[string]any)
	runtime := map[string]any{}
	for name, value := range a.runtime {
		if declared[name] == true {
			runtime[name] = value
		}
	}
	if !c.bare && len(runtime) > 0 && c.command != "GC" {
		conf["runtimeConfig"] = runtime
	}
	if !c.bare && a.result != nil && c.command != "GC" {
		conf["prevResult"] = a.result
	}
	if c.command == "GC" {
		conf["cni.dev/valid-attachments"] = json.RawMessage(cmp.Or(c.valid, "[]"))
	}
	data, err := json.Marshal(conf)
	must(err)
	return data
}

// must is for what goes wrong with the machinery alone.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// links is how many there are.
func (c *chain) links() int { return len(c.net.Objects()) }

// undo is what a runtime does about an attachment that is no more: each link's DEL, the last one first.
func (a *attempt) undo(bare bool) error {
	var errs []error
	for i := a.links() - 1; i >= 0; i-- {
		if got := a.run(call{link: i, command: "DEL", bare: bare}); got.exit != 0 || got.hang {
			errs = append(errs, fmt.Errorf("DEL of link %d: %s%s", i, got.stdout, got.stderr))
		}
	}
	return errors.Join(errs...)
}

// collect is GC of all links with nobody valid.
func (a *attempt) collect() error {
	var errs []error
	for i := range a.links() {
		if got := a.run(call{link: i, command: "GC"}); got.exit != 0 || got.hang {
			errs = append(errs, fmt.Errorf("GC of link %d: %s%s", i, got.stdout, got.stderr))
		}
	}
	return errors.Join(errs...)
}

// begin makes a container on a host where nothing is, not even what is left on purpose, and takes a picture of it.
func begin(t *testing.T, c *chain) (*attempt, *testnet.Snapshot) {
	t.Helper()
	reset(t, c)
	ns, err := testnet.Create("victim")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ns.Close() })
	return &attempt{chain: c, ns: ns, id: "victim"}, testnet.Take(t)
}

// reset takes away what links leave on purpose: the bridge, forwarding, files. And it makes what is not theirs: the
// chains that iptables has for itself, with its first rule.
func reset(t *testing.T, c *chain) {
	t.Helper()
	for _, o := range c.net.Objects() {
		name, _ := o["bridge"].(string)
		if link, err := netlink.LinkByName(name); name != "" && err == nil {
			if err := netlink.LinkDel(link); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, sysctl := range []string{"ipv4/ip_forward", "ipv6/conf/all/forwarding"} {
		if err := os.WriteFile("/proc/sys/net/"+sysctl, []byte("0"), 0); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"/run/cni-chain", "/var/lib/cni/networks", filesDir} {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filesDir, 0o700); err != nil {
		t.Fatal(err)
	}
	if c.iptables() {
		c.builtin.Do(func() { makeBuiltin(t) })
	}
}

// iptables says whether some link works by way of it.
func (c *chain) iptables() bool {
	return c.net.Value("ipMasqBackend") == "iptables" || c.net.Value("backend") == "iptables"
}

// makeBuiltin makes the chains of iptables.
func makeBuiltin(t *testing.T) {
	t.Helper()
	rules := ""
	for table, chains := range map[string][]string{"nat": {"PREROUTING", "OUTPUT", "POSTROUTING"}, "raw": {"PREROUTING"}} {
		rules += "*" + table + "\n"
		for _, do := range []string{"-A", "-D"} {
			for _, chain := range chains {
				rules += do + " " + chain + " -j RETURN\n"
			}
		}
		rules += "COMMIT\n"
	}
	for _, restore := range []string{"iptables-restore", "ip6tables-restore"} {
		cmd := exec.Command(restore, "--noflush")
		cmd.Stdin = strings.NewReader(rules)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", restore, err, out)
		}
	}
}

// left is the part of the difference to the picture that has no business there. The namespace itself may be gone: that
// is how some attempts end.
func (c *chain) left(t *testing.T, before *testnet.Snapshot) string {
	t.Helper()
	left := harness.Left(c.net, testnet.Diff(before, testnet.Take(t)))
	return strings.TrimSpace(strings.ReplaceAll(left, "- namespace victim", ""))
}
