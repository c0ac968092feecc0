// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package resolv

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestInherit(t *testing.T) {
	const etc = "etc/resolv.conf"
	const systemd, nm = "run/systemd/resolve/resolv.conf", "run/NetworkManager/no-stub-resolv.conf"
	for _, tc := range []struct {
		name    string
		files   map[string]string
		want    Config
		path    string
		dropped []string // each a part of one sentence
	}{
		{"plain", map[string]string{etc: "nameserver 192.0.2.1\nsearch a\nsortlist 192.0.2.0\n",
			systemd: "nameserver 9.9.9.9\n"},
			Config{Servers: []string{"192.0.2.1"}, Search: []string{"a"}, Other: []string{"sortlist 192.0.2.0"}},
			etc, nil},
		{"behind systemd-resolved", map[string]string{etc: "nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch .\n",
			systemd: "nameserver 192.0.2.2\nsearch b\n", nm: "nameserver 9.9.9.9\n"},
			Config{Servers: []string{"192.0.2.2"}, Search: []string{"b"}}, systemd, nil},
		{"behind NetworkManager", map[string]string{etc: "nameserver 127.0.0.1\n", nm: "nameserver 192.0.2.3\n",
			systemd: "nameserver 9.9.9.9\n"},
			Config{Servers: []string{"192.0.2.3"}}, nm, nil},
		{"a stub with nothing behind it", map[string]string{etc: "nameserver 127.0.0.53\nnameserver ::1\nsearch a\n"},
			Config{Search: []string{"a"}}, etc, []string{"127.0.0.53", "::1"}},
		{"a stub with a stub behind it", map[string]string{etc: "nameserver 127.0.0.1\n", nm: "nameserver 127.0.0.53\n"},
			Config{}, nm, []string{"127.0.0.53"}},
		{"local servers among others", map[string]string{etc: "nameserver 127.0.0.53\nnameserver fe80::1%eth0\n" +
			"nameserver 0.0.0.0\nnameserver ::ffff:127.0.0.1\nnameserver 192.0.2.1\n" +
			"nameserver fe80::2\nnameserver 169.254.169.253\n",
			systemd: "nameserver 9.9.9.9\n"},
			Config{Servers: []string{"192.0.2.1", "fe80::2", "169.254.169.253"}}, "etc/resolv.conf",
			[]string{"127.0.0.53", "fe80::1%eth0", "0.0.0.0", "::ffff:127.0.0.1"}},
		{"invalid values", map[string]string{etc: "nameserver dns.example\nnameserver 192.0.2.1\nsearch a..b c\n"},
			Config{Servers: []string{"192.0.2.1"}, Search: []string{"c"}}, etc,
			[]string{"dns.example", "a..b"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			root := t.TempDir()
			for name, content := range tc.files {
				put(t, filepath.Join(root, name), content)
			}
			got, err := inherit(root, filepath.Join(root, "etc/resolv.conf"))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got.Config); diff != "" {
				t.Errorf("Config (-want +got):\n%s", diff)
			}
			if want := filepath.Join(root, tc.path); got.Path != want {
				t.Errorf("Path = %s, want %s", got.Path, want)
			}
			if len(got.Dropped) != len(tc.dropped) {
				t.Fatalf("Dropped = %q, want %d", got.Dropped, len(tc.dropped))
			}
			for i, part := range tc.dropped {
				if !strings.Contains(got.Dropped[i], part) {
					t.Errorf("Dropped %q does not name %q", got.Dropped[i], part)
				}
			}
		})
	}
}

func TestReadRefuses(t *testing.T) {
	dir := t.TempDir()
	if _, err := Inherit(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	if _, err := Read(dir); err == nil {
		t.Error("a directory is read")
	}
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(fifo); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a pipe: %v", err)
	}
	big := filepath.Join(dir, "big")
	put(t, big, strings.Repeat("#\n", MaxFile))
	if _, err := Read(big); err == nil {
		t.Error("a file of 2 MiB is read")
	}
}

func put(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
