// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/account"
	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/run"
)

// Text writes traces for terminals.
type Text struct {
	W     io.Writer
	Style account.Style
	// All tells minor changes, too.
	All bool
}

// Write writes the whole trace: what each link did, what it changed in the result and on the machine, and when.
func (w Text) Write(t *Trace) {
	a := account.Writer{W: w.W, Style: w.Style}
	a.Headline(t.Record)
	for i, call := range t.Calls {
		a.Link(call, t.Record)
		w.changes(t.effect(i).Changes)
	}
	if len(t.Cleanup) > 0 {
		fmt.Fprintln(w.W, w.Style.Bold("DEL, to leave nothing of it:"))
	}
	for i, call := range t.Cleanup {
		a.Link(call, t.Record)
		w.changes(t.effect(len(t.Calls) + i).Changes)
	}
	a.Remarks(t.Record)
	for _, problem := range t.Problems {
		fmt.Fprintf(w.W, "%s %s\n", w.Style.Warn("note:"), problem)
	}
	w.waterfall(t)
	fmt.Fprintln(w.W)
	a.Outcome(t.Record)
}

// changes writes what is new on the machine, place by place.
func (w Text) changes(all []Change) {
	minor := map[string]int{}
	place := ""
	for _, c := range all {
		if c.Minor && !w.All {
			minor[c.Kind]++
			continue
		}
		if c.Place != place {
			place = c.Place
			fmt.Fprintf(w.W, "     %s\n", w.Style.Dim("changed "+where(place)+":"))
		}
		what, detail := cut(c.What, 100), w.Style.Dim(cut(c.Detail, 80))
		line := fmt.Sprintf("     %s %-9s %-27s %s", w.Style.Sign(c.Sign), c.Kind, what, detail)
		fmt.Fprintln(w.W, strings.TrimRight(line, " "))
	}
	if len(minor) > 0 {
		var parts []string
		for _, kind := range slices.Sorted(maps.Keys(minor)) {
			parts = append(parts, fmt.Sprintf("%d %s", minor[kind], kind))
		}
		fmt.Fprintf(w.W, "       %s\n", w.Style.Dim("and what follows from it: "+strings.Join(parts, ", ")))
	}
}

func where(place string) string {
	if place == "host" {
		return "on the host"
	}
	return "in " + place
}

func cut(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	return string([]rune(text)[:width-1]) + "…"
}

// The waterfall's columns: a name, a duration, a bar.
const nameWidth, barWidth = 40, 30

// waterfall draws when each link and each step of it was at work.
func (w Text) waterfall(t *Trace) {
	bars := bars(t)
	if len(bars) == 0 {
		return
	}
	total := bars[len(bars)-1].end()
	for _, b := range bars {
		total = max(total, b.end())
	}
	half := account.Milliseconds(total / 2)
	middle := barWidth/2 - 1 + utf8.RuneCountInString(half)/2 // where it ends
	axis := "0" + pad(half, middle) + pad(account.Milliseconds(total), barWidth-1-middle)
	fmt.Fprintf(w.W, "\n%s\n", w.Style.Dim(fmt.Sprintf("%-*s%9s  %s", nameWidth, "when", "", axis)))
	for _, b := range bars {
		name := b.name
		if b.step {
			name = "     " + name
		}
		name = fmt.Sprintf("%-*s", nameWidth, cut(name, nameWidth-1))
		fmt.Fprintf(w.W, "%s%9s  %s\n", name, account.Milliseconds(b.took), w.bar(b, total))
	}
}

func pad(text string, width int) string {
	return strings.Repeat(" ", max(1, width-utf8.RuneCountInString(text))) + text
}

func (w Text) bar(b bar, total run.Duration) string {
	if total == 0 {
		return ""
	}
	column := func(d run.Duration) int { return min(int(float64(d)/float64(total)*barWidth), barWidth-1) }
	from, to := column(b.at), column(b.end())
	paint, fill := w.Style.Good, "█"
	switch {
	case b.failed:
		paint = w.Style.Bad
	case b.step:
		paint, fill = w.Style.Dim, "▒"
	}
	return strings.Repeat(" ", from) + paint(strings.Repeat(fill, max(1, to-from)))
}
