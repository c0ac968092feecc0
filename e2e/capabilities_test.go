// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/containernetworking/cni/pkg/invoke"
	"github.com/containernetworking/cni/pkg/types"
	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/e2e/harness"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// capability names those that a link may need as docs/security.md does (capabilities(7)).
var capability = map[string]int{
	"CHOWN": unix.CAP_CHOWN, "DAC_OVERRIDE": unix.CAP_DAC_OVERRIDE, "NET_ADMIN": unix.CAP_NET_ADMIN,
	"NET_RAW": unix.CAP_NET_RAW, "SYS_ADMIN": unix.CAP_SYS_ADMIN, "SYS_PTRACE": unix.CAP_SYS_PTRACE,
}

// commands are what a chain is called with.
var commands = []string{"ADD", "CHECK", "DEL", "GC", "STATUS"}

// table reads what docs/security.md says that each link needs, by "link command", and what comes to it in a situation,
// by "situation command". A cell has names, or none.
func table(t *testing.T) map[string][]string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(harness.Root(), "docs/security.md"))
	must(t, "read the page", err)
	needs := map[string][]string{}
	for line := range strings.Lines(string(data)) {
		cells := strings.Split(strings.Trim(line, "|\n"), "|")
		if len(cells) != 1+len(commands) || strings.HasPrefix(line, "|---") || strings.HasPrefix(line, "| link ") {
			continue
		}
		for i, command := range commands {
			key := strings.TrimSpace(cells[0]) + " " + command
			needs[key] = []string{}
			for _, name := range strings.Split(cells[i+1], ",") {
				if name = strings.TrimSpace(name); name != "" && name != "none" {
					needs[key] = append(needs[key], name)
				}
			}
		}
	}
	if len(needs) == 0 {
		t.Fatal("docs/security.md has no table of capabilities")
	}
	return needs
}

// bounded executes plugins as a unit of systemd with CapabilityBoundingSet= would: as root, without all other
// capabilities.
type bounded struct {
	*invoke.DefaultExec
	// needs has those of each "link command"; where it has none, a plugin has all.
	needs map[string][]string
	// less takes one away from the key's call.
	key, less string
}

// ExecPlugin starts the plugin from a thread of its own, since the bounding set is the thread's.
func (b *bounded) ExecPlugin(ctx context.Context, path string, stdin []byte, env []string) (out []byte, err error) {
	key := filepath.Base(path)
	for _, v := range env {
		if command, ok := strings.CutPrefix(v, "CNI_COMMAND="); ok {
			key += " " + command
		}
	}
	names, ok := b.needs[key]
	done := make(chan struct{})
	go func() {
		defer close(done)
		if ok {
			runtime.LockOSThread() // and never unlock: the thread ends with the goroutine
			err = dropAllBut(slices.DeleteFunc(slices.Clone(names), func(n string) bool { return key == b.key && n == b.less }))
		}
		if err == nil {
			out, err = b.DefaultExec.ExecPlugin(ctx, path, stdin, env)
		}
	}()
	<-done
	return out, err
}

func dropAllBut(names []string) error {
	var keep []uintptr
	for _, name := range names {
		n, ok := capability[name]
		if !ok {
			return fmt.Errorf("docs/security.md names %q, which this test does not know", name)
		}
		keep = append(keep, uintptr(n))
	}
	for c := range uintptr(64) {
		if slices.Contains(keep, c) {
			continue
		}
		err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0)
		if err != nil && !errors.Is(err, unix.EINVAL) { // beyond the last
			return fmt.Errorf("drop capability %d: %w", c, err)
		}
	}
	return nil
}

// situation is what a chain is run in.
type situation struct {
	name, conflist string
	attach         func(*testing.T, *harness.Network) *harness.Attachment
	// rows are those of the table that come to the links' own, by link.
	rows map[string]string
	// differ are the links that are another matter here than in a named namespace.
	differ []string
}

func situations(t *testing.T) []situation {
	data, err := os.ReadFile(harness.Example("dual-stack"))
	must(t, "read the conflist", err)
	whole := string(data)
	byIPTables := strings.NewReplacer(`"ipMasq": true`, `"ipMasq": true, "ipMasqBackend": "iptables"`,
		`"type": "port-map"`, `"type": "port-map", "backend": "iptables"`).Replace(whole)
	alone := `{"cniVersion": "1.1.0", "name": "alone", "plugins": [{"type": "ip-pool",
		"ipam": {"type": "ip-pool", "subnet": "10.88.9.0/24"}}]}`
	named := func(t *testing.T, n *harness.Network) *harness.Attachment {
		return n.Attach(testnet.NewNS(t), "container-a")
	}
	rootOf := func(uid int) func(*testing.T, *harness.Network) *harness.Attachment {
		return func(t *testing.T, n *harness.Network) *harness.Attachment {
			a := process(t, n, "container-a")
			if err := errors.Join(os.Chown(a.Root, uid, uid), os.Chown(a.Root+"/etc", uid, uid)); err != nil {
				testnet.Lacks(t, "a second user ("+err.Error()+")")
			}
			return a
		}
	}
	const process = "in the namespace of a process"
	each := map[string]string{"veth-bridge": process, "ip-config": process, "resolv-conf": process, "port-map": process}
	others := maps.Clone(each)
	others["resolv-conf"] = "resolv-conf, in files of another user"
	return []situation{
		{"named namespace", whole, named, nil, []string{"veth-bridge", "ip-config", "resolv-conf", "port-map"}},
		{"by iptables", byIPTables, named, nil, []string{"ip-config", "port-map"}},
		{"ip-pool alone", alone, named, nil, []string{"ip-pool"}},
		{"process", whole, rootOf(0), each, []string{"veth-bridge", "ip-config", "resolv-conf", "port-map"}},
		{"process of another user", whole, rootOf(1000), others, []string{"resolv-conf"}},
	}
}

