// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/account"
)

// WriteText writes findings as a compiler does: the place and what is wrong, the line, and what to do.
func WriteText(w io.Writer, style account.Style, findings []Finding) error {
	for i, f := range findings {
		if i > 0 {
			if _, err := fmt.Fprintln(w); err != nil {
				return err
			}
		}
		if _, err := io.WriteString(w, f.text(style)); err != nil {
			return err
		}
	}
	return nil
}

// maxLine is how much of a line is shown; some tools write a whole conflist into one.
const maxLine = 120

func (f Finding) text(style account.Style) string {
	var b strings.Builder
	paint := map[Severity]func(string) string{Error: style.Bad, Warning: style.Warn, Note: style.Good}[f.Severity]
	label := fmt.Sprintf("%s[%s]", f.Severity, f.Code)
	fmt.Fprintf(&b, "%s: %s: %s\n", style.Bold(fmt.Sprintf("%s:%s", f.File, f.Start)), paint(label), f.Message)
	number := fmt.Sprint(f.Start.Line)
	margin := strings.Repeat(" ", len(number))
	line, from, to := f.excerpt()
	fmt.Fprintf(&b, " %s %s %s\n", style.Dim(number), style.Dim("|"), line)
	fmt.Fprintf(&b, " %s %s %s%s\n", margin, style.Dim("|"), blank(line[:from]), paint(strings.Repeat("^", max(1, width(line[from:to])))))
	if f.Hint != "" {
		fmt.Fprintf(&b, " %s %s hint: %s", margin, style.Dim("="), f.Hint)
		if f.Paste != "" {
			fmt.Fprintf(&b, ": %s", style.Bold(f.Paste))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// excerpt is the line, or the part of a long one that is around the place, and where in it the place is.
func (f Finding) excerpt() (line string, from, to int) {
	line = f.line
	from = min(f.Start.Column-1, len(line))
	to = len(line)
	if f.End.Line == f.Start.Line {
		to = min(f.End.Column-1, len(line))
	}
	if len(line) <= maxLine {
		return line, from, max(from, to)
	}
	start := max(0, min(from-maxLine/3, len(line)-maxLine))
	for start > 0 && !utf8.RuneStart(line[start]) {
		start--
	}
	end := min(len(line), start+maxLine)
	for end < len(line) && !utf8.RuneStart(line[end]) {
		end++
	}
	const more = "…"
	cut := line[start:end]
	from, to = from-start, min(max(from, to)-start, len(cut))
	if start > 0 {
		cut, from, to = more+cut, from+len(more), to+len(more)
	}
	if end < len(line) {
		cut += more
	}
	return cut, from, max(from, to)
}

// blank is as wide as the text, with the tabs where they are.
func blank(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		return ' '
	}, text)
}

func width(text string) int { return utf8.RuneCountInString(text) }
