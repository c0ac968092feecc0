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
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/containernetworking/cni/pkg/invoke"
	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"
	"github.com/containernetworking/cni/pkg/version"
)

// meter runs plugins for libcni and notes how long they take; by way of a launcher, also how much memory.
type meter struct {
	version.PluginDecoder
	mu       sync.Mutex
	launcher string // "": plugins are run directly, and memory is not noted
	peak     map[string]int64
	spent    map[string]time.Duration // by plugin and command, "ip-config ADD"
}

// ExecPlugin is invoke.Exec.
func (m *meter) ExecPlugin(ctx context.Context, path string, stdin []byte, env []string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, path)
	if m.launcher != "" {
		cmd = exec.CommandContext(ctx, m.launcher, path)
	}
	var stdout, stderr bytes.Buffer
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = env, bytes.NewReader(stdin), &stdout, &stderr
	start := time.Now()
	kib, err := runNoting(cmd, m.launcher != "")
	took := time.Since(start)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s%s", filepath.Base(path), err, stdout.Bytes(), stderr.Bytes())
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	name := filepath.Base(path)
	if m.peak != nil {
		m.peak[name] = max(m.peak[name], kib)
	}
	if m.spent != nil {
		m.spent[name+" "+commandOf(env)] += took
	}
	return stdout.Bytes(), nil
}

// commandOf is the value of CNI_COMMAND.
func commandOf(env []string) string {
	for _, variable := range slices.Backward(env) {
		if command, ok := strings.CutPrefix(variable, "CNI_COMMAND="); ok {
			return command
		}
	}
	return ""
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
