// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/cni-chain/cni-chain/shared/testnet"
)

// childVar has the arguments of an installation in a process of its own.
const childVar = "INSTALL_CHILD"

// init keeps the installation of a child on one thread, as strace counts calls by thread.
func init() {
	if os.Getenv(childVar) != "" {
		runtime.LockOSThread()
	}
}

// runChild installs conflists, if this process was started for that.
func runChild() {
	args := os.Getenv(childVar)
	if args == "" {
		return
	}
	conf, in, _ := strings.Cut(args, ":")
	if err := replaceConflists(conf, in); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// TestKilled kills an installation at each of its system calls that change something: every file is the old one or the
// new one as a whole, what is there is known to be ours, and the next installation and the removal leave nothing.
func TestKilled(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		testnet.Lacks(t, "the program strace")
	}
	points := 0
	for _, call := range []string{"openat", "write", "fchmod", "fsync", "renameat", "unlinkat"} {
		for n := 1; killedAt(t, strace, call, n); n++ {
			points++
		}
	}
	if points < 15 {
		t.Errorf("only %d points", points)
	}
	t.Logf("killed at %d points", points)
}

// killedAt upgrades one conflist, installs another, and is killed at the n-th call; false if it does not come to that.
func killedAt(t *testing.T, strace, call string, n int) bool {
	t.Helper()
	h := newHost(t)
	h.conflist("10-a.conflist", "a", "old")
	if err := replaceConflists(h.conf, h.in); err != nil {
		t.Fatal(err)
	}
	h.conflist("10-a.conflist", "a", "new")
	h.conflist("20-b.conflist", "b", "new")
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(strace, "-f", "-qq", "-e", "trace="+call, "-o", os.DevNull,
		"-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", call, n), program)
	cmd.Env = append(os.Environ(), childVar+"="+h.conf+":"+h.in)
	out, err := cmd.CombinedOutput()
	if err == nil {
		return false
	}
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("%v: %s", err, out)
	}
	for _, name := range []string{"10-a.conflist", "20-b.conflist"} {
		data, err := os.ReadFile(filepath.Join(h.conf, name))
		if text := string(data); err == nil && !strings.HasSuffix(text, "}]}") || err != nil && name == "10-a.conflist" {
			t.Errorf("killed at %s %d: %s is %q, %v", call, n, name, text, err)
		}
	}
	if n%2 == 0 { // the next installation finds its way, or nobody tries again
		if err := replaceConflists(h.conf, h.in); err != nil {
			t.Errorf("killed at %s %d: %v", call, n, err)
		}
	}
	if got, err := h.uninstall(); err != nil {
		t.Errorf("killed at %s %d: %s%v", call, n, got, err)
	}
	if left := files(t, h.conf); left != nil {
		t.Errorf("killed at %s %d: %v is left", call, n, left)
	}
	return true
}

// replaceConflists installs those of a directory, whatever is there.
func replaceConflists(conf, in string) error {
	conflists, err := readConflists([]string{in})
	if err != nil {
		return err
	}
	return installConflists(Options{ConfDir: conf, Force: true}, conflists, func(Outcome) {})
}
