// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/chain/chaintest"
)

func ipamConf(name string) string { return `"ipam": {"type": "` + name + `", "tenant": 7}` }

// TestDelegation: each verb gets to the plugin, with the configuration as it came and the environment of the call.
func TestDelegation(t *testing.T) {
	w := newWorld(t)
	dir := w.install("fake-good")
	conf := ipamConf("fake-good") + `, "runtimeConfig": {"ips": ["10.9.0.7"]}`
	call := w.call("ADD", conf, w.prev())
	call.Args = "IgnoreUnknown=1;K8S_POD_NAME=a=b"
	o := chaintest.Run(t, plugin, call).OK(t)
	if !strings.Contains(o.Stdout, "10.9.0.7/24") || !strings.Contains(o.Stdout, "10.9.0.53") {
		t.Errorf("result %s", o.Stdout)
	}
	if got := w.ip("route"); !strings.Contains(got, "10.99.0.0/16 via 10.9.0.1 dev eth0") {
		t.Errorf("routes:\n%s", got)
	}
	stdin := decode[map[string]any](t, read(t, filepath.Join(dir, "stdin-ADD")))
	want := decode[map[string]any](t, call.Config.(string))
	if diff := cmp.Diff(want, stdin); diff != "" {
		t.Errorf("the plugin's stdin (-want +got):\n%s", diff)
	}
	env := read(t, filepath.Join(dir, "env-ADD"))
	for _, variable := range []string{"CNI_COMMAND=ADD", "CNI_CONTAINERID=c1", "CNI_IFNAME=eth0", "CNI_NETNS=" + w.ns.Path,
		"CNI_ARGS=IgnoreUnknown=1;K8S_POD_NAME=a=b", "CNI_PATH=" + w.cniPath} {
		if !strings.Contains("\n"+env+"\n", "\n"+variable+"\n") {
			t.Errorf("%s is missing in\n%s", variable, env)
		}
	}
	w.run("CHECK", conf, o.Stdout).OK(t)
	w.run("STATUS", conf, "").OK(t)
	w.run("GC", conf+`, "cni.dev/valid-attachments": [{"containerID": "c1", "ifname": "eth0"}]`, "").OK(t)
	if stdin := read(t, filepath.Join(dir, "stdin-GC")); !strings.Contains(stdin, `"containerID": "c1"`) {
		t.Errorf("GC: stdin %s", stdin)
	}
	w.run("DEL", conf, "").OK(t)
	if got := read(t, filepath.Join(dir, "calls")); got != "ADD CHECK STATUS GC DEL " {
		t.Errorf("calls: %s", got)
	}
}

// TestIPAMDelAlways: the address goes back when everything else is gone.
func TestIPAMDelAlways(t *testing.T) {
	for name, change := range map[string]func(*chaintest.Call){
		"no namespace":         func(c *chaintest.Call) { c.NetNS = "" },
		"namespace gone":       func(c *chaintest.Call) { c.NetNS = "/run/netns/gone" },
		"a namespace no more":  func(c *chaintest.Call) { c.NetNS = "/etc" },
		"bad configuration":    func(c *chaintest.Call) { c.Config = strings.Replace(c.Config.(string), `"_": 0`, `"vlan": "x"`, 1) },
		"broken previous list": func(c *chaintest.Call) { c.Config = strings.Replace(c.Config.(string), `"_": 0`, `"prevResult": 5`, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			dir := w.install("fake-good")
			call := w.call("DEL", ipamConf("fake-good"), "")
			change(&call)
			chaintest.Run(t, plugin, call).OK(t)
			if got := read(t, filepath.Join(dir, "calls")); got != "DEL " {
				t.Errorf("calls: %s", got)
			}
		})
	}
}

// TestFailedIPAM: a delegate that fails gets a DEL before its failure is passed on, with its code, and the container is
// as it was.
func TestFailedIPAM(t *testing.T) {
	for _, c := range []struct {
		name  string
		code  uint
		calls string
		words []string
	}{
		{"fake-refuse", 117, "ADD DEL ADD DEL ", []string{`"fake-refuse"`, "no such tenant"}},
		{"fake-again", chain.CodeTryAgain, "ADD DEL ", []string{"the database restarts"}},
		{"fake-crash", codeIPAM, "ADD DEL ", []string{"exit status 2", "index out of range"}},
		{"fake-endless", codeIPAM, "ADD DEL ", []string{"MiB of output"}},
		{"fake-missing", chain.CodeEnvironment, "", []string{"CNI_PATH", "/nonexistent", "ipam.type"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			dir := w.install(c.name)
			if c.calls == "" {
				must(t, os.Remove(filepath.Join(dir, c.name)))
			}
			before := w.snapshot()
			o := w.run("ADD", ipamConf(c.name), w.prev()).Fails(t, c.code, c.words...)
			if c.name == "fake-refuse" && o.Err.Details != "tenant 4711" {
				t.Errorf("details: %q", o.Err.Details)
			}
			w.same(before)
			if got, _ := os.ReadFile(filepath.Join(dir, "calls")); string(got) != c.calls {
				t.Errorf("calls: %s", got)
			}
		})
	}
}

