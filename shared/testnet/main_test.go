// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package testnet_test

import (
	"bytes"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cni-chain/cni-chain/shared/testnet"
)

// names lists the interfaces of the calling thread's namespace.
func names() ([]string, error) {
	links, err := net.Interfaces()
	var list []string
	for _, link := range links {
		list = append(list, link.Name+" "+link.Flags.String())
	}
	return list, err
}

func TestHostHasNothingSetUp(t *testing.T) {
	testnet.Need(t)
	got, err := names()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"lo up|loopback|running"}, got); diff != "" {
		t.Errorf("interfaces (-want +got):\n%s", diff)
	}
	forward, err := os.ReadFile("/proc/sys/net/ipv4/ip_forward")
	if err != nil || string(forward) != "0\n" {
		t.Errorf("ip_forward is %q, %v", forward, err)
	}
	if os.Geteuid() != 0 {
		t.Errorf("user is %d, want 0", os.Geteuid())
	}
	for _, dir := range []string{"/run/netns", "/etc/netns", "/var/lib/cni", "/run/layers"} {
		entries, err := os.ReadDir(dir)
		if len(entries) > 0 || err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s has %v, %v", dir, entries, err)
		}
	}
}

func TestMachineFilesAreNotReached(t *testing.T) {
	testnet.Need(t)
	for _, dir := range []string{"/etc/netns/x", "/run/x", "/var/lib/cni/x"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Error(err)
		}
		if err := os.WriteFile(dir+"/file", nil, 0o600); err != nil {
			t.Error(err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	}
}

func TestNewNS(t *testing.T) {
	var path string
	t.Run("open", func(t *testing.T) {
		ns := testnet.NewNS(t)
		path = ns.Path
		if ns.Path != "/run/netns/"+ns.Name {
			t.Errorf("path is %q for %q", ns.Path, ns.Name)
		}
		list := func() []string {
			var list []string
			if err := ns.Do(func() (err error) { list, err = names(); return err }); err != nil {
				t.Fatal(err)
			}
			return list
		}
		if diff := cmp.Diff([]string{"lo loopback"}, list()); diff != "" {
			t.Errorf("new namespace (-want +got):\n%s", diff)
		}
		if err := ns.Up("lo"); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"lo up|loopback|running"}, list()); diff != "" {
			t.Errorf("after Up (-want +got):\n%s", diff)
		}
	})
	if _, err := os.Stat(path); path != "" && !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after the test: %v", err)
	}
}

func TestCommandSeesFilesOfTheNamespace(t *testing.T) {
	ns := testnet.NewNS(t)
	if _, err := os.Stat("/etc/resolv.conf"); err != nil {
		t.Skip("the machine has no /etc/resolv.conf to put another over")
	}
	if err := os.MkdirAll("/etc/netns/"+ns.Name, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll("/etc/netns") })
	if err := os.WriteFile("/etc/netns/"+ns.Name+"/resolv.conf", []byte("nameserver 192.0.2.53\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := ns.Command("sh", "-c", "cat /etc/resolv.conf; readlink /proc/self/ns/net; exit 3").Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 3 {
		t.Fatalf("exit status: %v", err)
	}
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	resolver, network, _ := strings.Cut(string(out), "\n")
	if resolver != "nameserver 192.0.2.53" || !strings.HasPrefix(network, "net:[") || network == own+"\n" {
		t.Errorf("got %q", out)
	}
	if now, _ := os.ReadFile("/etc/resolv.conf"); bytes.Contains(now, []byte("192.0.2.53")) {
		t.Error("the file was put over the host's")
	}
}

func TestContainer(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(root+"/inside", []byte("yes"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct{ root, file string }{
		"own root":    {root, "/inside"},
		"host's root": {"", "/proc"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			container := testnet.NewContainer(t, test.root)
			if want := "/proc/"; !strings.HasPrefix(container.Path, want) {
				t.Errorf("path is %q", container.Path)
			}
			if _, err := os.Stat("/proc/" + strings.Split(container.Path, "/")[2] + "/root" + test.file); err != nil {
				t.Error(err)
			}
			var list []string
			if err := container.Do(func() (err error) { list, err = names(); return err }); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{"lo up|loopback|running"}, list); diff != "" {
				t.Errorf("interfaces (-want +got):\n%s", diff)
			}
			if err := container.Close(); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(container.Path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("after Close: %v", err)
			}
		})
	}
	t.Run("root that is not there", func(t *testing.T) {
		testnet.Need(t)
		if _, err := testnet.StartContainer("none", root+"/missing"); err == nil {
			t.Error("no error")
		}
	})
}
