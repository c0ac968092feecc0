// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Package fault lets tests fail a link's n-th step. In a link as it is built for users there is nothing to set: a plan
// comes only through a context, or, in binaries built with the tag "faults", through the environment.
package fault

import (
	"context"
	"fmt"
)

// Plan fails one step.
type Plan struct {
	// Step counts from 1.
	Step int
	// After lets the step take effect first.
	After bool
	// Reached is set when the step came.
	Reached bool

	seen int
}

// Error is what the chosen step fails with.
type Error struct{ What string }

func (e *Error) Error() string { return fmt.Sprintf("injected fault at %q", e.What) }

type key struct{}

// With makes the links that run under the context follow the plan.
func With(ctx context.Context, p *Plan) context.Context { return context.WithValue(ctx, key{}, p) }

func of(ctx context.Context) *Plan {
	if p, ok := ctx.Value(key{}).(*Plan); ok {
		return p
	}
	return fromProcess()
}

// Before counts a step and fails it if it is the chosen one.
func Before(ctx context.Context, what string) error {
	p := of(ctx)
	if p == nil {
		return nil
	}
	p.seen++
	if p.seen != p.Step || p.After {
		return nil
	}
	p.Reached = true
	return &Error{what}
}

// After fails the step that was counted last if it is the chosen one and has taken effect.
func After(ctx context.Context, what string) error {
	p := of(ctx)
	if p == nil || p.seen != p.Step || !p.After {
		return nil
	}
	p.Reached = true
	return &Error{what}
}
