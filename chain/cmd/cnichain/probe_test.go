// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// TestMain is also the plugin "probe": the test binary started under that name.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "probe" {
		probe.Main()
	}
	testnet.Main(tests{m})
}

// tests removes in the end what build has built.
type tests struct{ *testing.M }

func (t tests) Run() int {
	code := t.M.Run()
	if builtIn != "" {
		_ = os.RemoveAll(builtIn)
	}
	return code
}

// probeConfig is the configuration of a link that makes a file instead of a network.
type probeConfig struct {
	// File is made by ADD, must be there for CHECK, and is removed by DEL.
	File string `json:"file"`
	// Address goes into the result.
	Address string `json:"address"`
	// Wait makes ADD wait, after its step, for a signal.
	Wait bool `json:"wait"`
	// Refuse is why ADD and STATUS fail.
	Refuse        string `json:"refuse"`
	RuntimeConfig struct {
		PortMappings []map[string]any `json:"portMappings"`
	} `json:"runtimeConfig"`
}

type request = chain.Request[probeConfig]

var probe = chain.Plugin[probeConfig]{
	Name: "probe", About: "a link for tests",
	Add: func(ctx context.Context, r *request) error {
		if r.Conf.Refuse != "" {
			return chain.Invalid("refuse", r.Conf.Refuse, "the probe was told to")
		}
		err := r.Do("make "+filepath.Base(r.Conf.File), func() error { return os.WriteFile(r.Conf.File, nil, 0o600) }, nil)
		if err == nil && r.Conf.Wait {
			<-ctx.Done()
			return ctx.Err()
		}
		if err != nil || r.Conf.Address == "" {
			return err
		}
		ip, network, err := net.ParseCIDR(r.Conf.Address)
		if err != nil {
			return err
		}
		network.IP = ip
		r.Result.Interfaces = append(r.Result.Interfaces, &current.Interface{Name: r.IfName, Sandbox: r.NetNS})
		r.Result.IPs = append(r.Result.IPs, &current.IPConfig{Interface: current.Int(0), Address: *network})
		r.Result.DNS = types.DNS{Nameservers: []string{"192.0.2.53"}}
		return nil
	},
	Del: func(_ context.Context, r *request) error {
		return r.Do("remove "+filepath.Base(r.Conf.File), func() error { return os.RemoveAll(r.Conf.File) }, nil)
	},
	Check: func(_ context.Context, r *request) error {
		_, err := os.Stat(r.Conf.File)
		return err
	},
	GC: func(_ context.Context, r *request) error {
		r.Log.Warn("collecting", "keep", len(r.Valid))
		return nil
	},
	Status: func(_ context.Context, r *request) error {
		if r.Conf.Refuse != "" {
			return chain.Errorf(chain.CodeNotAvailable, "refuse: %s", r.Conf.Refuse)
		}
		return nil
	},
}

// bench is a directory with the probe, a conflist, and a namespace.
type bench struct {
	t    *testing.T
	dir  string
	ns   *testnet.NS
	list string
}

// newBench writes a conflist of probes; each text is the rest of one's configuration.
func newBench(t *testing.T, version string, probes ...string) *bench {
	t.Helper()
	b := &bench{t: t, dir: t.TempDir(), ns: testnet.NewNS(t)}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(program, filepath.Join(b.dir, "probe")); err != nil {
		t.Fatal(err)
	}
	var plugins []string
	for i, text := range probes {
		plugins = append(plugins, fmt.Sprintf("    {\"type\": \"probe\", \"file\": %q%s}", b.file(i), text))
	}
	b.list = filepath.Join(b.dir, "test.conflist")
	text := fmt.Sprintf("{\n  \"cniVersion\": %q, \"name\": \"test\",\n  \"plugins\": [\n%s\n  ]\n}\n",
		version, strings.Join(plugins, ",\n"))
	if err := os.WriteFile(b.list, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) file(i int) string { return filepath.Join(b.dir, fmt.Sprintf("made-by-%d", i)) }

// made lists the probes whose file is there.
func (b *bench) made() (list []int) {
	for i := range 9 {
		if _, err := os.Stat(b.file(i)); err == nil {
			list = append(list, i)
		}
	}
	return list
}

// run runs cnichain with the bench's directories, and returns exit status, stdout and stderr, with paths, durations and
// names of this run replaced.
func (b *bench) run(args ...string) (code int, stdout, stderr string) {
	b.t.Helper()
	args = append(args, "--plugin-path", b.dir, "--cache-dir", filepath.Join(b.dir, "cache"))
	var out, errs bytes.Buffer
	code = execute(context.Background(), args, strings.NewReader(""), &out, &errs)
	clean := strings.NewReplacer(b.dir, "DIR", b.ns.Name, "NS")
	return code, clean.Replace(out.String()), clean.Replace(errs.String())
}
