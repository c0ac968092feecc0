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
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if !f.IsExported() || name == "-" || f.Anonymous && name == "" {
				continue
			}
			if name == "" {
				name = f.Name
			}
			if !yield(name, f) {
				return
			}
		}
	}
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