// TestNonsenseFromIPAM: an answer that is none is an error that says what is wrong with it, and is followed by a DEL.
func TestNonsenseFromIPAM(t *testing.T) {
	for name, c := range map[string]struct{ answer, want string }{
		"nothing":                   {``, "nonsense"},
		"no JSON":                   {`ok`, "nonsense"},
		"null":                      {`null`, "no addresses"},
		"a list":                    {`[]`, "nonsense"},
		"no addresses":              {`{"cniVersion": "1.1.0"}`, "no addresses"},
		"null in a list":            {`{"cniVersion": "1.1.0", "ips": [null]}`, "null"},
		"null in an old list":       {`{"cniVersion": "0.4.0", "ips": [null]}`, "n"},
		"an address without length": {`{"cniVersion": "1.1.0", "ips": [{"address": "10.0.0.5"}]}`, "10.0.0.5"},
		"no address":                {`{"cniVersion": "1.1.0", "ips": [{"gateway": "10.0.0.5"}]}`, "ips[0]"},
		"multicast":                 {`{"cniVersion": "1.1.0", "ips": [{"address": "224.0.0.5/24"}]}`, "224.0.0.5/24"},
		"its own gateway":           {`{"cniVersion": "1.1.0", "ips": [{"address": "10.0.0.5/24", "gateway": "10.0.0.5"}]}`, "own gateway"},
		"a route to a host's bits":  {`{"cniVersion": "1.1.0", "ips": [{"address": "10.0.0.5/24"}], "routes": [{"dst": "10.0.0.5/8"}]}`, "10.0.0.0/8"},
		"a route of nowhere":        {`{"cniVersion": "1.1.0", "ips": [{"address": "10.0.0.5/24"}], "routes": [{}]}`, "routes[0]"},
		"a version of the future":   {`{"cniVersion": "9.0.0", "ips": [{"address": "10.0.0.5/24"}]}`, "9.0.0"},
		"two documents":             {`{"cniVersion": "1.1.0", "ips": []}{}`, "nonsense"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			dir := w.install("fake-nonsense")
			must(t, os.WriteFile(filepath.Join(dir, "answer"), []byte(c.answer), 0o600))
			before := w.snapshot()
			w.run("ADD", ipamConf("fake-nonsense"), w.prev()).Fails(t, codeIPAM, `"fake-nonsense"`, c.want)
			w.same(before)
			if got := read(t, filepath.Join(dir, "calls")); got != "ADD DEL " {
				t.Errorf("calls: %s", got)
			}
		})
	}
}

// TestHangingIPAM: at the deadline the plugin and its children are killed, a DEL follows, and trying again may help.
func TestHangingIPAM(t *testing.T) {
	w := newWorld(t)
	dir := w.install("fake-hang")
	before := w.snapshot()
	ctx := late{t.Context(), make(chan struct{})}
	onceRunning(ctx, dir, func() { close(ctx.passed) })
	o := chaintest.RunContext(ctx, t, plugin, w.call("ADD", ipamConf("fake-hang"), w.prev()))
	o.Fails(t, chain.CodeTryAgain, `"fake-hang"`, "ipamTimeout")
	w.same(before)
	if got := read(t, filepath.Join(dir, "calls")); got != "ADD DEL " {
		t.Errorf("calls: %s", got)
	}
}

// late is a context with a deadline that passes when the test wants it, however slow the machine is.
type late struct {
	context.Context
	passed chan struct{}
}

func (l late) Done() <-chan struct{} { return l.passed }

func (l late) Err() error {
	select {
	case <-l.passed:
		return context.DeadlineExceeded
	default:
		return l.Context.Err() // the end of the test
	}
}

