// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/tools/txtar"

	"github.com/cni-chain/cni-chain/e2e/harness"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// defaults are the conflists that runtimes install, as the tests of cnichain migrate have them.
var defaults = []string{"containerd", "podman", "nerdctl", "kind"}

// TestMigrated: the conflist that a runtime installs and what cnichain migrate makes of it pass the same traffic. Every
// flow that the original answers the migrated one answers, to the same client; what it does better is fine.
func TestMigrated(t *testing.T) {
	for _, name := range defaults {
		t.Run(name, func(t *testing.T) {
			testnet.Need(t)
			harness.EachBridgeNetfilter(t, func(t *testing.T) {
				archive, err := txtar.ParseFile(filepath.Join(harness.Root(), "chain/cmd/cnichain/internal/migrate/testdata", name+".txtar"))
				if err != nil {
					t.Fatal(err)
				}
				original := string(archive.Files[0].Data)
				var before, after map[string]string
				t.Run("original", func(t *testing.T) { before = flows(t, original) })
				t.Run("migrated", func(t *testing.T) { after = flows(t, migrate(t, original)) })
				compare(t, before, after)
			})
		})
	}
}

// migrate runs the tool as a person does.
func migrate(t *testing.T, conflist string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "old.conflist")
	if err := os.WriteFile(file, []byte(conflist), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(harness.Bin("cnichain"), "migrate", file)
	var stdout, report bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &report
	if err := cmd.Run(); err != nil {
		t.Fatalf("cnichain migrate: %v\n%s", err, report.String())
	}
	if text := report.String(); strings.Contains(text, "not carried over") || strings.Contains(text, "was wrong before") {
		t.Errorf("something of a runtime's own conflist is lost:\n%s", text)
	}
	return stdout.String()
}

// flows attaches two containers, one with published ports, and tells of each way of traffic whether it is answered,
// and whom the server sees.
func flows(t *testing.T, conflist string) map[string]string {
	t.Helper()
	n := harness.Parse(t, conflist)
	w := harness.NewWorld(t, n)
	a := n.Attach(testnet.NewNS(t), "container-a").With("portMappings", harness.PublishedPorts)
	b := n.Attach(testnet.NewNS(t), "container-b")
	harness.Serve(t, w.Host, w.Outside.NS, a.NS, b.NS)
	must(t, "STATUS", n.Status())
	freshBridge(t, n)
	a.MustAdd(t)
	b.MustAdd(t)
	must(t, "CHECK a", a.Check())
	must(t, "CHECK b", b.Check())
	seen := map[string]string{}
	for _, addr := range a.Addresses() {
		seen["networks"] += fmt.Sprintln(addr.Masked(), addr.Gateway)
	}
	settle(t, w, a, b)
	for _, f := range slices.Concat(harness.Neighbours(a, b), w.Around(a), w.Mapped(a, b)) {
		seen[f.Name+" "+f.Proto] = asked(f)
	}
	return seen
}

// settle waits for the first answers of each family: the kernel tries out IPv6 addresses before it uses them, also the
// bridge's.
func settle(t *testing.T, w *harness.World, attachments ...*harness.Attachment) {
	t.Helper()
	for _, a := range attachments {
		for _, f := range w.Around(a) {
			if err := f.Run(); err != nil {
				t.Fatalf("%s: %v", f.Name, err)
			}
		}
	}
}

// asked is what comes of a flow, once all has settled: what is answered then is answered at once.
func asked(f harness.Flow) string {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	answer, err := f.From.Ask(ctx, f.Proto, f.To.String())
	switch {
	case err != nil:
		return "no"
	case answer.Server != f.Server:
		return "another server"
	case f.Source.IsValid() && answer.Source.Addr() != f.Source:
		return "as " + answer.Source.Addr().String()
	}
	return "yes"
}

// freshBridge takes away what stays of a network, before and after: other tests leave a bridge of the same name, with
// another address.
func freshBridge(t *testing.T, n *harness.Network) {
	t.Helper()
	name, _ := n.Value("bridge").(string)
	remove := func() {
		link, err := netlink.LinkByName(name)
		if err != nil {
			return
		}
		if err := netlink.LinkDel(link); err != nil {
			t.Errorf("remove the bridge %s: %v", name, err)
		}
	}
	remove()
	t.Cleanup(remove)
}

func compare(t *testing.T, before, after map[string]string) {
	t.Helper()
	if len(before) < 10 || len(after) < 10 { // a failed round has said so
		return
	}
	if diff := cmp.Diff(before["networks"], after["networks"]); diff != "" {
		t.Errorf("other networks:\n%s", diff)
	}
	for _, name := range []string{"v4 a to b tcp", "v4 a to outside tcp", "v4 outside to the port tcp", "v4 host to the port udp"} {
		if before[name] != "yes" {
			t.Errorf("%s: the original does not answer: %s", name, before[name])
		}
	}
	for name, answered := range before {
		switch {
		case answered == "yes" && after[name] != "yes":
			t.Errorf("%s: the original answers, the migrated one: %s", name, after[name])
		case answered != after[name]:
			t.Logf("%s: original: %s, migrated: %s", name, answered, after[name])
		}
	}
}
