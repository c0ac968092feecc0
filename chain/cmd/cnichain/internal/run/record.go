// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Package run runs a conflist through libcni, as a runtime does, and keeps account of it: what every link was given,
// what it said, did and returned, and how long it took. It prints nothing; package account does.
package run

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/source"
)

// Record is the account of one verb over one chain, and the document of "-o json". Its keys are an interface: they are
// added to, not changed.
type Record struct {
	// Verb is add, check, del, gc or status.
	Verb string `json:"verb"`
	// Conflist is the file as it was named.
	Conflist   string `json:"conflist"`
	Network    string `json:"network"`
	CNIVersion string `json:"cniVersion"`
	// ContainerID, IfName and NetNS (a path) are absent for gc and status.
	ContainerID string `json:"containerID,omitempty"`
	IfName      string `json:"ifName,omitempty"`
	NetNS       string `json:"netns,omitempty"`
	// CapabilityArgs are what the links get as runtimeConfig, each what it declares.
	CapabilityArgs map[string]any `json:"capabilityArgs,omitempty"`
	// Calls are the executions of plugins, in their order.
	Calls []*Call `json:"calls"`
	// Cleanup are the DELs after an add that failed.
	Cleanup []*Call  `json:"cleanup,omitempty"`
	Took    Duration `json:"tookMs"`
	// Result is the chain's, after an add that succeeded.
	Result json.RawMessage `json:"result,omitempty"`
	// Errors are absent when all went well. Only gc goes on after one.
	Errors []Failure `json:"errors,omitempty"`
	// Notes say what a person might not expect, such as that nothing was done.
	Notes []string `json:"notes,omitempty"`
}

// Call is one execution of a plugin.
type Call struct {
	// Link is the plugin's index in "plugins".
	Link int    `json:"link"`
	Type string `json:"type"`
	Path string `json:"path"`
	// Command is the value of CNI_COMMAND; ContainerID and IfName those of their variables.
	Command     string `json:"command"`
	ContainerID string `json:"containerID,omitempty"`
	IfName      string `json:"ifName,omitempty"`
	// Stdin is the configuration with what the runtime put in; Stdout the answer, a JSON string when it is no JSON.
	Stdin  json.RawMessage `json:"stdin"`
	Stdout json.RawMessage `json:"stdout,omitempty"`
	// Steps are the lines of the link's log, and what else it wrote to stderr.
	Steps []Step `json:"steps,omitempty"`
	// At is when it began, since the verb did.
	At   Duration `json:"atMs"`
	Took Duration `json:"tookMs"`
	// Exit is the exit status, -1 when a signal ended the plugin.
	Exit  int    `json:"exit"`
	Error *Error `json:"error,omitempty"`
}

// Step is one line of a link's log.
type Step struct {
	// Level is DEBUG for a step of the link, or INFO, WARN, ERROR; "" for a line that is not of the frame's log.
	Level string `json:"level,omitempty"`
	What  string `json:"what"`
	// At is when it began, since the call did; absent for a line that does not say.
	At *Duration `json:"atMs,omitempty"`
	// Took is absent for a line that is not a step.
	Took *Duration `json:"tookMs,omitempty"`
	Err  string    `json:"err,omitempty"`
	// Attrs are further fields, those of the attachment left out.
	Attrs map[string]any `json:"attrs,omitempty"`
}

// Error is the error document of a plugin; Code is 0 when it gave none.
type Error struct {
	Code    uint   `json:"code"`
	Msg     string `json:"msg"`
	Details string `json:"details,omitempty"`
}

// Failure is an error and its place: the link, and where in the conflist to look.
type Failure struct {
	Error
	// Link is the plugin's index in "plugins", -1 when no plugin is to blame.
	Link int    `json:"link"`
	Type string `json:"type,omitempty"`
	// Path and Position are the entry of the conflist that the error is about, as far as its message tells.
	Path     string           `json:"path,omitempty"`
	Position *source.Position `json:"position,omitempty"`
}

// Failed says whether the verb failed.
func (r *Record) Failed() bool { return len(r.Errors) > 0 }

// Duration is written in JSON as milliseconds.
type Duration time.Duration

// MarshalJSON writes milliseconds with three decimals.
func (d Duration) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "%.3f", float64(d)/1e6), nil
}

// UnmarshalJSON reads milliseconds.
func (d *Duration) UnmarshalJSON(data []byte) error {
	var ms float64
	if err := json.Unmarshal(data, &ms); err != nil {
		return err
	}
	*d = Duration(ms * 1e6)
	return nil
}
