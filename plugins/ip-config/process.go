// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/containernetworking/cni/pkg/types"
	"github.com/containernetworking/cni/pkg/version"

	"github.com/cni-chain/cni-chain/chain"
)

const (
	// maxOutput is more than any result has.
	maxOutput = 4 << 20
	// grace is how long a killed plugin's output is waited for: a grandchild may hold it open.
	grace = time.Second
)

// process runs an IPAM plugin for package invoke, whose own Exec waits without end for a grandchild that keeps stdout
// open, and sleeps.
type process struct {
	version.PluginDecoder
	name, verb string
	failed     error // why ExecPlugin failed
}

// FindInPath is not used.
func (p *process) FindInPath(string, []string) (string, error) { return "", errors.ErrUnsupported }

// ExecPlugin runs the plugin until ctx is done, then kills it with all of its process group.
func (p *process) ExecPlugin(ctx context.Context, path string, stdin []byte, environ []string) ([]byte, error) {
	var stdout, stderr output
	cmd := exec.CommandContext(ctx, path)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = environ, bytes.NewReader(stdin), &stdout, &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = grace
	err := cmd.Run()
	if stdout.cut {
		err = fmt.Errorf("more than %d MiB of output", maxOutput>>20)
	}
	if err != nil {
		p.failed = p.explain(ctx, err, stdout.data, stderr.data)
		return nil, p.failed
	}
	return stdout.data, nil
}

// explain says why the plugin failed: its own error document, with its code, if there is one.
func (p *process) explain(ctx context.Context, err error, stdout, stderr []byte) error {
	what := fmt.Sprintf("%s, %s", p.name, p.verb)
	var document types.Error
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return chain.Errorf(chain.CodeTryAgain, "%s: no answer within the time allowed (ipamTimeout)%s", what, quoted(stderr))
	case ctx.Err() != nil:
		return chain.Errorf(chain.CodeTryAgain, "%s: stopped by a signal: %w", what, context.Cause(ctx))
	case json.Unmarshal(stdout, &document) == nil && (document.Code != 0 || document.Msg != ""):
		return fmt.Errorf("%s: %w", what, &document)
	case errors.Is(err, syscall.ETXTBSY): // being installed
		return chain.Errorf(chain.CodeTryAgain, "%s: %w", what, err)
	}
	return chain.Errorf(codeIPAM, "%s: %w, without an error document%s", what, err, quoted(append(stderr, stdout...)))
}

// quoted is the end of what a plugin said, for an error message.
func quoted(said []byte) string {
	const most = 300
	text := strings.TrimSpace(strings.ToValidUTF8(string(said), "?"))
	if text == "" {
		return ""
	}
	if len(text) > most {
		text = "..." + strings.ToValidUTF8(text[len(text)-most:], "")
	}
	return fmt.Sprintf("; it says %q", text)
}

// output is a buffer of a limited size; a plugin that writes more is cut off.
type output struct {
	data []byte // no bytes.Buffer, which io.Copy would fill past Write
	cut  bool
}

func (o *output) Write(data []byte) (int, error) {
	if len(o.data)+len(data) > maxOutput {
		o.cut = true
		return 0, io.ErrShortWrite
	}
	o.data = append(o.data, data...)
	return len(data), nil
}
