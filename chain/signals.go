// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// signals is the context of a call in a process of its own. SIGTERM and SIGINT end it, but only once somebody waits for
// its end (a lock, another program, an answer from the network). Go's machinery for signals takes three threads and a
// sixth of the time of an ADD (docs/benchmarks.md), and between two waits are but milliseconds: a signal that comes
// then is ignored, and the runtime gets its result.
type signals struct {
	context.Context
	hold, listen func()
}

func withSignals(ctx context.Context, cancel context.CancelCauseFunc) *signals {
	which := []os.Signal{syscall.SIGTERM, syscall.SIGINT}
	hold := sync.OnceFunc(func() { signal.Ignore(which...) })
	return &signals{
		Context: ctx,
		hold:    hold,
		listen: sync.OnceFunc(func() {
			hold() // later it would undo what follows
			heard := make(chan os.Signal, 1)
			signal.Notify(heard, which...)
			go func() { cancel(fmt.Errorf("signal: %s", <-heard)) }()
		}),
	}
}

// Done is what everybody asks for who is about to wait, as os/exec does before it starts a program; so a program of a
// step does not inherit that the signals are ignored.
func (s *signals) Done() <-chan struct{} {
	s.listen()
	return s.Context.Done()
}
