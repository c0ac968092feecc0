// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Package resolv reads and writes resolv.conf(5). A file stays the bytes that it was until something is set in it:
// comments, sortlist and keywords of other systems survive. A Config is what a resolver takes from the file; it can be
// checked value by value, cut to what the C libraries read, and freed of servers that only the host itself can reach.
// Inherit finds the host's real configuration behind the local stubs of systemd-resolved and NetworkManager.
//
// To turn the host's file into the DNS of a container:
//
//	found, err := resolv.Inherit("")            // /etc/resolv.conf, or what stands behind its stub
//	config, cut := found.Config.Limit()         // what glibc and musl read of it
//	file := &resolv.File{}
//	file.Set(config)
//	content := file.Bytes()
package resolv

import (
	"bytes"
	"slices"
	"strings"
)

// Config is what a resolver takes from a resolv.conf. A nil list says nothing, an empty one says "none".
type Config struct {
	// Servers are IP addresses, most wanted first; an IPv6 link-local one may carry a zone ("fe80::1%eth0").
	Servers []string
	// Domain is the local domain. Resolvers use it only when there is no Search.
	Domain string
	// Search are domain names, most wanted first; "." alone means that nothing is appended to a name.
	Search []string
	// Options are words such as "ndots:5".
	Options []string
	// Other are whole lines of further keywords (sortlist, BSD's lookup and family), as they stand.
	Other []string
}

// File is a resolv.conf line by line. The zero value is an empty file.
type File struct {
	lines   []string
	partial bool // the last line has no line break
}

// Parse takes any bytes; what a resolver would not understand is kept and has no meaning.
func Parse(data []byte) *File {
	if len(data) == 0 {
		return &File{}
	}
	text, whole := bytes.CutSuffix(data, []byte("\n"))
	return &File{lines: strings.Split(string(text), "\n"), partial: !whole}
}

// Bytes is the file's content: what was parsed, byte for byte, but for what Set changed.
func (f *File) Bytes() []byte {
	if len(f.lines) == 0 {
		return nil
	}
	text := strings.Join(f.lines, "\n")
	if !f.partial {
		text += "\n"
	}
	return []byte(text)
}

// Config reads the file as glibc does (resolv/res_init.c): a keyword starts in the first column, the last domain or
// search line wins, options add up and the last one of a name counts. Values are as they stand; Validate or Clean
// judges them.
func (f *File) Config() Config {
	var c Config
	for _, line := range f.lines {
		keyword, values := split(line)
		switch keyword {
		case "":
		case "nameserver":
			c.Servers = append(c.Servers, values[:min(1, len(values))]...)
		case "domain":
			if len(values) > 0 {
				c.Domain, c.Search = values[0], nil
			}
		case "search":
			if len(values) > 0 {
				c.Domain, c.Search = "", values
			}
		case "options":
			c.Options = append(c.Options, values...)
		default:
			c.Other = append(c.Other, strings.TrimRight(line, blanks))
		}
	}
	c.Options = effective(c.Options)
	return c
}

// effective leaves of several options with one name ("ndots:1", "ndots:2") the last, which is the one that counts.
func effective(options []string) []string {
	seen := map[string]bool{}
	var kept []string
	for _, option := range slices.Backward(options) {
		if name := OptionName(option); !seen[name] {
			seen[name] = true
			kept = append(kept, option)
		}
	}
	slices.Reverse(kept)
	return kept
}

// OptionName is what tells one option from another: "ndots" of "ndots:5".
func OptionName(option string) string {
	name, _, _ := strings.Cut(option, ":")
	return name
}

// Set makes the file say c and nothing else; comments stay where they are. Domain is written only without Search, as
// no resolver reads both. A value that Validate refuses must not be set: it could add a line of its own.
func (f *File) Set(c Config) {
	f.lines = slices.DeleteFunc(f.lines, func(line string) bool {
		keyword, _ := split(line)
		return keyword != ""
	})
	f.partial = false
	for _, server := range c.Servers {
		f.lines = append(f.lines, "nameserver "+server)
	}
	switch {
	case len(c.Search) > 0:
		f.lines = append(f.lines, "search "+strings.Join(c.Search, " "))
	case c.Domain != "":
		f.lines = append(f.lines, "domain "+c.Domain)
	}
	f.lines = append(f.lines, optionLines(c.Options)...)
	f.lines = append(f.lines, c.Other...)
}

// blanks separate words. glibc and musl know blank and tab; the others come from editors of other systems.
const blanks = " \t\r\v\f"

// split takes a line apart; a line that no resolver reads (comment, indented, empty) has no keyword. What follows a
// comment sign is not a value: glibc says so for nameserver, and elsewhere nobody means it.
func split(line string) (keyword string, values []string) {
	if line == "" || isComment(line) || strings.ContainsRune(blanks, rune(line[0])) {
		return "", nil
	}
	words := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(blanks, r) })
	values = words[1:]
	for i, word := range values {
		if sign := strings.IndexAny(word, "#;"); sign >= 0 {
			values = values[:i+min(sign, 1)]
			if sign > 0 {
				values[i] = word[:sign]
			}
			break
		}
	}
	return words[0], values
}

func isComment(line string) bool { return strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";") }

// optionLines spreads the options over lines that musl can read whole.
func optionLines(options []string) []string {
	var lines []string
	for _, option := range options {
		last := len(lines) - 1
		if last >= 0 && len(lines[last])+1+len(option) <= maxLine {
			lines[last] += " " + option
			continue
		}
		lines = append(lines, "options "+option)
	}
	return lines
}
