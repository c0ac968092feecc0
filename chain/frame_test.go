// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package chain_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	current "github.com/containernetworking/cni/pkg/types/100"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/chain/chaintest"
)

// conf is the configuration of the link that these tests run: it writes files, one a step.
type conf struct {
	Dir     string   `json:"dir"`
	Files   []string `json:"files"`
	Mode    string   `json:"mode"`
	Mapping []struct {
		HostPort int `json:"hostPort"`
	} `json:"mapping"`
	Raw           json.RawMessage `json:"raw"`
	RuntimeConfig struct {
		Ports []struct {
			HostPort int `json:"hostPort"`
		} `json:"ports"`
	} `json:"runtimeConfig"`
}

func (c *conf) Validate() error {
	if c.Mode == "bad" {
		return chain.Invalid("mode", c.Mode, "not this one")
	}
	return nil
}

// files is the link, with the place given.
func files(place chain.Place) *chain.Plugin[conf] {
	type request = chain.Request[conf]
	return &chain.Plugin[conf]{
		Name: "files", About: "writes files.", Place: place,
		Defaults: func() conf { return conf{Mode: "plain"} },
		Add: func(_ context.Context, r *request) error {
			for _, name := range r.Conf.Files {
				path := filepath.Join(r.Conf.Dir, name)
				if err := r.Do("write "+name, func() error { return write(path) }, func() error { return os.Remove(path) }); err != nil {
					return err
				}
			}
			switch r.Conf.Mode {
			case "fail":
				return errors.New("as configured")
			case "panic":
				panic("as configured")
			case "index":
				r.Result.IPs = append(r.Result.IPs, &current.IPConfig{Interface: current.Int(7)})
			}
			return nil
		},
		Del: func(_ context.Context, r *request) error {
			for _, name := range r.Conf.Files {
				_ = os.Remove(filepath.Join(r.Conf.Dir, name))
			}
			return nil
		},
		Check: func(_ context.Context, r *request) error { return nil },
		GC: func(_ context.Context, r *request) error {
			return r.Do("note GC", func() error { return write(filepath.Join(r.Conf.Dir, fmt.Sprintf("gc-%d", len(r.Valid)))) }, nil)
		},
		Status: func(context.Context, *request) error {
			return chain.Errorf(chain.CodeNotAvailable, "out of paper")
		},
	}
}

