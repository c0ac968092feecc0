// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package lock_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/lock"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// holdVar makes this test binary a program that takes the lock of that name and holds it until stdin is closed.
const holdVar = "LOCK_TEST_HOLD"

func TestMain(m *testing.M) {
	if name := os.Getenv(holdVar); name != "" {
		hold(name) // in the namespaces of the test that wants it, so before Main
	}
	testnet.Main(m)
}

func hold(name string) {
	release, err := lock.Acquire(context.Background(), name)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("held")
	_, _ = io.Copy(io.Discard, os.Stdin)
	release()
	os.Exit(0)
}

// mustAcquire takes the lock at once, or fails.
func mustAcquire(t *testing.T, name string) func() {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	release, err := lock.Acquire(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	return release
}

// refused takes the lock with a context that is over, and requires that it is held.
func refused(t *testing.T, name string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if release, err := lock.Acquire(ctx, name); !errors.Is(err, context.Canceled) {
		t.Errorf("took a lock that is held: %v", err)
		if release != nil {
			release()
		}
	}
}

func TestAcquire(t *testing.T) {
	testnet.Need(t)
	release := mustAcquire(t, "bridge-cni0")
	refused(t, "bridge-cni0")
	mustAcquire(t, "bridge-cni1")()
	release()
	mustAcquire(t, "bridge-cni0")()
	info, err := os.Stat(lock.Dir + "/bridge-cni0")
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("the file is to stay, with mode 0600: %v, %v", info, err)
	}
	dir, err := os.Stat(lock.Dir)
	if err != nil || dir.Mode().Perm() != 0o700 {
		t.Errorf("directory: %v, %v", dir, err)
	}
}

func TestWaitEndsWithTheContext(t *testing.T) {
	testnet.Need(t)
	release := mustAcquire(t, "wait")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := lock.Acquire(ctx, "wait"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	// Who has given up must not keep the lock when it gets it after all.
	release()
	mustAcquire(t, "wait")()
}

func TestNames(t *testing.T) {
	testnet.Need(t)
	for _, name := range []string{"a", "cni0", "pool net", "a..b", strings.Repeat("x", 255)} {
		mustAcquire(t, name)()
	}
	bad := []string{"", ".", "..", ".hidden", "a/b", "/etc/passwd", "../x", "a\x00b", strings.Repeat("x", 256)}
	for _, name := range bad {
		if _, err := lock.Acquire(t.Context(), name); err == nil {
			t.Errorf("took a lock of name %q", name)
		}
	}
}

func TestLinksAreNotFollowed(t *testing.T) {
	testnet.Need(t)
	mustAcquire(t, "first")()
	victim := t.TempDir() + "/victim"
	if err := os.Symlink(victim, lock.Dir+"/trap"); err != nil {
		t.Fatal(err)
	}
	if _, err := lock.Acquire(t.Context(), "trap"); !errors.Is(err, unix.ELOOP) {
		t.Errorf("a file that is a link: %v", err)
	}
	if err := os.RemoveAll(lock.Dir); err != nil {
		t.Fatal(err)
	}
	elsewhere := t.TempDir()
	if err := os.Symlink(elsewhere, lock.Dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(lock.Dir) })
	if _, err := lock.Acquire(t.Context(), "name"); err == nil {
		t.Error("a directory that is a link: no error")
	}
	if left, err := os.ReadDir(elsewhere); len(left) > 0 || err != nil {
		t.Errorf("made %v, %v", left, err)
	}
}

func TestOneAtATime(t *testing.T) {
	testnet.Need(t)
	var group sync.WaitGroup
	var inside, counter atomic.Int32
	for range 20 {
		group.Go(func() {
			for range 10 {
				release := mustAcquire(t, "counter")
				if now := inside.Add(1); now != 1 {
					t.Errorf("%d hold the lock", now)
				}
				counter.Add(1)
				inside.Add(-1)
				release()
			}
		})
	}
	group.Wait()
	if got := counter.Load(); got != 200 {
		t.Errorf("counted %d, want 200", got)
	}
}

func TestKilledHolderLeavesTheLockFree(t *testing.T) {
	testnet.Need(t)
	holder := exec.Command("/proc/self/exe")
	holder.Env = append(os.Environ(), holdVar+"=killed")
	if _, err := holder.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		t.Fatalf("read %q: %v", line, err)
	}
	refused(t, "killed")
	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, isExit := errors.AsType[*exec.ExitError](holder.Wait()); !isExit {
		t.Error("the holder was not killed")
	}
	mustAcquire(t, "killed")()
}
