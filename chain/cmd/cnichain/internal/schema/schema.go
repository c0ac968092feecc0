// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Package schema reads the JSON Schemas of this repository and holds documents to them, with errors that say where in
// the file and what to write instead. It understands the part of JSON Schema 2020-12 that these schemas use, and takes
// letter case as encoding/json, and so every plugin, does. It knows nothing of how plugins go together; package lint
// does.
package schema

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/cni-chain/cni-chain/schemas"
)

// Schema is what a value may be.
type Schema struct {
	Title       string             `json:"title"`
	Description string             `json:"description"`
	Ref         string             `json:"$ref"`
	Type        words              `json:"type"`
	Enum        []any              `json:"enum"`
	Const       any                `json:"const"`
	Minimum     *int64             `json:"minimum"`
	Maximum     *int64             `json:"maximum"`
	MinItems    int                `json:"minItems"`
	Format      string             `json:"format"`
	Default     json.RawMessage    `json:"default"`
	Deprecated  bool               `json:"deprecated"`
	Properties  map[string]*Schema `json:"properties"`
	Patterns    map[string]*Schema `json:"patternProperties"`
	// Additional is what members may be that have no property; nil is anything.
	Additional *Schema `json:"additionalProperties"`
	// Unevaluated false closes the object: no members but those that this schema and its allOf name.
	Unevaluated *bool               `json:"unevaluatedProperties"`
	Items       *Schema             `json:"items"`
	Required    []string            `json:"required"`
	Dependent   map[string][]string `json:"dependentRequired"`
	AllOf       []*Schema           `json:"allOf"`
	AnyOf       []*Schema           `json:"anyOf"`
	Defs        map[string]*Schema  `json:"$defs"`
	// Link is what the tool knows of a plugin beside its keys.
	Link *Link `json:"x-cni"`
}

// Link is what a plugin needs, gives and understands. JSON Schema has no words for it.
type Link struct {
	// Version is the release of the reference plugins that the schema describes; "" for a link of ours.
	Version string `json:"version"`
	// IPAM says that the plugin is called by another, under "ipam".
	IPAM bool `json:"ipam"`
	// Place is "first" for a plugin that takes no notice of what was before it, "later" for one that cannot be first.
	Place string `json:"place"`
	// MinCNI is the lowest CNI version that the plugin speaks.
	MinCNI string `json:"minCNI"`
	// Needs and Provides are "interface" (in the container), "host-interface", "bridge", "addresses" and "dns".
	Needs    []string `json:"needs"`
	Provides []string `json:"provides"`
	// ProvidesWith are what it provides when a key is there, NeedsWith what it needs then.
	ProvidesWith map[string][]string `json:"providesWith"`
	NeedsWith    map[string][]string `json:"needsWith"`
	// Capabilities are the keys of runtimeConfig that it understands; its IPAM plugin may understand more.
	Capabilities []string `json:"capabilities"`
	// UselessWithout are keys and capabilities ("capabilities.dns") of which it needs one to do anything.
	UselessWithout []string `json:"uselessWithout"`
	// Excludes are keys that do not go together.
	Excludes [][]string `json:"excludes"`
}

// words is a string or a list of strings.
type words []string

func (w *words) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*w = words{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(w))
}

// UnmarshalJSON takes also the schemas true (anything) and false (nothing).
func (s *Schema) UnmarshalJSON(data []byte) error {
	switch string(data) {
	case "true":
		return nil
	case "false":
		s.Enum = []any{}
		return nil
	}
	type plain Schema // without this method
	return json.Unmarshal(data, (*plain)(s))
}

// Set is all schemas, with what they refer to put in place.
type Set struct {
	files map[string]*Schema // by path
}

// Load reads the schemas that are part of this program.
func Load() (*Set, error) {
	s := &Set{files: map[string]*Schema{}}
	err := fs.WalkDir(schemas.FS, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := fs.ReadFile(schemas.FS, name)
		if err != nil {
			return err
		}
		parsed := &Schema{}
		if err := json.Unmarshal(data, parsed); err != nil {
			return fmt.Errorf("schemas/%s: %w", name, err)
		}
		s.files[name] = parsed
		return nil
	})
	if err != nil {
		return nil, err
	}
	for name, file := range s.files {
		if err := s.resolve(name, file, file); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Plugin is the schema of a plugin's object in a conflist, or of what stands under "ipam" for an IPAM plugin; nil for a
// plugin that this program has never heard of.
func (s *Set) Plugin(name string) *Schema {
	if file := s.path(name); file != "" && s.files[file].Link != nil {
		return s.files[file]
	}
	return nil
}

// Conflist is the schema of a conflist, but for its plugins.
func (s *Set) Conflist() *Schema { return s.files["conflist.json"] }

// Text is a schema as it is written.
func (s *Set) Text(name string) ([]byte, bool) {
	data, err := fs.ReadFile(schemas.FS, s.path(name))
	return data, err == nil
}

// Names are the plugins that there is a schema of, ours first.
func (s *Set) Names() (names []string) {
	for file, schema := range s.files {
		if schema.Link != nil {
			names = append(names, file)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		if d := strings.Count(a, "/") - strings.Count(b, "/"); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	for i, file := range names {
		names[i] = strings.TrimSuffix(path.Base(file), ".json")
	}
	return names
}

// path is the file of a schema, "" if there is none.
func (s *Set) path(name string) string {
	for file := range s.files {
		if path.Base(file) == name+".json" {
			return file
		}
	}
	return ""
}

// resolve puts what is referred to in the place of each $ref: a definition of the same file ("#/$defs/route"), or of
// another. The schemas have no circles.
func (s *Set) resolve(file string, root, at *Schema) error {
	if at == nil {
		return nil
	}
	for _, group := range []map[string]*Schema{at.Properties, at.Patterns, at.Defs} {
		for _, child := range group {
			if err := s.resolve(file, root, child); err != nil {
				return err
			}
		}
	}
	for _, child := range slices.Concat([]*Schema{at.Items, at.Additional}, at.AllOf, at.AnyOf) {
		if err := s.resolve(file, root, child); err != nil {
			return err
		}
	}
	// Last: what is referred to is resolved where it stands.
	if at.Ref != "" {
		target, err := s.target(file, root, at.Ref)
		if err != nil {
			return err
		}
		at.Ref = ""
		at.AllOf = append(at.AllOf, target)
	}
	return nil
}

func (s *Set) target(file string, root *Schema, ref string) (*Schema, error) {
	name, fragment, _ := strings.Cut(ref, "#")
	if name != "" {
		root = s.files[path.Join(path.Dir(file), name)]
	}
	if root != nil && fragment != "" {
		root = root.Defs[strings.TrimPrefix(fragment, "/$defs/")]
	}
	if root == nil {
		return nil, fmt.Errorf("schemas/%s: %q leads nowhere", file, ref)
	}
	return root, nil
}
