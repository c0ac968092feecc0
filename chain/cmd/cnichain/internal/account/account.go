// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Package account writes the account of a chain for people: what each link did, how the result changed on its way
// through it, what went wrong and where, and what there is in the end. It takes a run.Record and knows nothing else.
package account

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/run"
	"github.com/cni-chain/cni-chain/shared/netns"
)

// durations is the column in which durations end.
const durations = 79

// Writer writes accounts.
type Writer struct {
	W     io.Writer
	Style Style
}

// Write writes the whole account: headline, links, errors, outcome.
func (w Writer) Write(r *run.Record) {
	w.Headline(r)
	w.Links(r)
	w.Remarks(r)
	w.line("")
	w.Outcome(r)
}

// Remarks writes the errors that are no link's, and the notes.
func (w Writer) Remarks(r *run.Record) {
	if !slices.ContainsFunc(r.Calls, func(c *run.Call) bool { return c.Error != nil }) {
		for _, f := range r.Errors { // of no link, or of an answer that libcni could not take
			w.failure(f, r.Conflist)
		}
	}
	for _, note := range r.Notes {
		w.line("%s %s", w.Style.Warn("note:"), note)
	}
}

// Headline says what is about to be told.
func (w Writer) Headline(r *run.Record) {
	text := w.Style.Bold(strings.ToUpper(r.Verb))
	if r.NetNS != "" {
		text += fmt.Sprintf(" %s in %s", w.Style.Bold(r.IfName), w.Style.Bold(Namespace(r.NetNS)))
	}
	if r.NetNS != "" {
		text += ","
	}
	text += fmt.Sprintf(" network %s", r.Network)
	if r.ContainerID != "" && r.ContainerID != Namespace(r.NetNS) {
		text += fmt.Sprintf(", container ID %s", r.ContainerID)
	}
	w.line("%s", text+w.Style.Dim(fmt.Sprintf("  (%s, CNI %s)", r.Conflist, r.CNIVersion)))
}

// Namespace is how people call a namespace: by its name, or its path.
func Namespace(path string) string {
	if filepath.Dir(path) == netns.Dir {
		return filepath.Base(path)
	}
	return path
}

// Links writes what each link did.
func (w Writer) Links(r *run.Record) {
	attachment := ""
	for _, call := range r.Calls {
		of := call.IfName + " of container " + call.ContainerID
		if r.Verb == "gc" && call.Command == "DEL" && of != attachment {
			attachment = of
			w.line("%s", w.Style.Bold("DEL "+of+", which is not to be kept"))
		}
		w.Link(call, r)
	}
	if len(r.Cleanup) > 0 {
		w.line("%s", w.Style.Bold("DEL, to leave nothing of it:"))
	}
	for _, call := range r.Cleanup {
		w.Link(call, r)
	}
}

// Link writes one link: what it was given, its steps, its changes of the result, its error.
func (w Writer) Link(c *run.Call, r *run.Record) {
	w.LinkName(c)
	if input := Input(c); c.Command == "ADD" && input != "" {
		w.line("     %s", w.Style.Dim("< "+input))
	}
	if c.Command == "VERSION" && c.Error == nil {
		w.line("     %s speaks CNI %s", c.Path, strings.Join(versions(c), " "))
	}
	w.steps(c)
	switch {
	case c.Error != nil:
		w.linkError(c, r)
	case c.Command == "ADD":
		w.changes(c)
	}
}

// linkError writes a link's error, with the place that the record has for it. The DELs of a cleanup have none there.
func (w Writer) linkError(c *run.Call, r *run.Record) {
	for _, f := range r.Errors {
		if f.Link == c.Link && f.Error == *c.Error {
			w.failure(f, r.Conflist)
			return
		}
	}
	w.failure(run.Failure{Error: *c.Error}, r.Conflist)
}

func (w Writer) steps(c *run.Call) {
	for _, step := range c.Steps {
		if c.Error != nil && step.Took != nil && step.Err != "" && strings.Contains(c.Error.Msg, step.Err) {
			w.timed("     "+w.Style.Bad("x ")+step.What, *step.Took) // the error says why
			continue
		}
		w.step(step)
	}
}

// LinkName writes one link without what it did.
func (w Writer) LinkName(c *run.Call) {
	name := fmt.Sprintf("%2d %s", c.Link+1, w.Style.Bold(c.Type))
	if c.Error != nil {
		name += " " + w.Style.Bad("FAILED")
	}
	w.timed(name, c.Took)
}

