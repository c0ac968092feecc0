// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"reflect"
	"strings"
)

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
