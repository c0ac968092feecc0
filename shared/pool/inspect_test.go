// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cni-chain/cni-chain/shared/owner"
)

func writeHostLocal(t testing.TB, dir string, content map[string]string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range content {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestImportFromHostLocal(t *testing.T) {
	top := tempDir(t)
	source := filepath.Join(top, "networks", "podnet")
	writeHostLocal(t, source, map[string]string{
		"10.0.0.2":           "abc\r\neth0",
		"2001:db8::5":        "abc\r\neth0",
		"10.0.0.3":           "abc\r\neth1",
		"10.0.0.4":           "old", // as host-local before 0.8 wrote it
		"10.0.0.5":           "",    // left by a crash
		"10.0.0.6":           "def\neth0\n",
		"last_reserved_ip.0": "10.0.0.6",
		"last_reserved_ip.1": "2001:db8::5",
		"last_reserved_ip.2": "rubbish",
		"lock":               "",
		"readme":             "x\r\neth0",
	})
	original := read(t, source)
	for name, from := range map[string]string{
		"the data directory": filepath.Join(top, "networks"),
		"the network's":      source,
	} {
		t.Run(name, func(t *testing.T) {
			conf := Config{
				DataDir: filepath.Join(tempDir(t), "pool"), ImportFrom: from,
				Subnet: "10.0.0.0/28", Ranges: [][]Range{{{Subnet: "2001:db8::/64"}}},
			}
			p := open(t, conf)
			t.Cleanup(func() { os.Remove(filepath.Join(source, imported+"podnet")) })

			abc := owner.Owner{Network: "podnet", ContainerID: "abc", IfName: "eth0"}
			if err := p.Check(t.Context(), abc, Request{}, addresses("10.0.0.2", "2001:db8::5")); err != nil {
				t.Error(err)
			}
			want(t, lease(t, p, container(1)), "10.0.0.7/28 via 10.0.0.1, 2001:db8::6/64 via 2001:db8::1")
			held, err := p.List()
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, h := range held {
				for _, a := range h.Addresses {
					got = append(got, h.Tag+" "+a.String())
				}
			}
			if diff := cmp.Diff([]string{
				"cni-chain:podnet/abc/eth0 10.0.0.2", "cni-chain:podnet/abc/eth0 2001:db8::5", "cni-chain:podnet/abc/eth1 10.0.0.3",
				"cni-chain:podnet/c1/eth0 10.0.0.7", "cni-chain:podnet/c1/eth0 2001:db8::6",
				"cni-chain:podnet/def/eth0 10.0.0.6", "cni-chain:podnet/old/ 10.0.0.4",
			}, got); diff != "" {
				t.Error(diff)
			}

			// They are the pool's own from now on, and do not come back.
			for _, o := range []owner.Owner{abc, {Network: "podnet", ContainerID: "old", IfName: "eth0"}, container(1)} {
				release(t, p, o)
			}
			keep := []owner.Owner{{Network: "podnet", ContainerID: "def", IfName: "eth0"}}
			if err := p.GC(t.Context(), keep); err != nil {
				t.Error(err)
			}
			release(t, Open("podnet", conf), keep[0])
			wantClean(t, p)

			// A reboot forgets the pool, and what host-local left is of containers that are gone with it.
			if err := os.RemoveAll(conf.DataDir); err != nil {
				t.Fatal(err)
			}
			want(t, lease(t, p, container(1)), "10.0.0.2/28 via 10.0.0.1, 2001:db8::2/64 via 2001:db8::1")
			after := read(t, source)
			delete(after, imported+"podnet")
			if diff := cmp.Diff(original, after); diff != "" {
				t.Errorf("host-local's directory was changed:\n%s", diff)
			}
		})
	}
}

func TestReleaseAsTheFirstThingAfterMovingOver(t *testing.T) {
	top := tempDir(t)
	source := filepath.Join(top, "networks", "podnet")
	writeHostLocal(t, source, map[string]string{"10.0.0.2": "c1\r\neth0", "10.0.0.3": "c2\r\neth0"})
	p := open(t, Config{DataDir: filepath.Join(top, "pool"), ImportFrom: source, Subnet: "10.0.0.0/28"})
	release(t, p, container(1))
	want(t, lease(t, p, container(3)), "10.0.0.2/28 via 10.0.0.1")
}

func TestImportLeavesWhatIsLeasedAlready(t *testing.T) {
	top := tempDir(t)
	source := filepath.Join(top, "networks", "podnet")
	p := open(t, Config{DataDir: filepath.Join(top, "pool"), Subnet: "10.0.0.0/28"})
	lease(t, p, container(1))
	writeHostLocal(t, source, map[string]string{"10.0.0.2": "c8\r\neth0", "10.0.0.3": "c8\r\neth0"})
	p.conf.ImportFrom = source
	release(t, p, container(8))
	if err := p.Check(t.Context(), container(1), Request{}, addresses("10.0.0.2")); err != nil {
		t.Error(err)
	}
	release(t, p, container(1))
	wantClean(t, p)
}

func TestImportOfNothing(t *testing.T) {
	p := open(t, Config{ImportFrom: filepath.Join(tempDir(t), "none"), Subnet: "10.0.0.0/28"})
	release(t, p, container(1))
	if got := files(t, p.conf.DataDir); len(got) > 0 {
		t.Errorf("made %v", got)
	}
	want(t, lease(t, p, container(1)), "10.0.0.2/28 via 10.0.0.1")
}

func TestCheck(t *testing.T) {
	p := open(t, Config{Subnet: "10.0.0.0/28", Ranges: [][]Range{{{Subnet: "fd00::/64"}}}})
	lease(t, p, container(1))
	lease(t, p, container(2))
	check := func(ips ...string) error { return p.Check(t.Context(), container(1), Request{}, addresses(ips...)) }
	for _, ips := range [][]string{nil, {"10.0.0.2"}, {"10.0.0.2", "fd00::2"}, {"10.0.0.2", "192.168.0.1"}} {
		if err := check(ips...); err != nil {
			t.Errorf("%v: %v", ips, err)
		}
	}
	fails(t, check("10.0.0.3"), "10.0.0.3 is in the pool's ranges but not leased to")
	fails(t, p.Check(t.Context(), container(9), Request{}, nil), "holds no address for")
	if err := os.Remove(filepath.Join(p.Dir(), "fd00::2")); err != nil {
		t.Fatal(err)
	}
	fails(t, check("10.0.0.2"), "fd00::2")
}

func TestGCKeepsToItsNetwork(t *testing.T) {
	blue := open(t, Config{Subnet: "10.0.0.0/28", Pool: "shared"})
	green := Open("green", blue.conf)
	greens := owner.Owner{Network: "green", ContainerID: "c1", IfName: "eth0"}
	want(t, lease(t, blue, container(1)), "10.0.0.2/28 via 10.0.0.1")
	want(t, lease(t, green, greens), "10.0.0.3/28 via 10.0.0.1")
	want(t, lease(t, blue, container(2)), "10.0.0.4/28 via 10.0.0.1")
	if err := blue.GC(t.Context(), []owner.Owner{container(2)}); err != nil {
		t.Error(err)
	}
	left := map[string]string{"10.0.0.3": greens.Tag(), "10.0.0.4": container(2).Tag()}
	if diff := cmp.Diff(left, holders(t, blue)); diff != "" {
		t.Error(diff)
	}
	if err := green.GC(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if err := blue.GC(t.Context(), nil); err != nil {
		t.Error(err)
	}
	wantClean(t, blue)
}

func TestALostOwnerFile(t *testing.T) {
	p := open(t, Config{Subnet: "10.0.0.0/28", Ranges: [][]Range{{{Subnet: "fd00::/64"}}}})
	lose := func() {
		t.Helper()
		lease(t, p, container(1))
		if err := os.Remove(filepath.Join(p.Dir(), recordName(container(1)))); err != nil {
			t.Fatal(err)
		}
		fails(t, p.Check(t.Context(), container(1), Request{}, nil), "holds no address")
	}
	lose()
	lease(t, p, container(2))
	if err := p.Release(t.Context(), container(1), addresses("10.0.0.2", "fd00::2", "10.0.0.3")...); err != nil {
		t.Error(err)
	}
	left := map[string]string{"10.0.0.3": container(2).Tag(), "fd00::3": container(2).Tag()}
	if diff := cmp.Diff(left, holders(t, p)); diff != "" {
		t.Error(diff)
	}
	lose()
	if err := p.GC(t.Context(), []owner.Owner{container(2)}); err != nil {
		t.Error(err)
	}
	release(t, p, container(2))
	wantClean(t, p)
}

func TestGCGoesOnOverErrors(t *testing.T) {
	p := open(t, small)
	for i := range 3 {
		lease(t, p, container(i))
	}
	broken := errors.New("broken")
	p.step = func(what string) error {
		if what == "remove 10.0.0.3" {
			return broken
		}
		return nil
	}
	if err := p.GC(t.Context(), nil); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff(map[string]string{"10.0.0.3": container(1).Tag()}, holders(t, p)); diff != "" {
		t.Error(diff)
	}
}

func TestStatus(t *testing.T) {
	p := open(t, small)
	if err := p.Status(t.Context()); err != nil {
		t.Errorf("before the first lease: %v", err)
	}
	if got := files(t, p.conf.DataDir); len(got) > 0 {
		t.Errorf("status made %v", got)
	}
	for i := range 5 {
		if err := p.Status(t.Context()); err != nil {
			t.Errorf("with %d leases: %v", i, err)
		}
		lease(t, p, container(i))
	}
	fails(t, p.Status(t.Context()), "no address left in 10.0.0.1-10.0.0.6 (5 leased)")
	file := filepath.Join(tempDir(t), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p = open(t, Config{DataDir: filepath.Join(file, "pool"), Subnet: "10.0.0.0/28"})
	fails(t, p.Status(t.Context()), "not a directory")
}

func read(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, name := range files(t, dir) {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		all[name] = string(data)
	}
	return all
}
