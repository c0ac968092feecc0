// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Kind is what a value of a document is.
type Kind string

// The kinds, in the words of an error message.
const (
	Object Kind = "an object"
	List   Kind = "a list"
	String Kind = "a string"
	Number Kind = "a number"
	Bool   Kind = "true or false"
	Null   Kind = "null"
)

// Span is a part of a file, in bytes from its start.
type Span struct{ Start, End int }

// Node is a value of a document and where it stands.
type Node struct {
	// Path is like "plugins[1].ipam.type"; the document itself has none.
	Path string
	// Key is the name of a member of an object, KeySpan its place; an element of a list has neither.
	Key     string
	KeySpan Span
	Span    Span // of the value
	Kind    Kind
	// Text is a string as it is meant, or a number or a word as it is written.
	Text string
	// Nodes are the members of an object in their order, twice the ones that stand twice; or the elements of a list.
	Nodes []*Node
}

// At is where a person looks for the value: at its key if it has one.
func (n *Node) At() Span {
	if n.KeySpan.End > 0 {
		return n.KeySpan
	}
	return n.Span
}

// Get is the member of that name, letter case aside as for encoding/json, or nil. Of two it is the last, which counts.
func (n *Node) Get(key string) *Node {
	if n == nil || n.Kind != Object {
		return nil
	}
	var found *Node
	for _, m := range n.Nodes {
		if strings.EqualFold(m.Key, key) {
			found = m
		}
	}
	return found
}

// Str is the text of a string at the end of a path of keys, "" where there is none.
func (n *Node) Str(keys ...string) string {
	for _, key := range keys {
		n = n.Get(key)
	}
	if n == nil || n.Kind != String {
		return ""
	}
	return n.Text
}

// True says whether true stands at the key.
func (n *Node) True(key string) bool {
	m := n.Get(key)
	return m != nil && m.Kind == Bool && m.Text == "true"
}

// Document is a JSON file.
type Document struct {
	Name string
	Data []byte
	Root *Node
}

// Read parses a document. Its error is a *SyntaxError.
func Read(name string, data []byte) (*Document, error) {
	if err := json.Unmarshal(data, new(json.RawMessage)); err != nil {
		return nil, syntaxError(data, err)
	}
	p := parser{data: data, dec: json.NewDecoder(bytes.NewReader(data))}
	p.dec.UseNumber() // a number that no float64 holds is still a number
	root := &Node{}
	if err := p.value(root); err != nil {
		return nil, &SyntaxError{position(data, p.next()), err}
	}
	return &Document{name, data, root}, nil
}

// Position is the line and column of an offset.
func (d *Document) Position(offset int) Position { return position(d.Data, offset) }

// Raw is the value as it is written.
func (d *Document) Raw(n *Node) string { return string(d.Data[n.Span.Start:n.Span.End]) }

type parser struct {
	data []byte
	dec  *json.Decoder
}

func (p *parser) value(n *Node) error {
	n.Span.Start = p.next()
	token, err := p.dec.Token()
	if err != nil {
		return err
	}
	switch t := token.(type) {
	case json.Delim:
		if t == '{' {
			n.Kind, err = Object, p.members(n)
		} else {
			n.Kind, err = List, p.elements(n)
		}
	case string:
		n.Kind, n.Text = String, t
	case json.Number:
		n.Kind, n.Text = Number, t.String()
	case bool:
		n.Kind, n.Text = Bool, fmt.Sprint(t)
	default:
		n.Kind, n.Text = Null, "null"
	}
	n.Span.End = int(p.dec.InputOffset())
	return err
}

func (p *parser) members(n *Node) error {
	for p.dec.More() {
		start := p.next()
		token, err := p.dec.Token()
		if err != nil {
			return err
		}
		key, _ := token.(string) // the decoder accepts nothing else here
		m := &Node{Key: key, KeySpan: Span{start, int(p.dec.InputOffset())}, Path: key}
		if n.Path != "" {
			m.Path = n.Path + "." + key
		}
		n.Nodes = append(n.Nodes, m)
		if err := p.value(m); err != nil {
			return err
		}
	}
	_, err := p.dec.Token()
	return err
}

func (p *parser) elements(n *Node) error {
	for i := 0; p.dec.More(); i++ {
		e := &Node{Path: fmt.Sprintf("%s[%d]", n.Path, i)}
		n.Nodes = append(n.Nodes, e)
		if err := p.value(e); err != nil {
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
