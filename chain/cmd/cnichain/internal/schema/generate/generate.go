// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Package generate makes the JSON Schemas of our links out of their Config structs: the fields, their types, and what
// their comments say of defaults, choices and bounds. What Go and a comment cannot say stands in facts.go. It reads
// source code and runs none of it.
package generate

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/jsontext"
)

const (
	dialect = "https://json-schema.org/draft/2020-12/schema"
	width   = 120
)

type object = jsontext.Object

// Files are the generated schemas by their names, for the repository at root.
func Files(root string) (map[string][]byte, error) {
	mains, err := filepath.Glob(filepath.Join(root, "plugins/*/main.go"))
	if err != nil || len(mains) == 0 {
		return nil, fmt.Errorf("%s: no plugins/*/main.go", root)
	}
	files := map[string][]byte{}
	var links []string
	for _, file := range mains {
		link := filepath.Base(filepath.Dir(file))
		schema, err := linkSchema(root, link)
		if err != nil {
			return nil, fmt.Errorf("plugins/%s: %w", link, err)
		}
		if files[link+".json"], err = jsontext.Format(schema, width, 1); err != nil {
			return nil, err
		}
		links = append(links, link)
	}
	files["conflist.json"], files["ipam.json"], err = lists(root, links)
	return files, err
}

// linkSchema is the schema of one link.
func linkSchema(root, link string) (object, error) {
	fact, ok := facts[link]
	if !ok {
		return nil, fmt.Errorf("say in facts.go what the link needs and provides")
	}
	g := &generator{
		root: root, link: link, packages: map[string]*goPackage{}, defs: map[string]object{}, names: map[string]string{},
	}
	config, about, capabilities, err := g.config()
	if err != nil {
		return nil, err
	}
	schema := object{
		{Key: "$schema", Value: dialect},
		{Key: "title", Value: link},
		{Key: "description", Value: about},
		{Key: "x-cni", Value: fact.annotation(capabilities)},
	}
	if fact.ipam { // what stands under "ipam" of another plugin
		config, _ = config.Get("ipam").(object)
		for name, def := range g.defs {
			if config.Get("$ref") == "#/$defs/"+name {
				config = def
				delete(g.defs, name)
			}
		}
	} else {
		schema = append(schema, jsontext.Member{Key: "allOf", Value: []any{object{{Key: "$ref", Value: "plugin.json"}}}})
	}
	properties, _ := config.Get("properties").(object)
	if properties == nil {
		properties = config
	}
	properties.Drop("type")
	properties = slices.Concat(object{{Key: "type", Value: object{{Key: "const", Value: link}}}}, properties)
	schema = append(schema, jsontext.Member{Key: "type", Value: "object"},
		jsontext.Member{Key: "properties", Value: properties},
		jsontext.Member{Key: "required", Value: []any{"type"}},
		jsontext.Member{Key: "unevaluatedProperties", Value: false})
	if defs := g.definitions(); len(defs) > 0 {
		schema = append(schema, jsontext.Member{Key: "$defs", Value: defs})
	}
	return schema, nil
}

// definitions are the structs that the configuration refers to, by name.
func (g *generator) definitions() (defs object) {
	for name, def := range g.defs {
		defs = append(defs, jsontext.Member{Key: name, Value: def})
	}
	slices.SortFunc(defs, func(a, b jsontext.Member) int { return strings.Compare(a.Key, b.Key) })
	return defs
}

// chooser makes the schemas of a conflist and of "ipam": for every plugin that there is a schema of, what its object may
// have.
type chooser struct {
	names, cases []any
}

func (c *chooser) add(name, ref string) {
	c.names = append(c.names, name)
	is := object{{Key: "properties", Value: object{{Key: "type", Value: object{{Key: "const", Value: name}}}}}}
	c.cases = append(c.cases, object{{Key: "if", Value: is}, {Key: "then", Value: object{{Key: "$ref", Value: ref}}}})
}

func lists(root string, links []string) (conflist, ipam []byte, err error) {
	var plugins, ipams chooser
	for _, link := range links {
		if facts[link].ipam {
			ipams.add(link, link+".json")
		} else {
			plugins.add(link, link+".json")
		}
	}
	upstream, err := filepath.Glob(filepath.Join(root, "schemas/upstream/*/*.json"))
	if err != nil {
		return nil, nil, err
	}
	for _, file := range upstream {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, nil, err
		}
		var schema struct {
			Link struct{ IPAM bool } `json:"x-cni"`
		}
		if err := json.Unmarshal(data, &schema); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", file, err)
		}
		rel, err := filepath.Rel(filepath.Join(root, "schemas"), file)
		if err != nil {
			return nil, nil, err
		}
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		if schema.Link.IPAM {
			ipams.add(name, filepath.ToSlash(rel))
		} else {
			plugins.add(name, filepath.ToSlash(rel))
		}
	}
	if conflist, err = jsontext.Format(conflistSchema(plugins), width, 2); err != nil {
		return nil, nil, err
	}
	ipam, err = jsontext.Format(ipamSchema(ipams), width, 2)
	return conflist, ipam, err
}