// network is the chain, with what each link needs.
func (s situation) network(t *testing.T) (*harness.Network, *bounded) {
	t.Helper()
	exec := &bounded{
		DefaultExec: &invoke.DefaultExec{RawExec: &invoke.RawExec{Stderr: t.Output()}}, needs: map[string][]string{},
	}
	n := harness.ParseWith(t, s.conflist, exec)
	harness.NewWorld(t, n)
	rows := table(t)
	for _, link := range n.Types() {
		for _, command := range commands {
			key := link + " " + command
			own, ok := rows[key]
			more, found := rows[s.rows[link]+" "+command]
			if !ok || found != (s.rows[link] != "") {
				t.Fatalf("docs/security.md has no row for %s, %q", key, s.rows[link])
			}
			exec.needs[key] = slices.Concat(own, more)
		}
	}
	return n, exec
}

// call runs one command; GC spares nobody.
func call(n *harness.Network, a *harness.Attachment, command string) error {
	switch command {
	case "ADD":
		return a.Add()
	case "CHECK":
		return a.Check()
	case "DEL":
		return a.Del()
	case "GC of others":
		return n.GC(a)
	case "GC":
		return n.GC()
	}
	return n.Status()
}

// TestCapabilities runs the life of an attachment with just the capabilities that docs/security.md has for each link.
func TestCapabilities(t *testing.T) {
	testnet.Need(t)
	for _, s := range situations(t) {
		t.Run(s.name, func(t *testing.T) {
			n, exec := s.network(t)
			a := s.attach(t, n).With("portMappings", harness.PublishedPorts)
			before := testnet.Take(t, a.NS)
			for _, command := range []string{"STATUS", "ADD", "CHECK", "GC of others", "CHECK", "DEL", "ADD", "GC", "DEL"} {
				must(t, command, call(n, a, command))
			}
			exec.needs = nil
			must(t, "DEL with all capabilities", a.Del())
			if left := left(t, n, before, a); left != "" {
				t.Errorf("the machine is not what it was:\n%s", left)
			}
		})
	}
}

// TestMissingCapability takes each of them away: the call says what was refused, and there is nothing left after a DEL
// by somebody who may.
func TestMissingCapability(t *testing.T) {
	testnet.Need(t)
	for _, s := range situations(t) {
		t.Run(s.name, func(t *testing.T) {
			n, exec := s.network(t)
			all := exec.needs
			for _, link := range s.differ {
				for _, command := range commands {
					key := link + " " + command
					for _, name := range all[key] {
						if s.rows != nil && name != "SYS_PTRACE" && name != "DAC_OVERRIDE" {
							continue // as in a named namespace
						}
						t.Run(key+" without "+name, func(t *testing.T) {
							a := s.attach(t, n).With("portMappings", harness.PublishedPorts)
							before := testnet.Take(t, a.NS)
							exec.needs, exec.key, exec.less = all, key, name
							refusedFor(t, n, a, link, command, name)
							exec.needs = nil
							must(t, "DEL with all capabilities", a.Del())
							if left := left(t, n, before, a); left != "" {
								t.Errorf("the machine is not what it was:\n%s", left)
							}
						})
					}
				}
			}
		})
	}
}

// refusedFor makes the call, after an ADD where there is something to do after one.
func refusedFor(t *testing.T, n *harness.Network, a *harness.Attachment, link, command, lacks string) {
	t.Helper()
	if command != "ADD" {
		must(t, "ADD", a.Add())
	}
	err := call(n, a, command)
	refused := regexp.MustCompile(link + ": .*(not permitted|[Pp]ermission denied)")
	var failure *types.Error
	switch {
	case err == nil && command == "DEL" && lacks == "SYS_PTRACE" && link != "resolv-conf":
		// It goes on without the namespace, as if that were gone, and warns.
	case err == nil:
		t.Errorf("%s succeeds without %s", command, lacks)
	case !errors.As(err, &failure) || failure.Code == 999:
		t.Errorf("%s: %v, which is no CNI error", command, err)
	case !refused.MatchString(err.Error()):
		t.Errorf("%s says %q, not what was refused", command, err)
	default:
		t.Log(err)
	}
}

// left is what is not as it was, but for the tables and chains that the program iptables makes to look at them.
func left(t *testing.T, n *harness.Network, before *testnet.Snapshot, a *harness.Attachment) string {
	t.Helper()
	empty := regexp.MustCompile(`(?m)^ *\+ nft (table ip6? (nat|raw)|chain ip6? (nat|raw) [A-Z]+: type .*)(\n|$)`)
	return empty.ReplaceAllString(harness.Left(n, testnet.Diff(before, testnet.Take(t, a.NS))), "")
}
