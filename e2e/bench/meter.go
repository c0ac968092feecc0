// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/containernetworking/cni/pkg/invoke"
	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"
	"github.com/containernetworking/cni/pkg/version"
)

// meter runs plugins for libcni and, by way of a launcher, notes how much memory they take.
type meter struct {
	version.PluginDecoder
	mu       sync.Mutex
	launcher string // "": plugins are run directly, and nothing is noted
	peak     map[string]int64
}

// ExecPlugin is invoke.Exec.
func (m *meter) ExecPlugin(ctx context.Context, path string, stdin []byte, env []string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, path)
	if m.launcher != "" {
		cmd = exec.CommandContext(ctx, m.launcher, path)
	}
	var stdout, stderr bytes.Buffer
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = env, bytes.NewReader(stdin), &stdout, &stderr
	kib, err := runNoting(cmd, m.launcher != "")
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s%s", filepath.Base(path), err, stdout.Bytes(), stderr.Bytes())
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.peak != nil {
		m.peak[filepath.Base(path)] = max(m.peak[filepath.Base(path)], kib)
	}
	return stdout.Bytes(), nil
}

// runNoting runs a command; a launcher's says how much memory the program took.
func runNoting(cmd *exec.Cmd, launcher bool) (kib int64, err error) {
	if !launcher {
		return 0, cmd.Run()
	}
	said, note, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer said.Close()
	cmd.ExtraFiles = []*os.File{note}
	err = cmd.Run()
	_ = note.Close()
	if err != nil {
		return 0, err
	}
	text, err := io.ReadAll(said)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(string(text), 10, 64)
}

// FindInPath is invoke.Exec.
func (m *meter) FindInPath(plugin string, paths []string) (string, error) {
	return invoke.FindInPath(plugin, paths)
}

func firstAddress(r types.Result) (string, error) {
	result, err := current.NewResultFromResult(r)
	if err != nil {
		return "", err
	}
	if len(result.IPs) == 0 {
		return "", fmt.Errorf("the result has no address")
	}
	return result.IPs[0].Address.IP.String(), nil
}
