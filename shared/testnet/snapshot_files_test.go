// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package testnet_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/testnet"
)

// TestDiffOfFiles makes one change to the host's files after the other.
func TestDiffOfFiles(t *testing.T) {
	testnet.Need(t)
	root := t.TempDir()
	scope := testnet.Scope{Roots: []string{root}}
	t.Cleanup(func() {
		for _, path := range []string{"/run/cni-chain", "/run/somebody", "/etc/netns/blue", "/run/xtables.lock"} {
			os.RemoveAll(path)
		}
	})
	write := func(path, content string) func() error {
		return func() error {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				return err
			}
			return os.WriteFile(path, []byte(content), 0o644)
		}
	}
	lease := "file /run/cni-chain/net/10.0.0.2"
	changes := []change{
		{name: "file", do: write("/run/cni-chain/net/10.0.0.2", "one"), want: []string{
			"+ file /run/cni-chain: mode drwxr-xr-x, owner 0:0", "+ file /run/cni-chain/net: mode drwxr-xr-x, owner 0:0",
			"+ " + lease + ": mode -rw-r--r--, owner 0:0, size 3, sha256 7692c3ad3540bb80",
		}},
		{name: "content", do: write("/run/cni-chain/net/10.0.0.2", "two"),
			want: []string{"~ " + lease + ": sha256 7692c3ad3540bb80 -> 3fc4ccfe745870e2"}},
		{name: "mode", do: func() error { return os.Chmod("/run/cni-chain/net/10.0.0.2", 0o600) },
			want: []string{"~ " + lease + ": mode -rw-r--r-- -> -rw-------"}},
		{name: "lock", do: write("/run/cni-chain/lock/cni0", "")},
		{name: "iptables' lock", do: write("/run/xtables.lock", "")},
		{name: "file gone, empty directories left", do: func() error { return os.Remove("/run/cni-chain/net/10.0.0.2") },
			some: []string{"- file /run/cni-chain: ", "- file /run/cni-chain/net: ", "- " + lease}},
		{name: "directory of others", do: func() error { return os.MkdirAll("/run/somebody", 0o700) },
			want: []string{"+ file /run/somebody: mode drwx------, owner 0:0"}},
		{name: "link", do: func() error { return os.Symlink("/etc/passwd", "/run/somebody/link") },
			want: []string{"+ file /run/somebody/link: mode Lrwxrwxrwx, owner 0:0, target /etc/passwd"}},
		{name: "link led elsewhere", do: func() error {
			return errors.Join(os.Remove("/run/somebody/link"), os.Symlink("/x", "/run/somebody/link"))
		}, want: []string{"~ file /run/somebody/link: target /etc/passwd -> /x"}},
		{name: "resolv.conf of a namespace", do: write("/etc/netns/blue/resolv.conf", "nameserver 192.0.2.1\n"),
			some: []string{"+ file /etc/netns/blue/resolv.conf: mode -rw-r--r--, owner 0:0, size 21, "}},
		{name: "file of a container", do: write(root+"/etc/resolv.conf", ""),
			some: []string{"+ file " + root + "/etc/resolv.conf: mode -rw-r--r--, owner 0:0, size 0, "}},
		{name: "mount", do: func() error { return unix.Mount("tmpfs", root, "tmpfs", 0, "") },
			some: []string{"+ mount " + root + ": type tmpfs, source tmpfs, root /, options rw,relatime"}},
		{name: "mount gone", do: func() error { return unix.Unmount(root, 0) }, some: []string{"- mount " + root + ": "}},
	}
	for _, c := range changes {
		t.Run(c.name, func(t *testing.T) { checkHostChange(t, scope, c) })
	}
}

func checkHostChange(t *testing.T, scope testnet.Scope, c change) {
	t.Helper()
	before := testnet.TakeScope(t, scope)
	if err := c.do(); err != nil {
		t.Fatal(err)
	}
	var want string
	if len(c.want) > 0 {
		want = "host:\n  " + strings.Join(c.want, "\n  ") + "\n"
	}
	got := testnet.Diff(before, testnet.TakeScope(t, scope))
	if diff := cmp.Diff(want, got); diff != "" && c.some == nil {
		t.Errorf("Diff (-want +got):\n%s", diff)
	}
	for _, line := range c.some {
		if !strings.Contains(got, "\n  "+line) {
			t.Errorf("Diff lacks %q:\n%s", line, got)
		}
	}
}

func TestDiffOfNamespaces(t *testing.T) {
	testnet.Need(t)
	before := testnet.Take(t)
	ns := testnet.NamedNS(t, "blue")
	after := testnet.Take(t)
	if diff := cmp.Diff("host:\n  + namespace blue\n", testnet.Diff(before, after)); diff != "" {
		t.Errorf("created (-want +got):\n%s", diff)
	}
	if err := unix.Unmount(ns.Path, unix.MNT_DETACH); err != nil {
		t.Fatal(err)
	}
	if diff := testnet.Diff(after, testnet.Take(t, ns)); !strings.Contains(diff, "~ namespace blue: error none -> ") {
		t.Errorf("unmounted:\n%s", diff)
	}
}

