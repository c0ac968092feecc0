// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"github.com/containernetworking/cni/pkg/invoke"
	"github.com/containernetworking/cni/pkg/types"

	"github.com/cni-chain/cni-chain/chain"
)

// delegate is an IPAM plugin on CNI_PATH. It gets the configuration as it came, as the specification wants (SPEC.md,
// section Plugin Delegation): it looks for "ipam" itself.
type delegate struct {
	r    *request
	name string
}

func (d *delegate) String() string { return fmt.Sprintf("IPAM plugin %q", d.name) }

func (d *delegate) add(ctx context.Context) (got answer, err error) {
	err = d.r.Do("get addresses", func() (err error) {
		got, err = d.lease(ctx)
		return err
	}, func() error {
		// The undo after a signal: the context is over, the address still has to be given back.
		return d.call(context.WithoutCancel(ctx), "DEL")
	})
	return got, err
}

// lease asks for addresses, and answers every failure with a DEL, as the specification wants. A plugin that refuses is
// asked once more: what it says may be that this attachment has addresses already, left by an ADD that was killed
// (host-local does), and the DEL has just freed them.
func (d *delegate) lease(ctx context.Context) (answer, error) {
	path, err := d.find()
	if err != nil {
		return answer{}, err
	}
	var refused *types.Error
	for try := 1; ; try++ {
		got, err := d.ask(ctx, path)
		if err == nil {
			return got, nil
		}
		if undo := d.run(context.WithoutCancel(ctx), path, "DEL"); undo != nil {
			d.r.Log.Warn("IPAM's DEL after its failed ADD", "err", undo)
		}
		if try > 1 || !errors.As(err, &refused) || refused.Code == types.ErrTryAgainLater || ctx.Err() != nil {
			return answer{}, err
		}
	}
}

// ask is one ADD.
func (d *delegate) ask(ctx context.Context, path string) (got answer, err error) {
	ctx, cancel := d.deadline(ctx)
	defer cancel()
	process := &process{name: d.String(), verb: "ADD"}
	defer func() {
		if v := recover(); v != nil { // see answerOf
			err = chain.Errorf(codeIPAM, "%s answers nonsense: %v", d, v)
		}
	}()
	result, err := invoke.ExecPluginWithResult(ctx, path, d.r.Call.StdinData, d.args("ADD"), process)
	if process.failed != nil {
		return answer{}, process.failed
	}
	if err == nil {
		got, err = answerOf(result)
	}
	if err != nil {
		return answer{}, chain.Errorf(codeIPAM, "%s answers nonsense: %w", d, err)
	}
	return got, nil
}

func (d *delegate) del(ctx context.Context) error    { return d.call(ctx, "DEL") }
func (d *delegate) check(ctx context.Context) error  { return d.call(ctx, "CHECK") }
func (d *delegate) gc(ctx context.Context) error     { return d.call(ctx, "GC") }
func (d *delegate) status(ctx context.Context) error { return d.call(ctx, "STATUS") }

// network is something that an IPAM result does not say.
func (d *delegate) network(netip.Addr) netip.Prefix { return netip.Prefix{} }

// call finds the plugin and runs one verb that has no result.
func (d *delegate) call(ctx context.Context, verb string) error {
	path, err := d.find()
	if err != nil {
		if verb == "STATUS" {
			return chain.Errorf(chain.CodeNotAvailable, "%w", err)
		}
		return err
	}
	return d.run(ctx, path, verb)
}

func (d *delegate) run(ctx context.Context, path, verb string) error {
	ctx, cancel := d.deadline(ctx)
	defer cancel()
	process := &process{name: d.String(), verb: verb}
	return invoke.ExecPluginWithoutResult(ctx, path, d.r.Call.StdinData, d.args(verb), process)
}

func (d *delegate) deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	seconds := d.r.Conf.IPAMTimeout
	if seconds < 1 || seconds > maxTimeout { // on DEL and GC nobody has validated it
		seconds = maxTimeout
	}
	return context.WithTimeout(ctx, time.Duration(seconds)*time.Second)
}

// find looks for the plugin on CNI_PATH.
func (d *delegate) find() (string, error) {
	path, err := invoke.FindInPath(d.name, filepath.SplitList(d.r.Call.Path))
	if err != nil {
		return "", chain.Errorf(chain.CodeEnvironment, "%s is in none of the directories of CNI_PATH, %q: "+
			"install it there, or correct ipam.type", d, strings.Join(filepath.SplitList(d.r.Call.Path), `", "`))
	}
	return path, nil
}

// args are the variables of the call, which the plugin gets as we got them but for the verb.
func (d *delegate) args(verb string) *invoke.Args {
	call := d.r.Call
	return &invoke.Args{
		Command: verb, ContainerID: call.ContainerID, NetNS: call.Netns, IfName: call.IfName, PluginArgsStr: call.Args,
		Path: call.Path,
	}
}
