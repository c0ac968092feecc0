// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package schema

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/source"
)

// wants says what a value is and what is needed there.
func wants(s *Schema, n *source.Node) string {
	got := string(n.Kind)
	switch n.Kind {
	case source.String:
		got = strconv.Quote(n.Text)
	case source.Number, source.Bool:
		got = n.Text
	}
	return fmt.Sprintf("is %s: it has to be %s", got, s.Wanted())
}

// Wanted is what a value may be, in words: `"tcp" or "udp"`, "a whole number from 1 to 4094".
func (s *Schema) Wanted() string {
	if len(s.AnyOf) > 0 {
		var alternatives []string
		for _, a := range s.AnyOf {
			alternatives = append(alternatives, a.Wanted())
		}
		return or(alternatives)
	}
	var merged Schema
	for _, p := range s.parts() {
		if len(p.AnyOf) > 0 {
			return p.Wanted()
		}
		merged.Type = append(merged.Type, p.Type...)
		merged.Enum = append(merged.Enum, p.Enum...)
		merged.Const = cmp.Or(merged.Const, p.Const)
		merged.Format = cmp.Or(merged.Format, p.Format)
		merged.Minimum = cmp.Or(merged.Minimum, p.Minimum)
		merged.Maximum = cmp.Or(merged.Maximum, p.Maximum)
	}
	switch {
	case merged.Const != nil:
		return quoted(merged.Const)
	case len(merged.Enum) > 0:
		var values []string
		for _, v := range merged.Enum {
			if text := quoted(v); text == strings.ToLower(text) { // TCP goes for tcp
				values = append(values, text)
			}
		}
		return or(values)
	case merged.Format != "" && formats[merged.Format].what != "":
		return formats[merged.Format].what
	}
	var names []string
	for _, word := range merged.Type {
		if name := merged.named(word); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return or(names)
}

func (s *Schema) named(word string) string {
	switch word {
	case "boolean":
		return string(source.Bool)
	case "object":
		return string(source.Object)
	case "array":
		return string(source.List)
	case "string":
		return string(source.String)
	case "integer":
		switch {
		case s.Minimum != nil && s.Maximum != nil:
			return fmt.Sprintf("a whole number from %d to %d", *s.Minimum, *s.Maximum)
		case s.Minimum != nil:
			return fmt.Sprintf("a whole number not below %d", *s.Minimum)
		}
		return "a whole number"
	}
	return string(source.Number)
}

func or(alternatives []string) string {
	n := len(alternatives)
	if n < 2 {
		return strings.Join(alternatives, "")
	}
	last := " or "
	if strings.Contains(alternatives[n-2], last) { // "true or false, or an object"
		last = "," + last
	}
	return strings.Join(alternatives[:n-1], ", ") + last + alternatives[n-1]
}

func quoted(v any) string {
	if text, ok := v.(string); ok {
		return strconv.Quote(text)
	}
	return fmt.Sprint(v)
}

// contains compares values of a schema, which encoding/json has read, with one of a document.
func contains(values []any, n *source.Node) bool {
	return slices.ContainsFunc(values, func(v any) bool {
		text, ok := v.(string)
		return ok && n.Kind == source.String && (text == n.Text || n.Text == "") ||
			!ok && n.Kind != source.String && fmt.Sprint(v) == n.Text
	})
}

func texts(values []any) (list []string) {
	for _, v := range values {
		if text, ok := v.(string); ok {
			list = append(list, text)
		}
	}
	return list
}
