// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"iter"
	"reflect"
	"slices"
	"strings"
)

// fields yields the fields of a struct by the names they have in JSON, those of embedded structs included.
func fields(t reflect.Type) func(func(string, reflect.StructField) bool) {
	return func(yield func(string, reflect.StructField) bool) {
		for f := range structFields(t) {
			name := nameOf(f)
			if !f.IsExported() || f.Tag.Get("json") == "-" || name == "" || !flat(t, f) {
				continue
			}
			if !yield(name, f) {
				return
			}
		}
	}
}

// nameOf is the name of a field in JSON; "" is that of an embedded struct whose fields are those of the struct around it.
func nameOf(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	embedded := f.Anonymous && (f.Type.Kind() == reflect.Struct ||
		f.Type.Kind() == reflect.Pointer && f.Type.Elem().Kind() == reflect.Struct)
	if name == "" && !embedded {
		return f.Name
	}
	return name
}

// flat says whether a field is in the object itself, not in one that an embedded struct with a name is, or in none.
func flat(t reflect.Type, f reflect.StructField) bool {
	for _, i := range f.Index[:len(f.Index)-1] {
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if nameOf(t.Field(i)) != "" {
			return false
		}
		t = t.Field(i).Type
	}
	return true
}

// structFields are all fields of a struct. What looks into embedded ones prepares for more than most structs have.
func structFields(t reflect.Type) iter.Seq[reflect.StructField] {
	embeds := false
	for i := range t.NumField() {
		embeds = embeds || t.Field(i).Anonymous
	}
	if embeds {
		return slices.Values(reflect.VisibleFields(t))
	}
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			if !yield(t.Field(i)) {
				return
			}
		}
	}
}

// keysOf lists what may stand in an object of the type.
func keysOf(t reflect.Type, allowed []string) []string {
	keys := append([]string(nil), allowed...)
	if t != nil && t.Kind() == reflect.Struct {
		for name := range fields(t) {
			if !containsFold(keys, name) {
				keys = append(keys, name)
			}
		}
	}
	return keys
}
