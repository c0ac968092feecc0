// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package generate

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/jsontext"
)

const module = "github.com/cni-chain/cni-chain/"

// goPackage is what a folder declares, and which folder each of its imports is in.
type goPackage struct {
	types   map[string]*ast.TypeSpec
	docs    map[string]string
	imports map[string]string // name to path
	doc     string
}

// generator makes the schema of one link.
type generator struct {
	root, link string
	packages   map[string]*goPackage // by folder
	defs       map[string]object
	names      map[string]string // fields of Go like HostPort to their keys
}

// load parses a folder of the repository.
func (g *generator) load(folder string) (*goPackage, error) {
	if p := g.packages[folder]; p != nil {
		return p, nil
	}
	files, err := filepath.Glob(filepath.Join(g.root, folder, "*.go"))
	if err != nil {
		return nil, err
	}
	p := &goPackage{types: map[string]*ast.TypeSpec{}, docs: map[string]string{}, imports: map[string]string{}}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		p.add(f)
	}
	g.packages[folder] = p
	return p, nil
}

func (p *goPackage) add(f *ast.File) {
	if f.Doc != nil {
		p.doc = f.Doc.Text()
	}
	for _, i := range f.Imports {
		path, _ := strconv.Unquote(i.Path.Value) // the parser has
		name := path[strings.LastIndex(path, "/")+1:]
		if i.Name != nil {
			name = i.Name.Name
		}
		p.imports[name] = path
	}
	for _, decl := range f.Decls {
		group, ok := decl.(*ast.GenDecl)
		if !ok || group.Tok != token.TYPE {
			continue
		}
		for _, spec := range group.Specs {
			t, _ := spec.(*ast.TypeSpec) // of a type declaration they are
			p.types[t.Name.Name] = t
			p.docs[t.Name.Name] = cleaned(group.Doc.Text())
		}
	}
}

// config is the link's own configuration, what its package says of it, and the capabilities.
func (g *generator) config() (schema object, about string, capabilities []string, err error) {
	folder := "plugins/" + g.link
	p, err := g.load(folder)
	if err != nil {
		return nil, "", nil, err
	}
	spec := p.types["Config"]
	if spec == nil {
		return nil, "", nil, fmt.Errorf("no type Config")
	}
	schema, err = g.fields(p, spec.Type, "")
	if err != nil {
		return nil, "", nil, err
	}
	if !facts[g.link].ipam {
		frame, err := g.load("chain")
		if err != nil {
			return nil, "", nil, err
		}
		log, err := g.fields(frame, frame.types["LogConfig"].Type, "log")
		if err != nil {
			return nil, "", nil, err
		}
		schema = append(schema, jsontext.Member{Key: "log", Value: closed("How this link logs.", log)})
	}
	capabilities = keys(schema.Get("runtimeConfig"), g.defs)
	about = cleaned(p.doc)
	about = strings.TrimPrefix(about, "Command ")
	return schema, about, capabilities, nil
}

// keys are the properties of an object, or of the definition that it refers to.
func keys(v any, defs map[string]object) (names []string) {
	o, _ := v.(object)
	if ref, ok := o.Get("$ref").(string); ok {
		o = defs[strings.TrimPrefix(ref, "#/$defs/")]
	}
	properties, _ := o.Get("properties").(object)
	for _, m := range properties {
		names = append(names, m.Key)
	}
	return names
}

// fields are the properties of a struct.
func (g *generator) fields(p *goPackage, t ast.Expr, path string) (object, error) {
	s, ok := t.(*ast.StructType)
	if !ok {
		return nil, fmt.Errorf("%s is no struct: say in facts.go what it is in JSON", path)
	}
	g.collect(s)
	properties := object{}
	for _, f := range s.Fields.List {
		if len(f.Names) == 0 { // embedded
			inner, err := g.embedded(p, f.Type, path)
			if err != nil {
				return nil, err
			}
			properties = append(properties, inner...)
			continue
		}
		name := jsonName(f)
		if name == "" || !f.Names[0].IsExported() {
			continue
		}
		at := strings.TrimPrefix(path+"."+name, ".")
		value, err := g.value(p, f.Type, at)
		if err != nil {
			return nil, err
		}
		properties = append(properties, jsontext.Member{Key: name, Value: g.described(value, f, name, at)})
	}
	return properties, nil
}

func (g *generator) embedded(p *goPackage, t ast.Expr, path string) (object, error) {
	owner, spec, err := g.find(p, t)
	if err != nil {
		return nil, err
	}
	return g.fields(owner, spec.Type, path)
}

// jsonName is the key of a field, "" for none.
func jsonName(f *ast.Field) string {
	if f.Tag == nil {
		return ""
	}
	tag, err := strconv.Unquote(f.Tag.Value)
	if err != nil {
		return ""
	}
	name, _, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ",")
	return strings.TrimPrefix(name, "-")
}

// find is the declaration of a named type, and the package that it is in.
func (g *generator) find(p *goPackage, t ast.Expr) (*goPackage, *ast.TypeSpec, error) {
	switch t := t.(type) {
	case *ast.Ident:
		if spec := p.types[t.Name]; spec != nil {
			return p, spec, nil
		}
	case *ast.SelectorExpr:
		if from, ok := t.X.(*ast.Ident); ok {
			folder, ours := strings.CutPrefix(p.imports[from.Name], module)
			if !ours {
				break
			}
			other, err := g.load(folder)
			if err != nil {
				return nil, nil, err
			}
			if spec := other.types[t.Sel.Name]; spec != nil {
				return other, spec, nil
			}
		}
	}
	return nil, nil, fmt.Errorf("type %s is unknown here: say in facts.go what it is in JSON", typeName(t))
}

func typeName(t ast.Expr) string {
	switch t := t.(type) {
	case *ast.Ident:
		return t.Name
	case *ast.SelectorExpr:
		return typeName(t.X) + "." + t.Sel.Name
	}
	return fmt.Sprintf("%T", t)
}

// value is the schema of a type.
func (g *generator) value(p *goPackage, t ast.Expr, path string) (object, error) {
	if known, ok := g.fact(typeName(t), path); ok {
		return known, nil
	}
	switch t := t.(type) {
	case *ast.StarExpr:
		return g.value(p, t.X, path)
	case *ast.ArrayType:
		items, err := g.value(p, t.Elt, path+"[]")
		return object{{Key: "type", Value: "array"}, {Key: "items", Value: items}}, err
	case *ast.StructType:
		properties, err := g.fields(p, t, path)
		return structSchema("", properties, path), err
	case *ast.Ident:
		if basic := basics[t.Name]; basic != nil {
			return basic, nil
		}
	}
	owner, spec, err := g.find(p, t)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	name := spec.Name.Name
	if _, ok := g.defs[name]; !ok {
		properties, err := g.fields(owner, spec.Type, path)
		if err != nil {
			return nil, err
		}
		def := structSchema(nounOf(owner.docs[name], name), properties, path)
		if keys := required[name]; keys != nil {
			def.Set("required", keys)
		}
		g.defs[name] = def
	}
	return object{{Key: "$ref", Value: "#/$defs/" + name}}, nil
}
