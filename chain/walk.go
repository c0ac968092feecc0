// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/cni-chain/cni-chain/chain/internal/spell"
)

// maxReports is how many unknown keys, and how many that stand twice, are reported at once. A file that is no
// configuration may have thousands.
const maxReports = 20

// walker goes through a document beside the type that it is to fill.
type walker struct {
	scan
	names          map[reflect.Type][]named
	unknown, twice []string
	listed         string // the known keys, as the last report has them
}

// named is a field by its name in JSON.
type named struct {
	name string
	kind reflect.Type
}

// path is where a value stands. It becomes text only when there is something to say about it.
type path struct {
	up    *path
	key   string
	index int // in a list; -1 is a key
}

// String is "mapping[1].hostPort".
func (p *path) String() string {
	switch {
	case p == nil:
		return ""
	case p.index >= 0:
		return fmt.Sprintf("%v[%d]", p.up, p.index)
	}
	return strings.TrimPrefix(fmt.Sprintf("%v.%s", p.up, p.key), ".")
}

// value passes one value. t is nil where nothing is known about it, and nothing is looked at.
func (w *walker) value(p *path, t reflect.Type, allowed []string) {
	t = plain(t)
	switch c := w.next(); {
	case t != nil && c == '{':
		w.members(p, t, allowed)
	case t != nil && c == '[' && t.Kind() == reflect.Slice:
		i := -1
		w.list(func() bool {
			i++
			w.value(&path{p, "", i}, t.Elem(), nil)
			return true
		})
	default:
		w.raw()
	}
}

// members passes an object.
func (w *walker) members(p *path, t reflect.Type, allowed []string) {
	seen := map[string]bool{}
	w.object(func(key string) bool {
		here := &path{p, key, -1}
		folded := fold(key)
		if seen[folded] && len(w.twice) < maxReports {
			w.twice = append(w.twice, fmt.Sprintf("key %s stands twice: leave one", quote(here.String())))
		}
		seen[folded] = true
		field, known := w.fieldType(t, key, p == nil)
		start := w.at
		w.value(here, field, nil)
		if !known && len(w.unknown) < maxReports && !free(key) && !containsFold(allowed, key) {
			w.unknown = append(w.unknown, w.report(here, keysOf(t, allowed), start))
		}
		return true
	})
}

// fieldType is the type that the key's value decodes into, and whether the key is known at all. What the runtime
// injects at the top is not the user's to misspell: nothing there is unknown.
func (w *walker) fieldType(t reflect.Type, key string, top bool) (reflect.Type, bool) {
	switch {
	case top && (strings.EqualFold(key, "runtimeConfig") || strings.EqualFold(key, "args") ||
		strings.EqualFold(key, "prevResult")):
		return nil, true
	case top && strings.EqualFold(key, "log"):
		return reflect.TypeFor[LogConfig](), true
	case t.Kind() == reflect.Map:
		return t.Elem(), true
	case t.Kind() != reflect.Struct:
		return nil, true
	}
	for _, f := range w.fieldsOf(t) {
		if strings.EqualFold(f.name, key) {
			return f.kind, true
		}
	}
	return nil, false
}

// fieldsOf are the fields of a struct, looked at once: a list has as many objects as there are ports.
func (w *walker) fieldsOf(t reflect.Type) []named {
	list, ok := w.names[t]
	if ok {
		return list
	}
	for name, f := range fields(t) {
		list = append(list, named{name, f.Type})
	}
	if w.names == nil {
		w.names = map[reflect.Type][]named{}
	}
	w.names[t] = list
	return list
}

// report is the sentence about an unknown key: the key with its path, its value, and the nearest key there is.
func (w *walker) report(p *path, known []string, start int) string {
	value := bytes.TrimLeft(w.data[start:w.at], " \t\r\n")
	text := fmt.Sprintf("unknown key %s with the value %s", quote(p.String()), clip(value))
	if near := spell.Nearest(p.key, known); near != "" {
		return text + fmt.Sprintf(" (did you mean %q?)", near)
	}
	slices.Sort(known)
	list := strings.Join(known, ", ")
	if list == w.listed {
		return text
	}
	w.listed = list
	return text + fmt.Sprintf(" (known are %s)", list)
}

func clip(value []byte) string {
	if len(value) > 80 {
		return strings.ToValidUTF8(string(value[:77]), "") + "..."
	}
	return string(value)
}

// free keys are open to everybody: extensions have a "/", comments start with "_".
func free(key string) bool {
	return strings.HasPrefix(key, "_") || strings.Contains(key, "/") || key == "$schema"
}

// fold is the same for what strings.EqualFold holds for equal: by both, since two small letters can share a large one
// and two large ones a small one. Lower case, which keys mostly are in, costs nothing.
func fold(key string) string {
	for i := range len(key) {
		if key[i] >= utf8.RuneSelf {
			return strings.ToLower(strings.ToUpper(key))
		}
	}
	return strings.ToLower(key)
}

func containsFold(list []string, key string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return strings.EqualFold(s, key) })
}