// changes writes what an ADD did to the result.
func (w Writer) changes(c *run.Call) {
	if _, after := Results(c); after == nil {
		w.line("     %s", w.Style.Bad("stdout is no result: ")+string(c.Stdout))
		return
	}
	changes := Changes(c)
	for _, change := range changes {
		w.line("     %s %-9s %-27s %s", w.Style.Sign(change.Sign), change.Kind, change.What, w.Style.Dim(change.Detail))
	}
	if len(changes) == 0 {
		w.line("     %s", w.Style.Dim("= the result is handed on as it came"))
	}
}

func (w Writer) step(s run.Step) {
	text := s.What
	for _, key := range slices.Sorted(maps.Keys(s.Attrs)) {
		text += fmt.Sprintf(" %s=%v", key, s.Attrs[key])
	}
	if s.Err != "" {
		text += ": " + s.Err
	}
	switch s.Level {
	case "WARN":
		text = w.Style.Warn("warning: ") + text
	case "ERROR":
		text = w.Style.Bad("error: ") + text
	case "":
		text = w.Style.Dim("stderr: ") + text
	}
	if s.Took == nil {
		w.line("     %s", text)
		return
	}
	if s.Err != "" {
		text = w.Style.Bad("x ") + text
	}
	w.timed("     "+text, *s.Took)
}

// failure writes an error below its link.
func (w Writer) failure(f run.Failure, conflist string) {
	w.line("     %s %s", w.Style.Bad(Code(f.Code)+":"), f.Msg)
	if f.Details != "" {
		w.line("       %s", strings.ReplaceAll(strings.TrimSpace(f.Details), "\n", "\n       "))
	}
	if f.Position != nil {
		w.line("       %s %s:%s: %s", w.Style.Dim("at"), conflist, f.Position, f.Path)
	}
	if hint := Hint(f.Error); hint != "" {
		w.line("       %s %s", w.Style.Dim("hint:"), hint)
	}
}

// Outcome writes what there is in the end.
func (w Writer) Outcome(r *run.Record) {
	if r.Failed() {
		w.failed(r)
		return
	}
	where := r.IfName + " in " + Namespace(r.NetNS)
	switch r.Verb {
	case "add":
		w.timed(w.Style.Good("attached")+": "+where, r.Took)
	case "check":
		w.timed(w.Style.Good("in order")+": "+where+" is as it was made", r.Took)
	case "del":
		w.timed(w.Style.Good("detached")+": "+where, r.Took)
	case "gc":
		w.timed(w.Style.Good("clean")+": network "+r.Network+" has only what is to be kept", r.Took)
	case "status":
		w.timed(w.Style.Good("ready")+": network "+r.Network+" takes containers", r.Took)
	}
	for _, row := range Facts(r) {
		w.line("  %-8s %s", row[0], row[1])
	}
}

func (w Writer) failed(r *run.Record) {
	text := w.Style.Bad(r.Verb + " failed")
	if first := r.Errors[0]; first.Link >= 0 {
		text += fmt.Sprintf(" at link %d, %s", first.Link+1, first.Type)
	}
	cleaned := slices.ContainsFunc(r.Cleanup, func(c *run.Call) bool { return c.Error != nil })
	switch {
	case len(r.Cleanup) > 0 && !cleaned:
		text += "; the links before it are deleted again"
	case r.Verb == "add" && len(r.Calls) > 1:
		text += "; what the links before it made is left for del"
	}
	w.timed(text, r.Took)
}

func (w Writer) line(format string, args ...any) {
	fmt.Fprintln(w.W, strings.TrimRight(fmt.Sprintf(format, args...), " "))
}

// timed writes a line with a duration at its end.
func (w Writer) timed(text string, took run.Duration) {
	duration := Milliseconds(took)
	space := max(1, durations-Width(text)-len(duration))
	w.line("%s%s%s", text, strings.Repeat(" ", space), w.Style.Dim(duration))
}

// Width is the width of a text without its colours.
func Width(text string) int {
	width := 0
	for i, part := range strings.Split(text, "\x1b[") {
		if i > 0 {
			_, part, _ = strings.Cut(part, "m")
		}
		width += utf8.RuneCountInString(part)
	}
	return width
}

// Milliseconds is a duration for people.
func Milliseconds(d run.Duration) string {
	if d < run.Duration(time.Millisecond) {
		return fmt.Sprintf("%.2f ms", float64(d)/1e6)
	}
	return fmt.Sprintf("%.1f ms", float64(d)/1e6)
}

// versions are those of a VERSION answer.
func versions(c *run.Call) []string {
	var answer struct {
		SupportedVersions []string `json:"supportedVersions"`
	}
	_ = json.Unmarshal(c.Stdout, &answer) // an answer that is none lists none
	return answer.SupportedVersions
}
