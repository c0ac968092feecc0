// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package sysctl

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/netns"
)

func TestGet(t *testing.T) {
	got, err := Get("kernel/ostype")
	if err != nil || got != "Linux" {
		t.Fatalf("Get(kernel/ostype) = %q, %v; want Linux", got, err)
	}
	if _, err := Get("net/ipv4/conf", "lo", "forwarding"); err != nil {
		t.Error(err)
	}
}

func TestGetRefuses(t *testing.T) {
	for _, name := range []string{"", "/kernel/ostype", "kernel//ostype", "kernel/../kernel/ostype", "net/./ipv4", "a\x00b"} {
		if _, err := Get(name); !errors.Is(err, unix.EINVAL) {
			t.Errorf("Get(%q) = %v, want EINVAL", name, err)
		}
	}
	_, err := Get("net/ipv6/conf/nosuchlink/disable_ipv6")
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "nosuchlink") {
		t.Errorf("got %v, want an error with fs.ErrNotExist and the name", err)
	}
}

func TestSetWritesOnlyWhatDiffers(t *testing.T) {
	ns, err := netns.New()
	if errors.Is(err, unix.EPERM) {
		t.Skip("needs the right to make a network namespace")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	const name = "net/ipv4/ip_forward"
	for _, step := range []struct {
		value   string
		changed bool
		old     string
	}{{"1", true, "0"}, {"1", false, "1"}, {"0", true, "1"}} {
		err := netns.Do(ns, func() error {
			if err := start(t, name, step.old); err != nil {
				return err
			}
			changed, old, err := Set(name, step.value)
			if changed != step.changed || old != step.old {
				t.Errorf("Set(%s, %s) = %v, %q; want %v, %q", name, step.value, changed, old, step.changed, step.old)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// start brings the parameter to where the step starts: a new namespace may inherit the host's value.
func start(t *testing.T, name, value string) error {
	t.Helper()
	return os.WriteFile(root+name, []byte(value), 0)
}

func TestErrorsSayWhatToDo(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"net/ipv4/ip_forward", unix.EROFS, "read-only file system: /proc/sys cannot be written"},
		{"net/ipv4/ip_forward", unix.EPERM, "sysctl -w net/ipv4/ip_forward=1"},
		{"net/ipv6/conf/all/forwarding", unix.ENOENT, "without IPv6"},
		{"net/ipv4/nosuch", unix.ENOENT, "no such parameter"},
	} {
		err := explain("set", c.name, "1", c.err)
		if !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.name) {
			t.Errorf("got %q, want %q in it", err, c.want)
		}
	}
}
