// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package netns_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/netns"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

func TestMain(m *testing.M) { testnet.Main(m) }

// id names the namespace of the calling thread.
func id() string {
	name, _ := os.Readlink("/proc/thread-self/ns/net")
	return name
}

func newNS(t *testing.T) *os.File {
	t.Helper()
	ns, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ns.Close() })
	return ns
}

func TestOpenRefuses(t *testing.T) {
	testnet.Need(t)
	dir := t.TempDir()
	file, pipe, socket := filepath.Join(dir, "file"), filepath.Join(dir, "pipe"), filepath.Join(dir, "socket")
	if err := errors.Join(os.WriteFile(file, nil, 0o600), unix.Mkfifo(pipe, 0o600)); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	tests := map[string]struct {
		path, text string
		is         error
	}{
		"missing":            {"/run/netns/missing", "no such file", fs.ErrNotExist},
		"empty":              {"", "no such file", fs.ErrNotExist},
		"directory":          {dir, "a directory", netns.ErrNotNetNS},
		"file":               {file, "has the namespace been unmounted?", netns.ErrNotNetNS},
		"beneath a file":     {file + "/x", "not a directory", unix.ENOTDIR},
		"pipe":               {pipe, "not a network namespace", netns.ErrNotNetNS},
		"socket":             {socket, "not a network namespace", netns.ErrNotNetNS},
		"device":             {"/dev/null", "not a network namespace", netns.ErrNotNetNS},
		"mount namespace":    {"/proc/self/ns/mnt", "of another kind", netns.ErrNotNetNS},
		"process that ended": {"/proc/4194305/ns/net", "no such file", fs.ErrNotExist},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			ns, err := netns.Open(test.path)
			if err == nil {
				ns.Close()
				t.Fatal("no error")
			}
			if !errors.Is(err, test.is) || !strings.Contains(err.Error(), test.text) {
				t.Errorf("error %q, want one with %q that is %q", err, test.text, test.is)
			}
		})
	}
}

func TestOpenForms(t *testing.T) {
	ns := testnet.NewNS(t)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(ns.Path, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{ns.Path, link} {
		opened, err := netns.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		same, err := netns.Same(opened, ns.File())
		if !same || err != nil {
			t.Errorf("%s opens another namespace, %v", path, err)
		}
		opened.Close()
	}
	own, err := netns.Open("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	if same, err := netns.Same(own, ns.File()); same || err != nil {
		t.Errorf("the process' own namespace is said to be another: %t, %v", same, err)
	}
}

func TestDo(t *testing.T) {
	testnet.Need(t)
	ns, home := newNS(t), id()
	var inside string
	fault := errors.New("fault")
	if err := netns.Do(ns, func() error { inside = id(); return fault }); err != fault { //nolint:errorlint // as it is
		t.Errorf("error is %v, want fn's own", err)
	}
	if inside == home || inside == "" {
		t.Errorf("inside is %q, home %q", inside, home)
	}
	if now := id(); now != home {
		t.Errorf("afterwards in %q, want %q", now, home)
	}
}

func TestDoNested(t *testing.T) {
	testnet.Need(t)
	outer, inner := newNS(t), newNS(t)
	err := netns.Do(outer, func() error {
		home := id()
		err := netns.Do(inner, func() error {
			if id() == home {
				t.Error("inner is outer")
			}
			return nil
		})
		if now := id(); now != home {
			t.Errorf("after inner in %q, want %q", now, home)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestDoPath(t *testing.T) {
	named, home := testnet.NewNS(t), id()
	var inside string
	if err := netns.DoPath(named.Path, func() error { inside = id(); return nil }); err != nil || inside == home {
		t.Errorf("inside %q, %v", inside, err)
	}
	if err := netns.DoPath("/run/netns/missing", func() error { return nil }); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

func TestDoInAClosedOne(t *testing.T) {
	testnet.Need(t)
	closed := newNS(t)
	closed.Close()
	if err := netns.Do(closed, func() error { t.Error("fn was called"); return nil }); err == nil {
		t.Error("no error")
	}
}

func TestDoPanicsInTheCaller(t *testing.T) {
	testnet.Need(t)
	ns, home := newNS(t), id()
	defer func() {
		text, _ := recover().(string)
		if !strings.HasPrefix(text, "ouch\n") || !strings.Contains(text, "TestDoPanicsInTheCaller") {
			t.Errorf("recovered %q, want the value and the stack", text)
		}
		if now := id(); now != home {
			t.Errorf("afterwards in %q", now)
		}
	}()
	_ = netns.Do(ns, func() error { panic("ouch") })
	t.Error("went on after a panic")
}

func TestDoEndsTheCallerWithGoexit(t *testing.T) {
	testnet.Need(t)
	ns := newNS(t)
	var group sync.WaitGroup
	group.Go(func() {
		_ = netns.Do(ns, func() error { runtime.Goexit(); return nil })
		t.Error("went on after Goexit")
	})
	group.Wait()
}

// TestDoLeavesNoThreadBehind has many at once, each of which must be where it should be, and all threads at home
// afterwards.
func TestDoLeavesNoThreadBehind(t *testing.T) {
	testnet.Need(t)
	home := id()
	var group sync.WaitGroup
	for range 16 {
		ns := newNS(t)
		var want string
		if err := netns.Do(ns, func() error { want = id(); return nil }); err != nil {
			t.Fatal(err)
		}
		group.Go(func() {
			for range 50 {
				err := netns.Do(ns, func() error {
					if now := id(); now != want {
						t.Errorf("in %q, want %q", now, want)
					}
					return nil
				})
				if now := id(); now != home || err != nil {
					t.Errorf("afterwards in %q, %v", now, err)
				}
			}
		})
	}
	group.Wait()
	threads, err := filepath.Glob("/proc/self/task/*/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	for _, thread := range threads {
		if name, err := os.Readlink(thread); err == nil && name != home {
			t.Errorf("thread %s is in %s", thread, name)
		}
	}
}

func TestCreate(t *testing.T) {
	testnet.Need(t)
	before := testnet.Take(t)
	ns, err := netns.Create("blue")
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	if again, err := netns.Create("blue"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a name twice: %v, %v", again, err)
	}
	if _, err := netns.Open(netns.Path("blue")); err != nil {
		t.Errorf("after the refused one: %v", err)
	}
	for _, name := range []string{"", ".", "..", "a/b", strings.Repeat("x", 300)} {
		if _, err := netns.Create(name); err == nil {
			t.Errorf("made a namespace of name %q", name)
		}
	}
	for range 2 {
		if err := netns.Delete("blue"); err != nil {
			t.Errorf("delete: %v", err)
		}
	}
	if err := netns.Do(ns, func() error { return nil }); err != nil {
		t.Errorf("deleted, but open: %v", err)
	}
	if err := os.WriteFile(netns.Path("left"), nil, 0o444); err != nil {
		t.Fatal(err)
	}
	if err := netns.Delete("left"); err != nil {
		t.Errorf("delete what was never mounted: %v", err)
	}
	if diff := testnet.Diff(before, testnet.Take(t)); diff != "" {
		t.Errorf("left behind:\n%s", diff)
	}
}

func BenchmarkDo(b *testing.B) {
	testnet.Need(b)
	ns, err := netns.New()
	if err != nil {
		b.Fatal(err)
	}
	defer ns.Close()
	for b.Loop() {
		if err := netns.Do(ns, func() error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
