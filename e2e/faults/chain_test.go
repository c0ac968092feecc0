// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/cni-chain/cni-chain/e2e/harness"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// patience is how long a plugin may take before it counts as hanging; strace makes it twenty times slower.
const patience = 20 * time.Second

// chain is a conflist with all capabilities in use, called link by link as libcni does.
type chain struct {
	net     *harness.Network
	runtime map[string]any
	dirs    []string
	// theirs: the reference plugins, whose faults are counted and fail no test.
	theirs bool
}

func load(t *testing.T, name string) *chain {
	t.Helper()
	return chainOf(harness.Load(t, harness.Example(name)))
}

func chainOf(n *harness.Network) *chain {
	return &chain{net: n, dirs: harness.PluginDirs(), runtime: map[string]any{
		"portMappings": []harness.Port{{HostPort: 8080, ContainerPort: 80, Protocol: "tcp"}, {HostPort: 8080, ContainerPort: 80, Protocol: "udp"}},
		"dns":          map[string]any{"servers": []string{"192.0.2.53"}},
	}}
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
	// valid is GC's list, as JSON.
	valid string
	// wrap starts the plugin by way of another program.
	wrap []string
}

// answer is what came of a call.
type answer struct {
	stdout, stderr string
	exit           int
	hang, killed   bool
}

func (a *attempt) run(c call) answer {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	plugin := fmt.Sprint(a.net.Objects()[c.link]["type"])
	args := append(append([]string{}, c.wrap...), a.path(plugin))
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.WaitDelay = time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(a.stdin(c)), &stdout, &stderr
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "CNI_PATH=" + strings.Join(a.dirs, ":"), "CNI_COMMAND=" + c.command,
		"CNI_CONTAINERID=" + a.id, "CNI_IFNAME=eth0", "CNI_CHAIN_FAULT=" + os.Getenv("CNI_CHAIN_FAULT")}
	if !c.bare {
		cmd.Env = append(cmd.Env, "CNI_NETNS="+a.ns.Path)
	}
	_ = cmd.Run()
	got := answer{stdout: stdout.String(), stderr: stderr.String(), hang: ctx.Err() != nil}
	got.exit = cmd.ProcessState.ExitCode()
	got.killed = got.exit == -1 || strings.Contains(got.stderr, "+++ killed by SIGKILL +++")
	if c.command == "ADD" && got.exit == 0 && !got.killed {
		a.result = json.RawMessage(got.stdout)
	}
	return got
}

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
		conf["cni.dev/valid-attachments"] = json.RawMessage(c.valid)
	}
	data, err := json.Marshal(conf)
	if err != nil {
		panic(err)
	}
	return data
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
		if got := a.run(call{link: i, command: "GC", valid: "[]"}); got.exit != 0 || got.hang {
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

// reset takes away what links leave on purpose: the bridge, forwarding, files.
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
	for _, dir := range []string{"/run/cni-chain", "/var/lib/cni/networks"} {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
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
