// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/cni-chain/cni-chain/e2e/harness"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// TestNamespaceSwapped: while a chain runs, CNI_NETNS is a symbolic link that leads now to the container, now to the
// host. Each link opens it once, and checks what it has opened: it works in the container or refuses, and never makes
// anything of the container's on the host.
func TestNamespaceSwapped(t *testing.T) {
	testnet.Need(t)
	n := harness.Load(t, harness.Example("bridge"))
	harness.NewWorld(t, n)
	ns := testnet.NewNS(t)
	a := n.Attach(ns, "container-a").With("portMappings", harness.PublishedPorts)
	a.Runtime.NetNS = swapping(t, ns.Path, "/proc/self/ns/net")
	before := testnet.Take(t, ns)
	done, refused := 0, 0
	for range 500 {
		err := a.Add()
		switch {
		case err == nil:
			done++
		case strings.Contains(err.Error(), "the host's own network namespace"), strings.Contains(err.Error(), "prevResult has no"):
			refused++
		default:
			t.Errorf("ADD: %v", err)
		}
		if link, err := netlink.LinkByName(a.Runtime.IfName); err == nil {
			t.Fatalf("the container's interface is on the host: %v", link.Attrs())
		}
		must(t, "DEL", a.Del())
		if done > 2 && refused > 2 {
			break
		}
	}
	t.Logf("%d ADDs done, %d refused", done, refused)
	a.Runtime.NetNS = ns.Path
	must(t, "DEL", a.Del())
	if left := harness.Left(n, testnet.Diff(before, testnet.Take(t, ns))); left != "" {
		t.Errorf("the machine is not what it was:\n%s", left)
	}
}

// swapping is a symbolic link that leads to the one and, a quarter of the time, to the other, until the test ends.
func swapping(t *testing.T, one, other string) string {
	t.Helper()
	dir := t.TempDir()
	path, draft := filepath.Join(dir, "netns"), filepath.Join(dir, "draft")
	must(t, "link", os.Symlink(one, path))
	stop, stopped := make(chan struct{}), make(chan error)
	go func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
			}
			err := os.Symlink([]string{one, one, one, other}[i%4], draft)
			if err == nil {
				err = os.Rename(draft, path)
			}
			if err != nil {
				stopped <- err
				return
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
	return path
}
