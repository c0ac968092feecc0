// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package account

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Style colours text, or does not.
type Style struct{ Colour bool }

// StyleFor colours on a terminal, unless NO_COLOR (no-color.org) or TERM=dumb say otherwise.
func StyleFor(w io.Writer) Style {
	file, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return Style{}
	}
	_, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS)
	return Style{Colour: err == nil}
}

// The colours of ECMA-48 that every terminal has, light or dark.
func (s Style) paint(code, text string) string {
	if !s.Colour || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// Bold is for headings and names.
func (s Style) Bold(text string) string { return s.paint("1", text) }

// Dim is for what may be skipped.
func (s Style) Dim(text string) string { return s.paint("2", text) }

// Good is for success and what came.
func (s Style) Good(text string) string { return s.paint("32", text) }

// Bad is for errors and what went.
func (s Style) Bad(text string) string { return s.paint("31", text) }

// Warn is for warnings and what changed.
func (s Style) Warn(text string) string { return s.paint("33", text) }

// Sign colours the sign of a change.
func (s Style) Sign(sign string) string {
	switch sign {
	case "+":
		return s.Good(sign)
	case "-":
		return s.Bad(sign)
	}
	return s.Warn(sign)
}
