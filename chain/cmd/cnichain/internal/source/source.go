// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Package source tells where in a JSON file a value stands, so that an error can point at a line of the conflist
// instead of naming a key. It knows nothing of what the keys mean.
package source

import (
	"bytes"
	"encoding/json"
	"errors"
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

// Parse reads the document. Its error is a *SyntaxError.
func Parse(data []byte) (Index, error) {
	if err := json.Unmarshal(data, new(json.RawMessage)); err != nil {
		return nil, syntaxError(data, err)
	}
	p := parser{data: data, dec: json.NewDecoder(bytes.NewReader(data))}
	p.dec.UseNumber() // a number that no float64 holds is still a number
	if err := p.value(""); err != nil {
		return nil, &SyntaxError{position(data, p.next()), err}
	}
	return p.index, nil
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

type parser struct {
	data  []byte
	dec   *json.Decoder
	index Index
}

// value reads one value whose entry, if it needs one, has been made.
func (p *parser) value(path string) error {
	token, err := p.dec.Token()
	if err != nil {
		return err
	}
	switch token {
	case json.Delim('{'):
		return p.object(path)
	case json.Delim('['):
		return p.list(path)
	}
	return nil
}

func (p *parser) object(path string) error {
	for p.dec.More() {
		start := p.next()
		token, err := p.dec.Token()
		if err != nil {
			return err
		}
		key, _ := token.(string) // the decoder accepts nothing else here
		if path != "" {
			key = path + "." + key
		}
		p.index = append(p.index, Entry{key, position(p.data, start)})
		if err := p.value(key); err != nil {
			return err
		}
	}
	_, err := p.dec.Token()
	return err
}

func (p *parser) list(path string) error {
	for i := 0; p.dec.More(); i++ {
		element := fmt.Sprintf("%s[%d]", path, i)
		p.index = append(p.index, Entry{element, position(p.data, p.next())})
		if err := p.value(element); err != nil {
			return err
		}
	}
	_, err := p.dec.Token()
	return err
}

// next is the offset of the next token: the decoder stands at the end of the last one.
func (p *parser) next() int {
	i := int(p.dec.InputOffset())
	for i < len(p.data) && strings.IndexByte(" \t\r\n,:", p.data[i]) >= 0 {
		i++
	}
	return i
}

func position(data []byte, offset int) Position {
	before := data[:min(offset, len(data))]
	return Position{Line: 1 + bytes.Count(before, []byte{'\n'}), Column: len(before) - bytes.LastIndexByte(before, '\n')}
}

// syntaxError finds the place: the decoder's offset counts the bytes it read, the offending one included.
func syntaxError(data []byte, err error) error {
	syntax, ok := errors.AsType[*json.SyntaxError](err)
	if !ok || strings.HasPrefix(err.Error(), "unexpected end") {
		end := len(bytes.TrimRight(data, " \t\r\n"))
		return &SyntaxError{position(data, end), errors.New("the file ends in the middle of the document")}
	}
	return &SyntaxError{position(data, int(syntax.Offset)-1), err}
}
