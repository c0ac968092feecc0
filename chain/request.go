// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"

	"github.com/cni-chain/cni-chain/chain/internal/fault"
)

// Request is one call of a link's function: what the runtime asks and, on ADD, the result so far.
type Request[C any] struct {
	// Network, ContainerID and IfName name the attachment. GC and STATUS have only Network.
	Network, ContainerID, IfName string
	// NetNS is the path of the container's network namespace, "" where there is none (any more). It is for messages,
	// results and delegation; to act on the namespace use Sandbox, which nobody can exchange meanwhile.
	NetNS string
	// Args are the pairs of CNI_ARGS, nil when there are none. Unknown ones are nobody's error
	// (containernetworking/cni#560).
	Args map[string]string
	// Conf is the configuration: strictly decoded and validated, but on DEL and GC what could be read of it.
	Conf C
	// Prev is the result of the links before, nil if there is none. Not to be changed.
	Prev *current.Result
	// Result starts as a copy of Prev, or empty; what it is when Add returns is printed.
	Result *current.Result
	// Valid are the attachments that GC keeps.
	Valid []types.GCAttachment
	// Log carries plugin, command and attachment on every line.
	Log *slog.Logger
	// Call is the call as it came, for whoever delegates it to another plugin.
	Call *CmdArgs

	ctx     context.Context
	hold    func() // keeps signals from the process, from the first step on that can be undone
	sandbox *os.File
	logFile *os.File
	carry   json.RawMessage // the prevResult, when it may have fields that Result does not
	undo    []undoStep
}

type undoStep struct {
	what string
	run  func() error
}

// Do makes one change of the world: it is the only way for a link to make one. what is a verb and its object ("add
// address 10.0.0.5/24 to eth0") and becomes the start of the error and a line of the log. undo, which may be nil,
// takes the change back when a later step, the result or the process fails; it runs only after a do that succeeded.
// When do fails it must have left nothing.
func (r *Request[C]) Do(what string, do, undo func() error) error {
	if undo != nil && r.hold != nil {
		r.hold()
	}
	if r.ctx.Err() != nil {
		return Errorf(CodeTryAgain, "%s: stopped: %w", what, context.Cause(r.ctx))
	}
	if err := fault.Before(r.ctx, what); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	start := time.Now()
	err := do()
	r.Log.Debug(what, "took", time.Since(start), "err", err)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if undo != nil {
		r.undo = append(r.undo, undoStep{what, undo})
	}
	if err := fault.After(r.ctx, what); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// undoAll takes back what was done, last first, and goes on over errors: whatever cannot be undone is logged, and DEL
// finds it by its owner.
func (r *Request[C]) undoAll() {
	for i := len(r.undo) - 1; i >= 0; i-- {
		u := r.undo[i]
		if err := r.undoOne(u); err != nil {
			r.Log.Error("undo: "+u.what, "err", err)
		} else {
			r.Log.Debug("undone: " + u.what)
		}
	}
	r.undo = nil
}

// undoOne keeps a panic of one undo from the others.
func (r *Request[C]) undoOne(u undoStep) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	return u.run()
}

// Sandbox is the container's network namespace, opened once and checked to be one; nil where NetNS is "". The frame
// closes it.
func (r *Request[C]) Sandbox() *os.File { return r.sandbox }

// Container is the container's interface in the result: the one named IfName in NetNS, with its index in
// Result.Interfaces. It is never merely the first one with a sandbox: a result may list several.
func (r *Request[C]) Container() (int, *current.Interface, error) {
	var seen []string
	for i, iface := range r.Result.Interfaces {
		if iface.Name == r.IfName && r.sameNS(iface.Sandbox) {
			return i, iface, nil
		}
		seen = append(seen, fmt.Sprintf("%q in %q", iface.Name, iface.Sandbox))
	}
	return 0, nil, Errorf(CodeConfig, "prevResult has no interface %q in the namespace %s, it has [%s]: "+
		"the plugin that makes the interface comes earlier in \"plugins\"", r.IfName, r.NetNS, strings.Join(seen, ", "))
}

// sameNS says whether a sandbox path of a result is the call's namespace, by name or else by identity (/var/run and
// /run are often one directory).
func (r *Request[C]) sameNS(path string) bool {
	if path == "" || path == r.NetNS {
		return path != ""
	}
	if r.sandbox == nil {
		return false
	}
	ours, err := r.sandbox.Stat()
	if err != nil {
		return false
	}
	theirs, err := os.Stat(path)
	return err == nil && os.SameFile(ours, theirs)
}

func (r *Request[C]) close() {
	if r.sandbox != nil {
		_ = r.sandbox.Close() // read-only: nothing can be lost
	}
	if r.logFile != nil {
		_ = r.logFile.Close()
	}
}

// parseArgs reads CNI_ARGS, "K=V;K=V". What is no pair is left out: the variable is not ours alone.
func parseArgs(text string) map[string]string {
	if text == "" {
		return nil
	}
	args := map[string]string{}
	for _, pair := range strings.Split(text, ";") {
		if key, value, ok := strings.Cut(pair, "="); ok {
			args[key] = value
		}
	}
	return args
}
