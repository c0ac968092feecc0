// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Package chaintest runs a link in process, for the tests of whoever writes one: one call ([Run]), golden cases over
// the versions of the specification ([Golden]), and every step failed in turn ([FailEachStep]). It makes no namespaces
// and looks at no kernel: what the world is, the caller says.
package chaintest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/containernetworking/cni/pkg/types"

	"github.com/cni-chain/cni-chain/chain"
)

// Link is a *chain.Plugin of any configuration.
type Link interface {
	Run(context.Context, chain.Process) int
}

// Call is what a runtime gives a plugin.
type Call struct {
	// Command is ADD, DEL, CHECK, GC, STATUS or VERSION.
	Command string
	// Config is stdin: a string or []byte as it is, anything else encoded as JSON.
	Config any
	// ContainerID, NetNS, IfName and Args become the CNI_ variables of those names.
	ContainerID, NetNS, IfName, Args string
	// Env are further variables, such as CNI_PATH; they win over the fields.
	Env map[string]string
}

// Outcome is what the plugin answered.
type Outcome struct {
	Exit           int
	Stdout, Stderr string
	// Err is the error document, nil on success.
	Err *types.Error
}

// Result decodes the answer of a successful call into v.
func (o Outcome) Result(t testing.TB, v any) {
	t.Helper()
	if o.Exit != 0 {
		t.Fatalf("exit status %d: %s", o.Exit, o.Stdout)
	}
	if err := json.Unmarshal([]byte(o.Stdout), v); err != nil {
		t.Fatalf("decode the result: %v in %s", err, o.Stdout)
	}
}

// OK fails the test unless the call succeeded.
func (o Outcome) OK(t testing.TB) Outcome {
	t.Helper()
	if o.Exit != 0 {
		t.Fatalf("exit status %d: %s%s", o.Exit, o.Stdout, o.Stderr)
	}
	return o
}

// Fails fails the test unless the call failed with the code and all of the words in its message.
func (o Outcome) Fails(t testing.TB, code uint, words ...string) Outcome {
	t.Helper()
	if o.Err == nil {
		t.Fatalf("succeeded, want code %d: %s", code, o.Stdout)
	}
	if o.Err.Code != code {
		t.Fatalf("code %d, want %d: %s", o.Err.Code, code, o.Err.Msg)
	}
	for _, w := range words {
		if !strings.Contains(o.Err.Msg, w) {
			t.Errorf("the message lacks %q: %s", w, o.Err.Msg)
		}
	}
	return o
}

// Run makes one call and holds the answer to the protocol: exactly one JSON document on stdout, or none where the verb
// prints none; exit status 0 without an error document, and not 0 with one.
func Run(t testing.TB, link Link, call Call) Outcome {
	t.Helper()
	return RunContext(t.Context(), t, link, call)
}

// RunContext is Run under a context; a cancelled one is to the link what SIGTERM is to its process.
func RunContext(ctx context.Context, t testing.TB, link Link, call Call) Outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	exit := link.Run(ctx, chain.Process{
		Stdin:  bytes.NewReader(input(t, call.Config)),
		Stdout: &stdout,
		Stderr: &stderr,
		Env:    call.env,
	})
	o := Outcome{Exit: exit, Stdout: stdout.String(), Stderr: stderr.String()}
	if err := o.holdToProtocol(call.Command); err != nil {
		t.Fatalf("%s: %v", call.Command, err)
	}
	return o
}

func input(t testing.TB, config any) []byte {
	t.Helper()
	switch c := config.(type) {
	case nil:
		return nil
	case string:
		return []byte(c)
	case []byte:
		return c
	}
	data, err := json.Marshal(config)
	if err != nil {
		t.Fatalf("encode the configuration: %v", err)
	}
	return data
}

func (c Call) env(name string) string {
	if value, ok := c.Env[name]; ok {
		return value
	}
	return map[string]string{
		"CNI_COMMAND": c.Command, "CNI_CONTAINERID": c.ContainerID, "CNI_NETNS": c.NetNS,
		"CNI_IFNAME": c.IfName, "CNI_ARGS": c.Args,
	}[name]
}

// holdToProtocol reads the answer and fills in Err.
func (o *Outcome) holdToProtocol(cmd string) error {
	silent := cmd == "DEL" || cmd == "CHECK" || cmd == "GC" || cmd == "STATUS"
	if o.Exit == 0 && silent && o.Stdout == "" {
		return nil
	}
	if o.Exit == 0 && silent {
		return fmt.Errorf("prints on success: %s", o.Stdout)
	}
	var doc struct {
		CNIVersion string `json:"cniVersion"`
		*types.Error
	}
	if err := json.Unmarshal([]byte(o.Stdout), &doc); err != nil {
		return fmt.Errorf("stdout is not one JSON document: %w: %q", err, o.Stdout)
	}
	if doc.CNIVersion == "" {
		return fmt.Errorf("the document has no cniVersion: %s", o.Stdout)
	}
	isError := doc.Error != nil && (doc.Code != 0 || doc.Msg != "")
	if isError != (o.Exit != 0) {
		return fmt.Errorf("exit status %d with %s", o.Exit, o.Stdout)
	}
	if isError {
		o.Err = doc.Error
	}
	return nil
}