func write(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

const ownNS = "/proc/self/ns/net"

// call is one in the test's own namespace, which is allowed by CNI_NETNS_OVERRIDE.
func call(cmd, config string) chaintest.Call {
	return chaintest.Call{
		Command: cmd, Config: config, ContainerID: "c1", IfName: "eth0", NetNS: ownNS,
		Env: map[string]string{"CNI_NETNS_OVERRIDE": "1"},
	}
}

func listing(dir string) string {
	entries, _ := os.ReadDir(dir)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

func TestAddWritesOneResult(t *testing.T) {
	dir := t.TempDir()
	config := fmt.Sprintf(`{"cniVersion":"1.1.0","name":"n","type":"files","dir":%q,"files":["a","b"]}`, dir)
	var result current.Result
	chaintest.Run(t, files(chain.Anywhere), call("ADD", config)).OK(t).Result(t, &result)
	if got := listing(dir); got != "a b" || result.CNIVersion != "1.1.0" {
		t.Errorf("files %q, version %q", got, result.CNIVersion)
	}
}

func TestFailedAddLeavesNothing(t *testing.T) {
	for _, mode := range []string{"fail", "panic", "index"} {
		t.Run(mode, func(t *testing.T) {
			dir := t.TempDir()
			config := fmt.Sprintf(`{"cniVersion":"1.1.0","name":"n","type":"files","dir":%q,"files":["a","b"],"mode":%q}`, dir, mode)
			code := map[string]uint{"fail": chain.CodeStep, "panic": chain.CodeInternal, "index": chain.CodeConfig}[mode]
			o := chaintest.Run(t, files(chain.Anywhere), call("ADD", config)).Fails(t, code)
			if got := listing(dir); got != "" {
				t.Errorf("left %q", got)
			}
			if mode == "panic" && !strings.Contains(o.Err.Details, "frame_test.go") {
				t.Errorf("details have no stack: %s", o.Err.Details)
			}
		})
	}
}

func TestEachStepCanFail(t *testing.T) {
	dir := t.TempDir()
	config := fmt.Sprintf(`{"cniVersion":"1.1.0","name":"n","type":"files","dir":%q,"files":["a","b","c"]}`, dir)
	world := func(*testing.T) string { return listing(dir) }
	steps := chaintest.FailEachStep(t, files(chain.Anywhere), call("ADD", config), func(*testing.T) {
		for _, name := range []string{"a", "b", "c"} {
			_ = os.Remove(filepath.Join(dir, name))
		}
	}, world)
	if steps != 3 {
		t.Errorf("%d steps, want 3", steps)
	}
}

func TestUndeliveredResultIsUndone(t *testing.T) {
	dir := t.TempDir()
	config := fmt.Sprintf(`{"cniVersion":"1.1.0","name":"n","type":"files","dir":%q,"files":["a"]}`, dir)
	c := call("ADD", config)
	c.Env["CNI_COMMAND"], c.Env["CNI_CONTAINERID"], c.Env["CNI_IFNAME"], c.Env["CNI_NETNS"] = "ADD", "c1", "eth0", ownNS
	exit := files(chain.Anywhere).Run(t.Context(), chain.Process{
		Stdin: strings.NewReader(config), Stdout: brokenPipe{}, Stderr: &bytes.Buffer{},
		Env: func(name string) string { return c.Env[name] },
	})
	if got := listing(dir); exit == 0 || got != "" {
		t.Errorf("exit %d, left %q", exit, got)
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, syscall.EPIPE }

func TestSignalStopsBeforeTheNextStep(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("signal: terminated"))
	dir := t.TempDir()
	config := fmt.Sprintf(`{"cniVersion":"1.1.0","name":"n","type":"files","dir":%q,"files":["a"]}`, dir)
	chaintest.RunContext(ctx, t, files(chain.Anywhere), call("ADD", config)).Fails(t, chain.CodeTryAgain, "signal")
	if got := listing(dir); got != "" {
		t.Errorf("left %q", got)
	}
}

func TestGC(t *testing.T) {
	for _, c := range []struct{ name, valid, want string }{
		{"absent is nothing to do", ``, ""},
		{"null is nobody valid", `,"cni.dev/valid-attachments":null`, "gc-0"},
		{"empty is nobody valid", `,"cni.dev/valid-attachments":[]`, "gc-0"},
		{"one", `,"cni.dev/valid-attachments":[{"containerID":"c","ifname":"eth0"}]`, "gc-1"},
		{"the name libcni used first", `,"cni.dev/attachments":[{"containerID":"c","ifname":"eth0"}]`, "gc-1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			config := fmt.Sprintf(`{"cniVersion":"1.1.0","name":"n","type":"files","dir":%q%s}`, dir, c.valid)
			chaintest.Run(t, files(chain.Anywhere), chaintest.Call{Command: "GC", Config: config}).OK(t)
			if got := listing(dir); got != c.want {
				t.Errorf("did %q, want %q", got, c.want)
			}
		})
	}
	chaintest.Run(t, files(chain.Anywhere), chaintest.Call{Command: "GC",
		Config: `{"cniVersion":"1.1.0","name":"n","cni.dev/valid-attachments":[{"containerID":"c"}]}`}).Fails(t, chain.CodeConfig, "nothing is removed")
}

func TestStatusCode(t *testing.T) {
	config := `{"cniVersion":"1.1.0","name":"n"}`
	chaintest.Run(t, files(chain.Anywhere), chaintest.Call{Command: "STATUS", Config: config}).Fails(t, 50, "files: out of paper")
}

func TestVersionAnswer(t *testing.T) {
	o := chaintest.Run(t, files(chain.Anywhere), chaintest.Call{Command: "VERSION", Config: `{"cniVersion":"1.0.0"}`})
	want := `"cniVersion": "1.0.0"`
	if !strings.Contains(o.Stdout, want) || !strings.Contains(o.Stdout, `"1.1.0"`) {
		t.Errorf("%s lacks %s", o.Stdout, want)
	}
	chaintest.Run(t, files(chain.Anywhere), chaintest.Call{Command: "VERSION"}).OK(t)
}

func TestByHand(t *testing.T) {
	o := chaintest.Run(t, files(chain.Anywhere), chaintest.Call{Command: "VERSION"})
	var stderr bytes.Buffer
	exit := files(chain.Anywhere).Run(t.Context(), chain.Process{
		Stdin: strings.NewReader(""), Stdout: &bytes.Buffer{}, Stderr: &stderr, Env: func(string) string { return "" },
	})
	for _, want := range []string{"files", "writes files.", "mode", "default plain", "Capabilities: ports", "cnichain add"} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("lacks %q:\n%s", want, stderr.String())
		}
	}
	if exit != 0 || o.Exit != 0 {
		t.Errorf("exit %d", exit)
	}
}

func TestContainer(t *testing.T) {
	prev := `{"interfaces":[{"name":"br"},{"name":"eth1","sandbox":"/proc/self/ns/net"},{"name":"eth0","sandbox":"/elsewhere"},
		{"name":"eth0","sandbox":"%s"}]}`
	got := -1
	link := files(chain.Later)
	link.Add = func(_ context.Context, r *chain.Request[conf]) error {
		i, _, err := r.Container()
		got = i
		return err
	}
	pid := fmt.Sprintf("/proc/%d/ns/net", os.Getpid()) // another name of the same namespace
	for _, sandbox := range []string{ownNS, pid} {
		config := fmt.Sprintf(`{"cniVersion":"1.1.0","name":"n","prevResult":`+prev+`}`, sandbox)
		chaintest.Run(t, link, call("ADD", config)).OK(t)
		if got != 3 {
			t.Errorf("sandbox %s: interface %d, want 3", sandbox, got)
		}
	}
	config := fmt.Sprintf(`{"cniVersion":"1.1.0","name":"n","prevResult":`+prev+`}`, "/gone")
	chaintest.Run(t, link, call("ADD", config)).Fails(t, chain.CodeConfig, `no interface "eth0"`, `"eth1" in "/proc/self/ns/net"`)
}
