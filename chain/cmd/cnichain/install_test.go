// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cni-chain/cni-chain/shared/testnet"
)

// TestInstall: the whole life of what is installed, on a host that uses it.
func TestInstall(t *testing.T) {
	h := newHost(t)
	bin, conf := filepath.Join(t.TempDir(), "bin"), filepath.Join(t.TempDir(), "net.d")
	dirs := []string{"install", "--bin-dir", bin, "--conf-dir", conf}
	got := h.run(append(dirs, "--from", h.links, "--conflist", "../../../conflists/bridge.conflist")...)
	contains(t, got, "installed  "+bin+"/veth-bridge\n", "installed  "+bin+"/cnichain\n",
		"installed  "+conf+"/bridge.conflist\n")
	h.links = bin
	testnet.NamedNS(t, "blue")
	h.chain("add", "bridge.conflist", "blue")
	// By the program that was installed, which has the links beside it.
	if out, err := exec.Command(bin+"/cnichain", dirs...).CombinedOutput(); err != nil || strings.Count(string(out), "\n") != 6 {
		t.Errorf("%v\n%s", err, out)
	} else {
		contains(t, string(out), "same       "+bin+"/ip-config\n")
	}
	uninstall := append(dirs, "--uninstall")
	if code, _, stderr := cnichain(t, uninstall...); code != 1 {
		t.Errorf("it removes plugins that a container needs")
	} else {
		contains(t, stderr, "1 attachments are on this host", "blue/eth0")
	}
	h.chain("del", "bridge.conflist", "blue")
	contains(t, h.run(uninstall...), "removed    "+bin+"/port-map\n")
	contains(t, h.run(uninstall...), "nothing there was installed by cnichain")
	for _, dir := range []string{bin, conf} {
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%v is left (%v)", left, err)
		}
	}
}

// TestInstallStays: it waits until it is told to end, and that is no error.
func TestInstallStays(t *testing.T) {
	cmd := exec.Command(filepath.Join(build(t), "cnichain"), "install", "--bin-dir", t.TempDir(), "--stay")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); !strings.HasSuffix(lines.Text(), "/veth-bridge"); { // the last one
		if !lines.Scan() {
			t.Fatalf("it ends: %v", lines.Err())
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("told to end, it fails: %v", err)
	}
	// Without anything to install, in a context that is done.
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var stdout, stderr bytes.Buffer
	if code := execute(ctx, []string{"install", "--stay"}, nil, &stdout, &stderr); code != 0 || stdout.Len()+stderr.Len() > 0 {
		t.Errorf("exit status %d: %s%s", code, &stdout, &stderr)
	}
}

func TestInstallErrors(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		args       []string
	}{
		{"nothing", "--bin-dir is missing", nil},
		{"only conflists", "--bin-dir is missing", []string{"--stay", "--conf-dir", "/x"}},
		{"no place for a conflist", "--conf-dir is missing", []string{"--bin-dir", "/x", "--conflist", "y"}},
		{"uninstall of something", "leave out --from and --conflist", []string{"--bin-dir", "/x", "--uninstall", "--from", "/y"}},
		{"no plugins", "name the directory that has them with --from", []string{"--bin-dir", "/x", "--from", t.TempDir()}},
		{"an argument", "unknown command", []string{"x"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, stdout, stderr := cnichain(t, append([]string{"install"}, tt.args...)...)
			if code != 1 || !strings.Contains(stderr, tt.want) || stdout != "" {
				t.Errorf("exit status %d, %s%s", code, stdout, cmp.Diff(tt.want, stderr))
			}
		})
	}
}