func TestVolatile(t *testing.T) {
	ns := testnet.NewNS(t)
	if err := ns.Do(setUpBridge); err != nil {
		t.Fatal(err)
	}
	volatile := testnet.TakeScope(t, testnet.Scope{Namespaces: []*testnet.NS{ns}, Volatile: true})
	for key, field := range map[string]string{"p0": "port-state", "br0": "operstate"} {
		if _, ok := volatile.Get(ns.Name, testnet.Links, key, field); !ok {
			t.Errorf("%s of %s is not in the snapshot", field, key)
		}
		if _, ok := testnet.Take(t, ns).Get(ns.Name, testnet.Links, key, field); ok {
			t.Errorf("%s of %s is in a snapshot without what is volatile", field, key)
		}
	}
}

func TestConntrack(t *testing.T) {
	host, outside := testnet.HostNS(t), testnet.NewOutside(t)
	// Connections are tracked when there is a rule that needs it.
	if err := nftChange(masqueradeAll)(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := nftChange(dropTable)(); err != nil {
			t.Error(err)
		}
	})
	scope := testnet.Scope{Sections: []testnet.Section{testnet.Conntrack}}
	before := testnet.TakeScope(t, scope)
	port := outside.StartServer(t, "udp", "192.0.2.2:7777")
	if port != 7777 {
		t.Errorf("port is %d", port)
	}
	answer := host.MustAsk(t, "udp", "192.0.2.2:7777")
	want := "+ conntrack proto 17 " + answer.Source.String() + " to 192.0.2.2:7777: answered-by 192.0.2.2:7777, "
	if diff := testnet.Diff(before, testnet.TakeScope(t, scope)); !strings.Contains(diff, want) {
		t.Errorf("Diff lacks %q:\n%s", want, diff)
	}
	if all := testnet.Take(t).Only(testnet.Conntrack).String(); all != "" {
		t.Errorf("not asked for:\n%s", all)
	}
}

func TestSnapshotParts(t *testing.T) {
	ns := testnet.NewNS(t)
	before := testnet.Take(t, ns)
	if err := ns.Do(setUpBridge); err != nil {
		t.Fatal(err)
	}
	after := testnet.Take(t, ns)
	if diff := testnet.Diff(before.Without(testnet.Links, testnet.FDB, testnet.Sysctls),
		after.Without(testnet.Links, testnet.FDB, testnet.Sysctls)); diff != "" {
		t.Errorf("without what has changed:\n%s", diff)
	}
	diff := testnet.Diff(before.Only(testnet.Links), after.Only(testnet.Links))
	if strings.Count(diff, "\n  + link ") != 3 {
		t.Errorf("links:\n%s", diff)
	}
	if mac, ok := after.Get(ns.Name, testnet.Links, "br0", "mac"); mac != "02:00:00:00:00:01" || !ok {
		t.Errorf("MAC of br0 is %q, %t", mac, ok)
	}
	if _, ok := after.Get("host", testnet.Links, "br0", "mac"); ok {
		t.Error("br0 is said to be on the host")
	}
	scoped := testnet.TakeScope(t, testnet.Scope{Sections: []testnet.Section{testnet.Rules}})
	if other := scoped.Without(testnet.Rules).String(); other != "" || len(scoped.Objects()) == 0 {
		t.Errorf("a snapshot of rules has\n%s", scoped)
	}
}

// Changes are what Diff writes, for whoever writes it otherwise.
func TestChanges(t *testing.T) {
	dir := t.TempDir()
	scope := testnet.Scope{Sections: []testnet.Section{testnet.Files}, Trees: []string{dir}}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("a", "")
	write("b", "one")
	before := testnet.TakeScope(t, scope)
	write("b", "other")
	write("c", "")
	if err := os.Remove(filepath.Join(dir, "a")); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range testnet.Changes(before, testnet.TakeScope(t, scope)) {
		text := filepath.Base(c.Object().Key)
		if len(c.Fields()) > 0 {
			text += " " + c.Fields()[0]
		}
		got = append(got, text, c.String()[:2])
	}
	if want := []string{"a", "- ", "b size 3 -> 5", "~ ", "c", "+ "}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if n := len(before.Objects()); n != 3 {
		t.Errorf("%d objects, want the directory and two files", n)
	}
}

func BenchmarkTake(b *testing.B) {
	ns := testnet.NewNS(b)
	testnet.NewOutside(b)
	if err := ns.Do(setUpBridge); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		testnet.Take(b, ns)
	}
}
