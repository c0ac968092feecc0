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

// TestMain lets the test binary be the link of TestTerminatedProcessUndoes.
func TestMain(m *testing.M) {
	if os.Getenv("CNI_CHAIN_TEST_LINK") == "" {
		os.Exit(m.Run())
	}
	link := files(chain.Anywhere)
	write := link.Add
	link.Add = func(ctx context.Context, r *request) error {
		if err := write(ctx, r); err != nil {
			return err
		}
		fmt.Fprintln(os.Stderr, "written")
		<-ctx.Done()
		return context.Cause(ctx)
	}
	link.Main()
}

// TestTerminatedProcessUndoes: SIGTERM in the middle of an ADD ends in an error document and leaves nothing.
func TestTerminatedProcessUndoes(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			dir := t.TempDir()
			cmd := exec.CommandContext(t.Context(), os.Args[0])
			cmd.Env = append(os.Environ(), "CNI_CHAIN_TEST_LINK=1", "CNI_COMMAND=ADD", "CNI_CONTAINERID=c", "CNI_IFNAME=eth0",
				"CNI_NETNS="+ownNS, "CNI_NETNS_OVERRIDE=1")
			cmd.Stdin = strings.NewReader(fmt.Sprintf(`{"cniVersion":"1.1.0","name":"n","dir":%q,"files":["a"]}`, dir))
			var stdout bytes.Buffer
			cmd.Stdout = &stdout
			stderr, err := cmd.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if _, err := stderr.Read(make([]byte, 16)); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(filepath.Join(dir, "a")); err != nil {
				t.Error(err)
			}
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err == nil {
				t.Error("exit status 0")
			}
			if left := listing(dir); left != "" || !strings.Contains(stdout.String(), "signal: "+sig.String()) {
				t.Errorf("left %q, said %s", left, stdout.String())
			}
		})
	}
}
