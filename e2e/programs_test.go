// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cni-chain/cni-chain/e2e/harness"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// program is a command with which a person attaches a namespace.
type program struct {
	name string
	// command is the program's for a verb; the conflist is an example of conflists/.
	command func(verb, conflist string, ns *testnet.NS) *exec.Cmd
}

var programs = []program{
	{"cnichain", func(verb, conflist string, ns *testnet.NS) *exec.Cmd {
		args := []string{verb, harness.Example(conflist), ns.Name, "--plugin-path", strings.Join(harness.PluginDirs(), ",")}
		if verb == "add" {
			args = append(args, "--port", fmt.Sprintf("%d:%d", harness.Published, harness.Service))
		}
		return exec.Command(harness.Bin("cnichain"), args...)
	}},
	{"cnitool", func(verb, conflist string, ns *testnet.NS) *exec.Cmd {
		ports, _ := json.Marshal(map[string]any{"portMappings": harness.PublishedPorts}) // strings and numbers
		cmd := exec.Command(harness.Bin("upstream/cnitool"), verb, conflist, ns.Path)
		cmd.Env = append(os.Environ(), "CNI_PATH="+strings.Join(harness.PluginDirs(), ":"), "CAP_ARGS="+string(ports),
			"NETCONFPATH="+filepath.Dir(harness.Example(conflist)))
		return cmd
	}},
}

// TestPrograms: the commands that people type give a namespace a network, a reachable port and name servers, and take
// all away again.
func TestPrograms(t *testing.T) {
	const conflist = "bridge"
	for _, p := range programs {
		t.Run(p.name, func(t *testing.T) {
			n := harness.Load(t, harness.Example(conflist))
			w, ns := harness.NewWorld(t, n), testnet.NewNS(t)
			harness.Serve(t, ns)
			before := plugins(t, ns)

			run(t, p.command("add", conflist, ns))
			run(t, p.command("check", conflist, ns))
			port := netip.AddrPortFrom(w.Outside.HostV4, harness.Published).String()
			if answer := w.Outside.MustAsk(t, "tcp", port); answer.Server != ns.Name {
				t.Errorf("%s answers at %s, want %s", answer.Server, port, ns.Name)
			}
			if text := run(t, ns.Command("cat", "/etc/resolv.conf")); !strings.Contains(text, "nameserver "+harness.HostDNS) {
				t.Errorf("/etc/resolv.conf as ip netns exec shows it: %q, want the host's name server", text)
			}
			run(t, p.command("del", conflist, ns))
			run(t, p.command("del", conflist, ns))
			if left := harness.Left(n, testnet.Diff(before, plugins(t, ns))); left != "" {
				t.Errorf("the machine is not what it was:\n%s", left)
			}
		})
	}
}

func run(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return string(out)
}

// plugins is a snapshot without what libcni, not a plugin, leaves: the directory of its cache.
func plugins(t *testing.T, namespaces ...*testnet.NS) *testnet.Snapshot {
	t.Helper()
	cache := regexp.MustCompile(`^/var/lib/cni(/results)?$`)
	return testnet.Take(t, namespaces...).Keep(func(o testnet.Object) bool {
		return o.Section != testnet.Files || !cache.MatchString(o.Key)
	})
}