// onceRunning does something when the IPAM plugin installed in dir has begun with its ADD.
func onceRunning(ctx context.Context, dir string, do func()) {
	go func() {
		for ctx.Err() == nil {
			if _, err := os.Stat(filepath.Join(dir, "env-ADD")); err == nil {
				do()
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
}

// TestInterruptedIPAM: on SIGTERM as well.
func TestInterruptedIPAM(t *testing.T) {
	w := newWorld(t)
	dir := w.install("fake-hang")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	onceRunning(ctx, dir, cancel)
	chaintest.RunContext(ctx, t, plugin, w.call("ADD", ipamConf("fake-hang"), w.prev())).Fails(t, chain.CodeTryAgain, "signal")
	if got := read(t, filepath.Join(dir, "calls")); got != "ADD DEL " {
		t.Errorf("calls: %s", got)
	}
}

// TestLeftoverLeaseOfIPAM: an attachment whose ADD was killed has its address still, and a plugin like host-local
// refuses it another one.
func TestLeftoverLeaseOfIPAM(t *testing.T) {
	w := newWorld(t)
	dir := w.install("fake-held")
	w.add(ipamConf("fake-held"))
	if got := read(t, filepath.Join(dir, "calls")); got != "ADD DEL ADD " {
		t.Errorf("calls: %s", got)
	}
}

// TestErrorAfterIPAM: the address goes back when a later step fails (containernetworking/plugins#697).
func TestErrorAfterIPAM(t *testing.T) {
	w := newWorld(t)
	dir := w.install("fake-good")
	w.host("ip", "addr", "add", "192.0.2.1/24", "dev", w.bridge)
	before := w.snapshot()
	w.run("ADD", ipamConf("fake-good")+`, "isGateway": true`, w.prev()).Fails(t, codeGateway, "192.0.2.1/24", "forceAddress")
	w.same(before)
	if got := read(t, filepath.Join(dir, "calls")); got != "ADD DEL " {
		t.Errorf("calls: %s", got)
	}
}

func TestStatus(t *testing.T) {
	w := newWorld(t)
	w.install("fake-limited")
	w.run("STATUS", ipamConf("fake-limited"), "").Fails(t, chain.CodeLimited, "the address server is away")
	w.run("STATUS", ipamConf("fake-absent"), "").Fails(t, chain.CodeNotAvailable, "CNI_PATH", "fake-absent")
	const pool = `"ipMasq": true, "ipam": {"type": "ip-pool", "subnet": "10.1.0.0/30"}`
	w.run("STATUS", pool, "").OK(t)
	w.add(pool)
	w.run("STATUS", pool, "").Fails(t, chain.CodeNotAvailable, "ip-pool", "10.1.0.2")
	w.run("STATUS", pool+`, "ipMasqBackend": "iptables"`, "").Fails(t, chain.CodeNotAvailable, "ip-pool")
	w.run("STATUS", `"ipMasq": true, "ipMasqBackend": "iptables", "addresses": [{"address": "10.0.0.5/24"}]`, "").OK(t)
	t.Setenv("PATH", t.TempDir())
	w.run("STATUS", `"ipMasq": true, "ipMasqBackend": "iptables"`, "").Fails(t, chain.CodeNotAvailable, "iptables")
}

// TestExhaustedPool: trying again may help, and the container is as it was (upstream leaves eth0).
func TestExhaustedPool(t *testing.T) {
	w := newWorld(t)
	const conf = `"ipam": {"type": "ip-pool", "subnet": "10.1.0.0/30"}`
	w.add(conf)
	w.id = "c2"
	before := w.snapshot()
	w.host("ip", "link", "del", "veth0")
	w.connect("veth0", "eth0", containerMAC)
	w.run("ADD", conf, w.prev()).Fails(t, chain.CodeTryAgain, "no address left", "10.1.0.2")
	w.same(before, "eth0")
}

// TestPoolTakesWhatHostLocalTakes: the short form, several ranges, requests from all sources.
func TestPoolTakesRequests(t *testing.T) {
	for name, c := range map[string]struct{ conf, arg, want string }{
		"capability": {`"runtimeConfig": {"ips": ["10.1.0.77"]}, "ipam": {"type": "ip-pool", "subnet": "10.1.0.0/24"}`, "", "10.1.0.77/24"},
		"args":       {`"args": {"cni": {"ips": ["10.1.0.78"]}}, "ipam": {"type": "ip-pool", "subnet": "10.1.0.0/24"}`, "", "10.1.0.78/24"},
		"CNI_ARGS":   {`"ipam": {"type": "ip-pool", "subnet": "10.1.0.0/24"}`, "IP=10.1.0.79", "10.1.0.79/24"},
		"ipRanges":   {`"runtimeConfig": {"ipRanges": [[{"Subnet": "10.7.0.0/24"}]]}, "ipam": {"type": "ip-pool"}`, "", "10.7.0.2/24"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			call := w.call("ADD", c.conf, w.prev())
			call.Args = c.arg
			o := chaintest.Run(t, plugin, call).OK(t)
			var got struct{ IPs []struct{ Address string } }
			must(t, json.Unmarshal([]byte(o.Stdout), &got))
			if len(got.IPs) != 1 || got.IPs[0].Address != c.want {
				t.Errorf("got %+v, want %s", got.IPs, c.want)
			}
		})
	}
}
