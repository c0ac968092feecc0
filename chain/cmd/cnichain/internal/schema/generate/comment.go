// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package generate

import (
	"cmp"
	"encoding/json"
	"go/ast"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/jsontext"
)

// What a comment says, in the words that the links' comments are written in.
var (
	defaultWord = regexp.MustCompile(`[Dd]efault:? "?([^\s";,.]+)"?\.(?:\s|$)`) // "Default cni0.", "Default: 13.", not "Default: the …"
	defaultMark = regexp.MustCompile(`"([^"\s]+)" \(default\)`)                 // `"warn" (default), "refuse" or "ignore"`
	choice      = regexp.MustCompile(`^\w+ is "`)                               // `Backend is "nftables" or "iptables".`
	quotedWord  = regexp.MustCompile(`"([^"\s]+)"`)
	camel       = regexp.MustCompile(`\b[A-Z][a-z]+[A-Z]\w*`)
	bounds      = regexp.MustCompile(`(\d+) to (\d+)`)
)

// described adds to a field's schema what its comment and its name say.
func (g *generator) described(value object, f *ast.Field, name, path string) object {
	doc := inJSON(cleaned(f.Doc.Text()), f.Names[0].Name, name, g.names)
	if doc == "" {
		doc = wellKnown[name]
	}
	kind, _ := value.Get("type").(string)
	out := object{}
	if doc != "" {
		out.Set("description", doc)
	}
	out = append(out, value...)
	switch kind {
	case "string":
		addChoices(&out, doc)
		if format := formats[name]; format != "" && out.Get("enum") == nil {
			out.Set("format", format)
		}
	case "integer":
		if m := bounds.FindStringSubmatch(doc); m != nil {
			out.Set("minimum", json.RawMessage(m[1]))
			out.Set("maximum", json.RawMessage(m[2]))
		}
	case "boolean":
		out.Set("default", false)
	}
	if m := defaultWord.FindStringSubmatch(doc); m != nil {
		if word, ok := literal(kind, m[1]); ok {
			out.Set("default", word)
		}
	}
	for _, fact := range []object{fieldFacts[strings.TrimPrefix(path, "ipam.")], fieldFacts[g.link+"."+path]} {
		for _, m := range fact {
			out.Set(m.Key, m.Value)
		}
	}
	return out
}

// inJSON is a comment with the keys of JSON in the place of the names of Go: the first word, and others that are
// nothing but names (HostPort).
func inJSON(doc, field, key string, names map[string]string) string {
	if rest, ok := strings.CutPrefix(doc, field); ok {
		doc = key + rest
	}
	return camel.ReplaceAllStringFunc(doc, func(word string) string { return cmp.Or(names[word], word) })
}

// nounOf is the comment of a struct without the name that nobody sees: "Range is a part of a subnet.", "A part of …".
func nounOf(doc, name string) string {
	rest, ok := strings.CutPrefix(doc, name+" is ")
	if !ok || rest == "" {
		return doc
	}
	return strings.ToUpper(rest[:1]) + rest[1:]
}

// collect maps the names of all fields of a struct that are words of no language to their keys.
func (g *generator) collect(s *ast.StructType) {
	for _, f := range s.Fields.List {
		if len(f.Names) > 0 && camel.MatchString(f.Names[0].Name) {
			g.names[f.Names[0].Name] = jsonName(f)
		}
	}
}

// addChoices makes an enum of the quoted words, when the comment is about a choice.
func addChoices(out *object, doc string) {
	mark := defaultMark.FindStringSubmatch(doc)
	if mark == nil && !choice.MatchString(doc) {
		return
	}
	var words []any
	for _, m := range quotedWord.FindAllStringSubmatch(doc, -1) {
		if !slices.Contains(words, any(m[1])) {
			words = append(words, m[1])
		}
	}
	if strings.Contains(doc, "lower or upper case") {
		for _, word := range slices.Clone(words) {
			words = append(words, strings.ToUpper(word.(string)))
		}
	}
	out.Set("enum", words)
	if mark != nil {
		out.Set("default", mark[1])
	}
}

func literal(kind, word string) (any, bool) {
	switch kind {
	case "boolean":
		return json.RawMessage(word), word == "true" || word == "false"
	case "integer":
		_, err := strconv.Atoi(word)
		return json.RawMessage(word), err == nil
	case "string":
		return word, true
	}
	return nil, false
}

// cleaned is a comment as one paragraph.
func cleaned(doc string) string { return strings.Join(strings.Fields(doc), " ") }

// structSchema is an object of a struct. What the runtime sends and what is under args is open: others put things there
// too.
func structSchema(doc string, properties object, path string) object {
	if path == "runtimeConfig" || path == "args" || path == "args.cni" {
		return object{{Key: "type", Value: "object"}, {Key: "properties", Value: properties}}
	}
	return closed(doc, properties)
}

func closed(doc string, properties object) object {
	schema := object{}
	if doc != "" {
		schema.Set("description", doc)
	}
	return append(schema, jsontext.Member{Key: "type", Value: "object"}, jsontext.Member{Key: "properties", Value: properties},
		jsontext.Member{Key: "additionalProperties", Value: false})
}
