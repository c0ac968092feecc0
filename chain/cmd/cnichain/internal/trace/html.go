// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"bytes"
	_ "embed" // of the page
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/account"
	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/run"
)

//go:embed page.html
var pageText string

//go:embed page.css
var pageStyle string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// HTML writes a trace as a page that asks for nothing: no script, no font, no file beside it. It is dark where the
// reader's screen is.
func HTML(w io.Writer, t *Trace) error {
	picture, caption := t.picture()
	p := page{
		Trace: t, Style: template.CSS(pageStyle), Verb: strings.ToUpper(t.Verb), OK: !t.Failed(),
		Picture: template.HTML(picture), Caption: caption, // package picture has escaped what it was given
		Took: account.Milliseconds(t.Took), Rows: rows(t), Ticks: ticks(t), Facts: account.Facts(t.Record),
		Notes: slices.Concat(t.Notes, t.Problems),
	}
	if t.NetNS != "" {
		p.Where = account.Namespace(t.NetNS)
	}
	for i, c := range slices.Concat(t.Calls, t.Cleanup) {
		l := newSection(t, c, t.effect(i))
		l.Cleanup = i >= len(t.Calls)
		p.Sections = append(p.Sections, l)
	}
	for _, f := range t.Errors {
		if f.Link < 0 {
			p.Failures = append(p.Failures, newFailure(f, t.Conflist))
		}
	}
	if err := pageTemplate.Execute(w, p); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}

// page is what the template is given.
type page struct {
	*Trace
	Style             template.CSS
	Verb, Where, Took string
	OK                bool
	Picture           template.HTML
	Caption           string
	Facts             [][2]string
	Rows              []waterfallRow
	Ticks             []tick
	Sections          []section
	Failures          []failure
	Notes             []string
}

// section is one link.
type section struct {
	Number  int
	Type    string
	Command string
	Took    string
	Cleanup bool
	Color   int
	Failure *failure
	Steps   []stepLine
	Result  []account.Change
	// IsAdd says that there is a result to speak of.
	IsAdd          bool
	Places         []placeChanges
	Input, Answer  string
	Path           string
	InputSummary   string
	NothingChanged bool
}

// placeChanges are the changes in one network namespace, minor ones apart.
type placeChanges struct {
	Name           string
	Changes, Minor []Change
}

type failure struct{ Code, Msg, Details, At, Hint string }

type stepLine struct{ Level, Text, Took string }

// colors is how many the style sheet has.
const colors = 6

func newSection(t *Trace, c *run.Call, e Effect) section {
	s := section{
		Number: c.Link + 1, Type: c.Type, Command: c.Command, Took: account.Milliseconds(c.Took), Color: c.Link % colors,
		IsAdd: c.Command == "ADD" && c.Error == nil, Input: pretty(c.Stdin), Answer: pretty(c.Stdout), Path: c.Path,
		InputSummary: account.Input(c), Places: byPlace(e.Changes), NothingChanged: len(e.Changes) == 0,
	}
	if s.IsAdd {
		s.Result = account.Changes(c)
	}
	for _, step := range c.Steps {
		line := stepLine{Level: strings.ToLower(step.Level), Text: step.What}
		if step.Err != "" {
			line.Level, line.Text = "error", step.What+": "+step.Err
		}
		if step.Took != nil {
			line.Took = account.Milliseconds(*step.Took)
		}
		s.Steps = append(s.Steps, line)
	}
	if c.Error != nil {
		f := run.Failure{Error: *c.Error}
		same := func(e run.Failure) bool { return e.Link == c.Link && e.Error == *c.Error }
		if at := slices.IndexFunc(t.Errors, same); at >= 0 {
			f = t.Errors[at]
		}
		failed := newFailure(f, t.Conflist)
		s.Failure = &failed
	}
	return s
}

func newFailure(f run.Failure, conflist string) failure {
	at := ""
	if f.Position != nil {
		at = fmt.Sprintf("%s:%s: %s", conflist, f.Position, f.Path)
	}
	return failure{account.Code(f.Code), f.Msg, strings.TrimSpace(f.Details), at, account.Hint(f.Error)}
}

func byPlace(changes []Change) []placeChanges {
	var places []placeChanges
	for _, c := range changes {
		if n := len(places); n == 0 || places[n-1].Name != c.Place {
			places = append(places, placeChanges{Name: c.Place})
		}
		p := &places[len(places)-1]
		if c.Minor {
			p.Minor = append(p.Minor, c)
		} else {
			p.Changes = append(p.Changes, c)
		}
	}
	return places
}

func pretty(data json.RawMessage) string {
	var b bytes.Buffer
	if len(data) == 0 || json.Indent(&b, data, "", "  ") != nil {
		return string(data)
	}
	return b.String()
}

// waterfallRow is a bar of the page; places are in hundredths of the whole.
type waterfallRow struct {
	Name, Took  string
	Left, Width float64
	Color       int
	Step        bool
	Failed      bool
}

func rows(t *Trace) []waterfallRow {
	var all []waterfallRow
	total := whole(t)
	for _, b := range bars(t) {
		all = append(all, waterfallRow{
			Name: b.name, Took: account.Milliseconds(b.took), Left: share(b.at, total), Width: max(share(b.took, total), 0.25),
			Color: b.link % colors, Step: b.step, Failed: b.failed,
		})
	}
	return all
}

// whole is the time until the last bar ends.
func whole(t *Trace) run.Duration {
	var total run.Duration
	for _, b := range bars(t) {
		total = max(total, b.end())
	}
	return total
}

func share(part, total run.Duration) float64 {
	if total == 0 {
		return 0
	}
	return float64(part) / float64(total) * 100
}

// tick is a mark on the axis of time.
type tick struct {
	Left float64
	Text string
}

// ticks are at round times: 1, 2 or 5 of some power of ten, four to ten of them.
func ticks(t *Trace) []tick {
	total := float64(whole(t)) / 1e6 // milliseconds
	if total <= 0 {
		return nil
	}
	step := 0.001
	for factors := []float64{2, 2.5, 2}; total/step > 9; factors = append(factors[1:], factors[0]) {
		step *= factors[0]
	}
	var all []tick
	for at := 0.0; at <= total; at += step {
		all = append(all, tick{at / total * 100, strings.TrimSuffix(fmt.Sprintf("%.3g", at), ".0") + " ms"})
	}
	return all
}
