// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"context"
	"io"
	"os"

	"github.com/containernetworking/cni/pkg/types"
)

// Place is where in a conflist a link may stand. The frame holds it on ADD, before the link runs.
type Place int

const (
	// Anywhere takes a prevResult and does without.
	Anywhere Place = iota
	// First refuses a prevResult: the link makes what the rest of the chain works on.
	First
	// Later needs a prevResult, on ADD and on CHECK.
	Later
)

// Plugin is one link of a chain: its name, its place, and a function per verb. C is the link's configuration, a struct
// with json tags and comments; when *C has a method Validate() error, it is called after decoding on ADD, CHECK and
// STATUS. Add, Del and Check are required; a nil GC or Status has nothing to do and succeeds.
//
// The frame answers VERSION, reads and checks the environment, the namespace and the configuration before a function
// is called, and writes the one JSON document afterwards.
type Plugin[C any] struct {
	// Name is the link's type in a conflist and the first word of its errors.
	Name string
	// About is one sentence for whoever runs the binary by hand.
	About string
	// Place is where the link may stand.
	Place Place
	// Defaults is the configuration before decoding; nil means the zero C.
	Defaults func() C
	// Add makes the link's step, each change by Request.Do, and extends Request.Result.
	Add func(context.Context, *Request[C]) error
	// Del removes all that belongs to the attachment. It may have nothing but the three names to go by, runs after
	// crashes and repeatedly, and goes on over errors (errors.Join).
	Del func(context.Context, *Request[C]) error
	// Check verifies all that Add made, by identity and value, and tolerates what later links may change.
	Check func(context.Context, *Request[C]) error
	// GC removes what carries this network's tag and is not in Request.Valid.
	GC func(context.Context, *Request[C]) error
	// Status probes whether an ADD could work now; its errors carry CodeNotAvailable or CodeLimited.
	Status func(context.Context, *Request[C]) error
}

// Process is what a plugin sees of the process it runs in, as a parameter so that tests can run a link without one.
type Process struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Env            func(name string) string
}

// Main runs the plugin as the CNI specification says and exits: environment and stdin in, one JSON document out, exit
// status 0 or 1. From the first step on that can be undone, SIGTERM and SIGINT do nothing until the link waits for
// something and for ctx.Done(): then they end the waiting, and what was done is undone. A link's main is this one call.
func (p *Plugin[C]) Main() {
	growStack(false)
	proc := Process{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Env: os.Getenv}
	os.Exit(p.run(context.Background(), proc, true))
}

// Run is Main with the process as a parameter, and no ear for signals but the context; it returns the exit status.
func (p *Plugin[C]) Run(ctx context.Context, proc Process) int {
	return p.run(ctx, proc, false)
}

func (p *Plugin[C]) run(ctx context.Context, proc Process, own bool) int {
	cmd := proc.Env("CNI_COMMAND")
	if cmd == "" {
		p.about(proc.Stderr)
		return 0
	}
	c, err := readCall(cmd, proc)
	if err == nil {
		c.ownProcess = own
		err = p.invoke(ctx, c)
	}
	if err != nil {
		writeError(proc.Stdout, c.version(), p.Name, err)
		return 1
	}
	return 0
}

// Invoke runs one verb in process, without environment, stdin and stdout: what an embedding program and tests use.
// The result is nil but for ADD; it is in the version that the configuration asks for.
func (p *Plugin[C]) Invoke(ctx context.Context, cmd string, args *CmdArgs) (types.Result, error) {
	var result types.Result
	c := &call{command: cmd, args: *args, log: io.Discard}
	c.deliver = func(r types.Result) error { result = r; return nil }
	err := p.invoke(ctx, c)
	if err != nil {
		return nil, asCNIError(p.Name, err)
	}
	return result, nil
}
