// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"encoding/json"
	"reflect"
	"strings"
)

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

// plain is the type that a value decodes into field by field, or nil where the type decodes itself or takes anything.
func plain(t reflect.Type) reflect.Type {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil || t.Kind() == reflect.Interface || reflect.PointerTo(t).Implements(unmarshaler) {
		return nil
	}
	return t
}

// fields yields the fields of a struct by the names they have in JSON, those of embedded structs included.
func fields(t reflect.Type) func(func(string, reflect.StructField) bool) {
	return func(yield func(string, reflect.StructField) bool) {
		for _, f := range reflect.VisibleFields(t) {
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
