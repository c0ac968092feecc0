// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"

	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"
)

// invoke runs one verb: all that can be wrong with the call first, then the link's function, then the answer. When it
// returns an error, every step has been undone.
func (p *Plugin[C]) invoke(ctx context.Context, c *call) error {
	if !known(c.command) {
		return Errorf(CodeEnvironment, "unknown command %q", c.command)
	}
	if c.command == "VERSION" {
		return c.answerVersion()
	}
	if err := errors.Join(c.checkEnvironment(), c.readHeader()); err != nil {
		return err
	}
	if err := errors.Join(checkVersion(c.command, c.head.CNIVersion), c.checkNetwork()); err != nil {
		return err
	}
	r, err := p.request(c)
	if err != nil {
		return err
	}
	defer r.close()
	return p.step(ctx, c, r)
}

// request checks and decodes everything that the link's function is to see.
func (p *Plugin[C]) request(c *call) (_ *Request[C], err error) {
	r := &Request[C]{
		Network:     c.head.Name,
		ContainerID: c.args.ContainerID,
		NetNS:       c.args.Netns,
		IfName:      c.args.IfName,
		Args:        parseArgs(c.args.Args),
		Call:        &c.args,
	}
	if r.Log, r.logFile, err = newLogger(c, p.Name); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	strict := c.strict()
	if err := p.decode(c.args.StdinData, &r.Conf, strict, r.Log); err != nil {
		return nil, err
	}
	if err := r.readPrev(c.head.CNIVersion, c.head.PrevResult, strict); err != nil {
		return nil, err
	}
	if err := p.checkPlace(c.command, r.Prev); err != nil {
		return nil, err
	}
	return r, r.openSandbox(c.command, c.args.NetnsOverride)
}

// decode fills the link's configuration, from its defaults.
func (p *Plugin[C]) decode(data []byte, conf *C, strict bool, log interface{ Warn(string, ...any) }) error {
	if p.Defaults != nil {
		*conf = p.Defaults()
	}
	if !strict {
		// What was once accepted stays deletable: json fills what it can and reports the rest.
		if err := fill(data, conf); err != nil {
			log.Warn("configuration is not what this version accepts, going on with what it has", "err", err)
		}
		return nil
	}
	if err := decodeStrict(data, conf, protocolKeys); err != nil {
		return err
	}
	if v, ok := any(conf).(interface{ Validate() error }); ok {
		return v.Validate()
	}
	return nil
}

// checkPlace holds the link to its place in the chain.
func (p *Plugin[C]) checkPlace(cmd string, prev *current.Result) error {
	switch {
	case p.Place == First && cmd == "ADD" && prev != nil:
		return Errorf(CodeConfig, "the link comes first in \"plugins\", but another one ran before it (there is a prevResult)")
	case p.Place == Later && (cmd == "ADD" || cmd == "CHECK") && prev == nil:
		return Errorf(CodeConfig, "the link works on what an earlier one made, but there is no prevResult: "+
			"put it behind the plugin in \"plugins\" that makes the interface")
	}
	return nil
}

// step calls the link's function and delivers its result; an error, a panic or a result that nobody takes undoes all.
func (p *Plugin[C]) step(ctx context.Context, c *call, r *Request[C]) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if c.ownProcess {
		signals := withSignals(ctx, cancel)
		ctx, r.hold = signals, signals.hold
	}
	r.ctx = ctx
	defer func() {
		if v := recover(); v != nil {
			err = &Error{Code: CodeInternal, Err: fmt.Errorf("panic: %v (a bug, please report it)", v), Details: string(debug.Stack())}
		}
		if err != nil {
			r.Log.Error(c.command+" failed", "err", err)
			r.undoAll()
		}
	}()
	switch c.command {
	case "ADD":
		if err := p.Add(ctx, r); err != nil {
			return err
		}
		return r.finish(ctx, c)
	case "DEL":
		return p.Del(ctx, r)
	case "CHECK":
		return p.Check(ctx, r)
	case "GC":
		return p.gc(ctx, c, r)
	}
	if p.Status == nil {
		return nil
	}
	return p.Status(ctx, r)
}

func (p *Plugin[C]) gc(ctx context.Context, c *call, r *Request[C]) error {
	list, ok, err := c.valid()
	if err != nil || !ok || p.GC == nil {
		return err
	}
	r.Valid = list
	return p.GC(ctx, r)
}

// finish delivers the result of an ADD, unless a signal came meanwhile.
func (r *Request[C]) finish(ctx context.Context, c *call) error {
	if ctx.Err() != nil {
		return Errorf(CodeTryAgain, "stopped before the result was delivered: %w", context.Cause(ctx))
	}
	if err := checkIndexes(r.Result); err != nil {
		return err
	}
	result, err := r.Result.GetAsVersion(c.head.CNIVersion)
	if err != nil {
		return Errorf(CodeVersion, "write the result as %s: %w", c.head.CNIVersion, err)
	}
	if c.deliver != nil {
		return c.deliver(result)
	}
	return writeResult(c.stdout, result, r.carry)
}

// answerVersion prints what the plugin speaks (spec, section VERSION).
func (c *call) answerVersion() error {
	// The input carries nothing but the version of the answer; without it, or with rubbish, the newest will do.
	_ = c.head.decode(c.args.StdinData)
	if c.stdout == nil {
		return nil
	}
	p := printer{buf: make([]byte, 0, usualOutput)}
	p.open('{')
	p.str("cniVersion", c.version())
	p.strings("supportedVersions", versions)
	p.close('}')
	return writeAnswer(c.stdout, p.buf)
}

func writeJSON(w io.Writer, v any) error {
	data, err := json.MarshalIndent(v, "", "    ")
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	return writeAnswer(w, data)
}

func writeAnswer(w io.Writer, data []byte) error {
	if _, err := w.Write(append(data, '\n')); err != nil {
		return Errorf(CodeIO, "write the answer to stdout: %w", err)
	}
	return nil
}

// writeError prints the error document of the specification (section Error). There is nobody left to tell when even
// that cannot be written; the exit status still says it.
func writeError(w io.Writer, cniVersion, plugin string, err error) {
	e := asCNIError(plugin, err)
	_ = writeJSON(w, struct {
		CNIVersion string `json:"cniVersion"`
		*types.Error
	}{cniVersion, e})
}
