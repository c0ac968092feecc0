// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package schema

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/source"
	"github.com/cni-chain/cni-chain/chain/internal/spell"
)

// Fault is what a problem is.
type Fault int

// The faults that a schema finds.
const (
	Unknown    Fault = iota // a key that the schema does not have
	Misspelt                // one that is close to a key that it has
	Twice                   // a key that stands twice
	Case                    // a key whose letters differ from the schema's in case
	Deprecated              // a key that is to go
	Type                    // a value of another kind
	Value                   // a value that may not be
	Missing                 // a key that has to be there
)

// Problem is one place where a document is not as the schema has it.
type Problem struct {
	Fault Fault
	Node  *source.Node // of Missing the object
	// Key is the key that is meant: of Misspelt and Case as it is to be, of Missing the one to add.
	Key string
	// Text says what is wrong, without the place. It is a part of a sentence whose subject is the key.
	Text string
	// Instead is a value to write there, as JSON; "" where only a person can know.
	Instead string
}

// Validate lists what is wrong with a value.
func (s *Schema) Validate(n *source.Node) []Problem {
	switch {
	case n.Kind == source.Null: // encoding/json, and so every plugin, takes it as if it were not there
		return nil
	case len(s.AnyOf) > 0:
		return s.anyOf(n)
	}
	problems := s.kind(n)
	if len(problems) > 0 {
		return problems
	}
	switch n.Kind {
	case source.Object:
		return s.object(n)
	case source.List:
		return s.list(n)
	}
	return s.scalar(n)
}

// parts are a schema and all that it refers to.
func (s *Schema) parts() []*Schema {
	parts := []*Schema{s}
	for _, other := range s.AllOf {
		parts = append(parts, other.parts()...)
	}
	return parts
}

// anyOf reports what is wrong with the alternative of the value's kind, or what kinds there are.
func (s *Schema) anyOf(n *source.Node) []Problem {
	var closest []Problem
	for _, alternative := range s.AnyOf {
		problems := alternative.Validate(n)
		if len(problems) == 0 {
			return nil
		}
		if len(alternative.kind(n)) == 0 && n.Kind != source.String && closest == nil {
			closest = problems
		}
	}
	if closest != nil {
		return closest
	}
	fault := Type
	if slices.ContainsFunc(s.AnyOf, func(a *Schema) bool { return len(a.kind(n)) == 0 }) {
		fault = Value
	}
	return []Problem{{Fault: fault, Node: n, Text: wants(s, n)}}
}

var kinds = map[string][]source.Kind{
	"object": {source.Object}, "array": {source.List}, "string": {source.String}, "boolean": {source.Bool},
	"integer": {source.Number}, "number": {source.Number},
}

// kind finds a value of another kind than the schema's.
func (s *Schema) kind(n *source.Node) []Problem {
	for _, p := range s.parts() {
		if len(p.AnyOf) > 0 && p != s {
			return p.anyOf(n)
		}
		ok := len(p.Type) == 0
		if p.Enum != nil || p.Const != nil { // of words and numbers
			ok = ok && n.Kind != source.Object && n.Kind != source.List
		}
		for _, word := range p.Type {
			ok = ok || slices.Contains(kinds[word], n.Kind) && (word != "integer" || whole(n.Text))
		}
		if !ok {
			return []Problem{{Fault: Type, Node: n, Text: wants(s, n), Instead: p.converted(n)}}
		}
	}
	return nil
}

func whole(number string) bool {
	_, err := strconv.ParseInt(number, 10, 64)
	return err == nil
}

// converted is the value in the kind that is needed, where a person has only put quotes too many or too few.
func (s *Schema) converted(n *source.Node) string {
	one := func(word string) bool { return len(s.Type) == 1 && s.Type[0] == word }
	text := strings.ToLower(n.Text)
	switch {
	case one("boolean") && n.Kind == source.String && (text == "true" || text == "false"),
		one("integer") && n.Kind == source.String && whole(n.Text):
		return text
	case one("string") && (n.Kind == source.Number || n.Kind == source.Bool):
		return strconv.Quote(n.Text)
	}
	return ""
}

func (s *Schema) scalar(n *source.Node) (problems []Problem) {
	for _, p := range s.parts() {
		if instead, ok := p.allows(n); !ok {
			if instead != "" {
				instead = strconv.Quote(instead)
			}
			problems = append(problems, Problem{Fault: Value, Node: n, Text: wants(s, n), Instead: instead})
		}
	}
	return problems
}

