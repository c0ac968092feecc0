// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Package jsontext writes JSON documents for people: objects whose members keep their order, and what is short on one
// line. It reads nothing; package source does.
package jsontext

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/source"
)

// Object is a JSON object in the order of its members. Values are Object, []any, or what encoding/json takes.
type Object []Member

// Member is a key and its value.
type Member struct {
	Key   string
	Value any
}

// Get is the value of a key, letter case aside, or nil.
func (o Object) Get(key string) any {
	for _, m := range o {
		if strings.EqualFold(m.Key, key) {
			return m.Value
		}
	}
	return nil
}

// Set gives a key a value, at the place that it has or at the end.
func (o *Object) Set(key string, value any) {
	for i := range *o {
		if strings.EqualFold((*o)[i].Key, key) {
			(*o)[i] = Member{key, value}
			return
		}
	}
	*o = append(*o, Member{key, value})
}

// Drop removes a key, letter case aside.
func (o *Object) Drop(key string) {
	*o = slices.DeleteFunc(*o, func(m Member) bool { return strings.EqualFold(m.Key, key) })
}

// MarshalJSON writes the members in their order.
func (o Object) MarshalJSON() ([]byte, error) {
	text, err := line(o)
	return []byte(text), err
}

// Of is a value that has been read.
func Of(n *source.Node) any {
	switch n.Kind {
	case source.Object:
		o := Object{}
		for _, m := range n.Nodes {
			o = append(o, Member{m.Key, Of(m)})
		}
		return o
	case source.List:
		list := []any{}
		for _, e := range n.Nodes {
			list = append(list, Of(e))
		}
		return list
	case source.String:
		return n.Text
	}
	return json.RawMessage(n.Text)
}

// Format writes a document. Objects and lists down to the depth open are always spread over lines, deeper ones only
// when they do not fit into the width.
func Format(v any, width, open int) ([]byte, error) {
	p := printer{width: width, open: open}
	if err := p.value(v, "", 0); err != nil {
		return nil, err
	}
	p.out.WriteByte('\n')
	return p.out.Bytes(), nil
}

type printer struct {
	out         bytes.Buffer
	width, open int
}

// value writes v, behind what stands on the line already.
func (p *printer) value(v any, indent string, depth int) error {
	short, err := line(v)
	if err != nil {
		return err
	}
	// A comma may follow.
	used := p.out.Len() - 1 - bytes.LastIndexByte(p.out.Bytes(), '\n')
	fits := used+len(short) < p.width
	inner := indent + "  "
	switch v := v.(type) {
	case Object:
		if len(v) == 0 || depth > p.open && fits {
			break
		}
		return p.spread("{", "}", len(v), indent, func(i int) error {
			key, err := line(v[i].Key)
			p.out.WriteString(key + ": ")
			return errOr(err, func() error { return p.value(v[i].Value, inner, depth+1) })
		})
	case []any:
		if len(v) == 0 || (depth > p.open || plain(v)) && fits {
			break
		}
		return p.spread("[", "]", len(v), indent, func(i int) error { return p.value(v[i], inner, depth+1) })
	}
	p.out.WriteString(short)
	return nil
}

// plain says whether a list has nothing in it that has something in it.
func plain(list []any) bool {
	return !slices.ContainsFunc(list, func(v any) bool {
		switch v.(type) {
		case Object, []any:
			return true
		}
		return false
	})
}

func errOr(err error, next func() error) error {
	if err != nil {
		return err
	}
	return next()
}

func (p *printer) spread(open, end string, n int, indent string, element func(int) error) error {
	p.out.WriteString(open)
	for i := range n {
		if i > 0 {
			p.out.WriteByte(',')
		}
		p.out.WriteString("\n" + indent + "  ")
		if err := element(i); err != nil {
			return err
		}
	}
	p.out.WriteString("\n" + indent + end)
	return nil
}

// line is a value on one line, with a space after colons and commas.
func line(v any) (string, error) {
	switch v := v.(type) {
	case Object:
		var parts []string
		for _, m := range v {
			key, err := line(m.Key)
			if err != nil {
				return "", err
			}
			value, err := line(m.Value)
			if err != nil {
				return "", err
			}
			parts = append(parts, key+": "+value)
		}
		return "{" + strings.Join(parts, ", ") + "}", nil
	case []any:
		var parts []string
		for _, e := range v {
			value, err := line(e)
			if err != nil {
				return "", err
			}
			parts = append(parts, value)
		}
		return "[" + strings.Join(parts, ", ") + "]", nil
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return "", fmt.Errorf("write %v: %w", v, err)
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// Line is a value on one line, as a person writes it. What cannot be JSON is a mistake of the caller's.
func Line(v any) string {
	text, err := line(v)
	if err != nil {
		panic(err)
	}
	return text
}
