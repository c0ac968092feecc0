// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Package source tells where in a JSON file a value stands, so that an error can point at a line of the conflist
// instead of naming a key. It knows nothing of what the keys mean.
package source

import (
	"fmt"
	"strings"
)

// Position is a place in a file: line and column count from 1, the column in bytes.
type Position struct {
	Line   int `json:"line"`
	Column int `json:"column"`
}

// String is "line:column", as compilers write it.
func (p Position) String() string { return fmt.Sprintf("%d:%d", p.Line, p.Column) }

// SyntaxError is why a file is no JSON document, and where.
type SyntaxError struct {
	Position
	Err error
}

func (e *SyntaxError) Error() string { return e.Position.String() + ": " + e.Err.Error() }

// Unwrap gives errors.Is and errors.As the cause.
func (e *SyntaxError) Unwrap() error { return e.Err }

// Entry is one value of the file: its path as in "plugins[1].ipam.type", and where it starts: an element of a list
// itself, a member of an object at its key.
type Entry struct {
	Path string
	Position
}

// Index lists every value of one JSON document in the order of the file. A key that stands there twice is there twice.
type Index []Entry

// Parse lists the values of a document. Its error is a *SyntaxError.
func Parse(data []byte) (Index, error) {
	doc, err := Read("", data)
	if err != nil {
		return nil, err
	}
	return doc.Index(), nil
}

// Index lists the document's values.
func (d *Document) Index() Index {
	var x Index
	var walk func(*Node)
	walk = func(n *Node) {
		for _, m := range n.Nodes {
			x = append(x, Entry{m.Path, d.Position(m.At().Start)})
			walk(m)
		}
	}
	walk(d.Root)
	return x
}

// Find is the first entry with that path.
func (x Index) Find(path string) (Position, bool) {
	for _, e := range x {
		if e.Path == path {
			return e.Position, true
		}
	}
	return Position{}, false
}

// Named is the entry under prefix ("plugins[1]") whose path, without the prefix, a text names first; of those that
// begin at the same word the longest. It is how an error message of a link finds its key.
func (x Index) Named(prefix, text string) (Entry, bool) {
	var best Entry
	at, length := -1, 0
	for _, e := range x {
		rest, ok := strings.CutPrefix(e.Path, prefix+".")
		if !ok {
			continue
		}
		if i := wordIndex(text, rest); i >= 0 && (at < 0 || i < at || i == at && len(rest) > length) {
			best, at, length = e, i, len(rest)
		}
	}
	return best, at >= 0
}

// wordIndex is where word stands in text without being a part of a longer path, or -1.
func wordIndex(text, word string) int {
	for from := 0; ; {
		i := strings.Index(text[from:], word)
		if i < 0 {
			return -1
		}
		start, end := from+i, from+i+len(word)
		begins := start == 0 || !inPath(text[start-1]) && text[start-1] != '.'
		ends := end == len(text) || !inPath(text[end]) && !goesOn(text[end:])
		if begins && ends {
			return start
		}
		from = start + 1
	}
}

func inPath(c byte) bool {
	return c == '_' || c == '-' || c == '/' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// goesOn says whether a path continues: ".x" or "[0]", but not the full stop of a sentence.
func goesOn(rest string) bool {
	return rest[0] == '[' || rest[0] == '.' && len(rest) > 1 && inPath(rest[1])
}
