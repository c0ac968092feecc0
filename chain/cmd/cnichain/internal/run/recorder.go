// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package run

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/containernetworking/cni/pkg/invoke"
	"github.com/containernetworking/cni/pkg/types"
	"github.com/containernetworking/cni/pkg/version"
)

// stopTime is how long a plugin may take to undo its steps when it is told to stop, before it is killed.
const stopTime = 10 * time.Second

// Watcher is told of the executions of plugins as they come. The time that it takes is nobody's.
type Watcher interface {
	// Before is called before the first one, with what is known of the verb by then.
	Before(*Record)
	// After is called after each one.
	After(*Call)
}

// recorder executes plugins for libcni and keeps account of each execution.
type recorder struct {
	version.PluginDecoder
	record  *Record
	links   int
	calls   []*Call
	watcher Watcher // or nil
	watched bool

	start time.Time
	// watching is the time that the watcher has taken.
	watching time.Duration
}

// elapsed is the time of the verb so far.
func (r *recorder) elapsed() time.Duration { return time.Since(r.start) - r.watching }

// watch calls the watcher, if there is one, while the clock stands.
func (r *recorder) watch(f func(Watcher)) {
	if r.watcher == nil {
		return
	}
	start := time.Now()
	f(r.watcher)
	r.watching += time.Since(start)
}

var _ invoke.Exec = (*recorder)(nil)

// FindInPath is libcni's own.
func (r *recorder) FindInPath(plugin string, paths []string) (string, error) {
	return invoke.FindInPath(plugin, paths)
}

// ExecPlugin runs one plugin as libcni's RawExec does, but tells a stopped one by SIGTERM, so that it can undo its
// steps. A link built on package chain is asked to log its steps as JSON.
func (r *recorder) ExecPlugin(ctx context.Context, path string, stdin []byte, environ []string) ([]byte, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, path)
	cmd.Env = append(environ, "CNI_CHAIN_LOG=json")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &stdout, &stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopTime

	if !r.watched {
		r.watched = true
		r.watch(func(w Watcher) { w.Before(r.record) })
	}
	call := r.newCall(path, stdin, environ)
	defer r.watch(func(w Watcher) { w.After(call) })
	call.At = Duration(r.elapsed())
	start := time.Now()
	err := cmd.Run()
	call.Took = Duration(time.Since(start))
	call.Exit = -1
	if cmd.ProcessState != nil {
		call.Exit = cmd.ProcessState.ExitCode()
	}
	call.Stdout = asJSON(stdout.Bytes())
	call.Steps = readSteps(stderr.Bytes(), call.Command, start)
	if err == nil {
		return stdout.Bytes(), nil
	}
	if call.Error = errorDocument(err, stdout.Bytes(), call.Steps); call.Error.Code == 0 && ctx.Err() != nil {
		call.Error.Msg = "stopped by a signal"
	}
	return nil, &types.Error{Code: call.Error.Code, Msg: call.Error.Msg, Details: call.Error.Details}
}

// newCall finds out which link the execution is: libcni goes through "plugins" in order, and backwards for DEL.
func (r *recorder) newCall(path string, stdin []byte, environ []string) *Call {
	env := map[string]string{}
	for _, pair := range environ {
		key, value, _ := strings.Cut(pair, "=")
		env[key] = value
	}
	var conf struct {
		Type string `json:"type"`
	}
	_ = json.Unmarshal(stdin, &conf) // libcni wrote it; VERSION has no type
	call := &Call{
		Type: conf.Type, Path: path, Stdin: asJSON(stdin),
		Command: env["CNI_COMMAND"], ContainerID: env["CNI_CONTAINERID"], IfName: env["CNI_IFNAME"],
	}
	if call.Command == "VERSION" {
		call.IfName = "" // libcni's filling for old plugins
		call.Type = path[strings.LastIndexByte(path, '/')+1:]
	}
	for _, c := range r.calls {
		if c.Command == call.Command && c.ContainerID == call.ContainerID && c.IfName == call.IfName {
			call.Link++
		}
	}
	if call.Command == "DEL" {
		call.Link = r.links - 1 - call.Link
	}
	r.calls = append(r.calls, call)
	return call
}

// take gives the calls so far and begins a new account.
func (r *recorder) take() []*Call {
	calls := r.calls
	r.calls = nil
	return calls
}

// errorDocument is what the plugin said, or what can be said for it.
func errorDocument(err error, stdout []byte, steps []Step) *Error {
	var doc Error
	if len(bytes.TrimSpace(stdout)) > 0 {
		if json.Unmarshal(stdout, &doc) == nil && doc.Msg != "" {
			return &doc
		}
		return &Error{Msg: fmt.Sprintf("%v, and stdout is not an error document", err)}
	}
	for i := len(steps) - 1; i >= 0; i-- {
		if steps[i].Level == "" || steps[i].Level == "ERROR" {
			return &Error{Msg: fmt.Sprintf("%v, without an error document; stderr ends: %s", err, steps[i].What)}
		}
	}
	return &Error{Msg: fmt.Sprintf("%v, without an error document", err)}
}

// common are the fields that the frame writes on every line, or that have a place in Step.
var common = []string{
	"time", "level", "msg", "took", "err", "plugin", "command", "network", "container", "ifname", "traceparent",
}

// readSteps reads stderr of a call that began at start: the frame's JSON lines, and others as they are.
func readSteps(stderr []byte, command string, start time.Time) []Step {
	var steps []Step
	lines := bufio.NewScanner(bytes.NewReader(stderr))
	lines.Buffer(nil, len(stderr)+1)
	for lines.Scan() {
		line := lines.Text()
		if strings.TrimSpace(line) == "" {
			continue
		}
		step := readStep(line, start)
		if step.Level == "ERROR" && step.What == command+" failed" {
			continue // the error document says it
		}
		steps = append(steps, step)
	}
	return steps
}

func readStep(line string, start time.Time) Step {
	var attrs map[string]any
	if json.Unmarshal([]byte(line), &attrs) != nil || attrs["level"] == nil || attrs["msg"] == nil {
		return Step{What: line}
	}
	var step Step
	step.Level, _ = attrs["level"].(string)
	step.What, _ = attrs["msg"].(string)
	if took, ok := attrs["took"].(float64); ok { // slog writes nanoseconds
		d := Duration(took)
		step.Took = &d
	}
	step.At = began(attrs["time"], step.Took, start)
	if err := attrs["err"]; err != nil {
		step.Err = fmt.Sprint(err)
	}
	maps.DeleteFunc(attrs, func(key string, _ any) bool { return slices.Contains(common, key) })
	if len(attrs) > 0 {
		step.Attrs = attrs
	}
	return step
}

// began is when a step began, since start. The line is written, with the time, when the step has ended.
func began(text any, took *Duration, start time.Time) *Duration {
	line, _ := text.(string)
	end, err := time.Parse(time.RFC3339Nano, line)
	if err != nil {
		return nil
	}
	at := Duration(end.Sub(start.Round(0))) // the clock on the wall, as the plugin's
	if took != nil {
		at -= *took
	}
	at = max(0, at)
	return &at
}

// asJSON keeps JSON as it is, compact, and makes a string of anything else.
func asJSON(data []byte) json.RawMessage {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil
	}
	var compact bytes.Buffer
	if json.Compact(&compact, data) == nil {
		return compact.Bytes()
	}
	text, _ := json.Marshal(string(data)) // a string always can
	return text
}
