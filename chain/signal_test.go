// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package chain_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cni-chain/cni-chain/chain"
)

// TestMain lets the test binary be the link of the tests below.
func TestMain(m *testing.M) {
	kind := os.Getenv("CNI_CHAIN_TEST_LINK")
	if kind == "" {
		os.Exit(m.Run())
	}
	link := files(chain.Anywhere)
	write := link.Add
	link.Add = func(ctx context.Context, r *request) error {
		if err := write(ctx, r); err != nil {
			return err
		}
		var stopped <-chan struct{}
		if kind == "waits" {
			stopped = ctx.Done()
		}
		fmt.Fprintln(os.Stderr, "written")
		if kind == "waits" {
			<-stopped
			return context.Cause(ctx)
		}
		_, err := os.ReadFile(os.Getenv("CNI_CHAIN_TEST_FIFO"))
		return err
	}
	link.Main()
}

// running is a link that has written its file and goes no further.
type running struct {
	*exec.Cmd
	dir, fifo string
	stdout    bytes.Buffer
}

func start(t *testing.T, kind string) *running {
	t.Helper()
	r := &running{Cmd: exec.CommandContext(t.Context(), os.Args[0]), dir: t.TempDir(), fifo: filepath.Join(t.TempDir(), "fifo")}
	if err := syscall.Mkfifo(r.fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	r.Env = append(os.Environ(), "CNI_CHAIN_TEST_LINK="+kind, "CNI_CHAIN_TEST_FIFO="+r.fifo, "CNI_COMMAND=ADD",
		"CNI_CONTAINERID=c", "CNI_IFNAME=eth0", "CNI_NETNS="+ownNS, "CNI_NETNS_OVERRIDE=1")
	r.Stdin = strings.NewReader(fmt.Sprintf(`{"cniVersion":"1.1.0","name":"n","dir":%q,"files":["a"]}`, r.dir))
	r.Stdout = &r.stdout
	stderr, err := r.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := stderr.Read(make([]byte, 16)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(r.dir, "a")); err != nil {
		t.Error(err)
	}
	return r
}

// TestTerminatedProcessUndoes: SIGTERM to a link that waits ends in an error document and leaves nothing.
func TestTerminatedProcessUndoes(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			r := start(t, "waits")
			if err := r.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			if err := r.Wait(); err == nil {
				t.Error("exit status 0")
			}
			if left := listing(r.dir); left != "" || !strings.Contains(r.stdout.String(), "signal: "+sig.String()) {
				t.Errorf("left %q, said %s", left, r.stdout.String())
			}
		})
	}
}

// TestTerminatedProcessFinishes: SIGTERM to a link that is busy does not keep it from its result.
func TestTerminatedProcessFinishes(t *testing.T) {
	r := start(t, "busy")
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		if err := r.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(r.fifo, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.Wait(); err != nil {
		t.Errorf("%v: %s", err, r.stdout.String())
	}
	if left := listing(r.dir); !strings.Contains(left, "a") || !strings.Contains(r.stdout.String(), "cniVersion") {
		t.Errorf("left %q, said %s", left, r.stdout.String())
	}
}