// allows says whether a scalar is one that the part of a schema allows, and if not what it may have been meant to be.
func (s *Schema) allows(n *source.Node) (instead string, ok bool) {
	format, formatted := formats[s.Format]
	switch {
	case s.Enum != nil && !contains(s.Enum, n):
		return spell.Nearest(n.Text, texts(s.Enum)), false
	case s.Const != nil && !contains([]any{s.Const}, n):
		return "", false
	case !s.inRange(n):
		return "", false
	case formatted && n.Kind == source.String && n.Text != "": // "" is as good as not there
		return format.valid(n.Text)
	}
	return "", true
}

func (s *Schema) inRange(n *source.Node) bool {
	number, err := strconv.ParseInt(n.Text, 10, 64)
	if n.Kind != source.Number || err != nil {
		return true
	}
	return (s.Minimum == nil || number >= *s.Minimum) && (s.Maximum == nil || number <= *s.Maximum)
}

func (s *Schema) list(n *source.Node) (problems []Problem) {
	for _, p := range s.parts() {
		if len(n.Nodes) < p.MinItems {
			problems = append(problems, Problem{Fault: Value, Node: n, Text: "is empty"})
		}
		if p.Items == nil {
			continue
		}
		for _, e := range n.Nodes {
			problems = append(problems, p.Items.Validate(e)...)
		}
	}
	return problems
}

// Property is the schema of a member, letter case aside, and its name as the schema has it.
func (s *Schema) Property(key string) (string, *Schema) {
	for _, p := range s.parts() {
		if property, ok := p.Properties[key]; ok {
			return key, property
		}
	}
	for _, p := range s.parts() {
		for name, property := range p.Properties {
			if strings.EqualFold(name, key) {
				return name, property
			}
		}
	}
	return "", nil
}

// Keys are the names of all members that the schema has.
func (s *Schema) Keys() (keys []string) {
	for _, p := range s.parts() {
		for name := range p.Properties {
			keys = append(keys, name)
		}
	}
	slices.Sort(keys)
	return keys
}

func (s *Schema) object(n *source.Node) (problems []Problem) {
	for i, m := range n.Nodes {
		twice := slices.ContainsFunc(n.Nodes[:i], func(o *source.Node) bool { return strings.EqualFold(o.Key, m.Key) })
		if twice {
			problems = append(problems, Problem{Fault: Twice, Node: m, Key: m.Key, Text: "stands twice: the last one counts"})
		}
		problems = append(problems, s.member(m)...)
	}
	for _, p := range s.parts() {
		for _, key := range p.Required {
			if n.Get(key) == nil {
				problems = append(problems, s.missing(n, key, "is missing"))
			}
		}
		for _, m := range n.Nodes {
			for _, key := range p.Dependent[m.Key] {
				if n.Get(key) == nil {
					problems = append(problems, s.missing(n, key, "is missing: it goes with "+strconv.Quote(m.Key)))
				}
			}
		}
	}
	return problems
}

func (s *Schema) missing(n *source.Node, key, text string) Problem {
	return Problem{Fault: Missing, Node: n, Key: key, Text: text}
}

func (s *Schema) member(m *source.Node) []Problem {
	name, property := s.Property(m.Key)
	if property != nil {
		problems := property.Validate(m)
		if name != m.Key {
			problems = append(problems, Problem{Fault: Case, Node: m, Key: name,
				Text: fmt.Sprintf("is written %q: plugins take it, editors and other tools do not", name)})
		}
		for _, p := range property.parts() {
			if p.Deprecated {
				why := strings.TrimSuffix(property.describe(), ".")
				return append(problems, Problem{Fault: Deprecated, Node: m, Key: m.Key,
					Text: "is deprecated: " + strings.ToLower(why[:1]) + why[1:]})
			}
		}
		return problems
	}
	closed := false
	for _, p := range s.parts() {
		for pattern := range p.Patterns {
			if regexp.MustCompile(pattern).MatchString(m.Key) {
				return nil
			}
		}
		if p.Additional != nil && p.Additional.Enum == nil {
			return p.Additional.Validate(m)
		}
		closed = closed || p.Unevaluated != nil && !*p.Unevaluated || p.Additional != nil
	}
	if !closed {
		return nil
	}
	if near := spell.Nearest(m.Key, s.Keys()); near != "" {
		return []Problem{{Fault: Misspelt, Node: m, Key: near}}
	}
	return []Problem{{Fault: Unknown, Node: m, Key: m.Key}}
}

// describe is the first description that the schema or what it refers to has.
func (s *Schema) describe() string {
	for _, p := range s.parts() {
		if p.Description != "" {
			return p.Description
		}
	}
	return ""
}
