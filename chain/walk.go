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

// walker fills a value from a document as encoding/json does, and notes on the way what nobody asked for. What it does
// not do itself it leaves to encoding/json, value by value; a misfit is for encoding/json to refuse.
type walker struct {
	scan
	names          map[reflect.Type][]named
	unknown, twice []string
	listed         string // the known keys, as the last report has them
	quiet          bool   // nothing is noted
	misfit         bool   // the document is not of the value's type, or says something twice
}

// named is a field by its name in JSON.
type named struct {
	name  string
	kind  reflect.Type
	index []int
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

// members passes an object of type t and puts it into v, or nowhere when v is the zero Value.
func (w *walker) members(p *path, t reflect.Type, v reflect.Value, allowed []string) {
	seen := map[string]bool{}
	w.object(func(key string) bool {
		here := &path{p, key, -1}
		folded := fold(key)
		if seen[folded] {
			w.noteTwice(here)
		}
		seen[folded] = true
		field, known := w.field(t, key, p == nil)
		if w.misfit {
			v = reflect.Value{} // encoding/json does it all
		}
		start, quiet := w.at, w.quiet
		w.quiet = quiet || p == nil && injected(key)
		w.value(here, field.kind, field.of(v), nil)
		w.quiet = quiet
		if !known && !quiet && len(w.unknown) < maxReports && !free(key) && !containsFold(allowed, key) {
			w.unknown = append(w.unknown, w.report(here, keysOf(t, allowed), start))
		}
		return true
	})
}

func (w *walker) noteTwice(p *path) {
	w.misfit = true
	if !w.quiet && len(w.twice) < maxReports {
		w.twice = append(w.twice, fmt.Sprintf("key %s stands twice: leave one", quote(p.String())))
	}
}

// injected says whether the runtime puts the key at the top of a configuration: what is in there is not the user's to
// misspell.
func injected(key string) bool {
	return strings.EqualFold(key, "runtimeConfig") || strings.EqualFold(key, "args") || strings.EqualFold(key, "prevResult")
}

// field is what the key's value goes to, and whether the key is known at all.
func (w *walker) field(t reflect.Type, key string, top bool) (named, bool) {
	if t.Kind() == reflect.Map {
		return named{kind: t.Elem()}, true
	}
	if f, ok := find(w.fieldsOf(t), key); ok {
		return f, true
	}
	if top && strings.EqualFold(key, "log") {
		return named{kind: reflect.TypeFor[LogConfig]()}, true
	}
	return named{}, top && injected(key)
}

func find(list []named, key string) (named, bool) {
	i := slices.IndexFunc(list, func(f named) bool { return strings.EqualFold(f.name, key) })
	if i < 0 {
		return named{}, false
	}
	return list[i], true
}

// odd says that only encoding/json knows what to do with a field: one with the option "string", or of a struct behind an
// embedded pointer.
func odd(t reflect.Type, f reflect.StructField) bool {
	for _, i := range f.Index[:len(f.Index)-1] {
		if t = t.Field(i).Type; t.Kind() == reflect.Pointer {
			return true
		}
	}
	return strings.Contains(f.Tag.Get("json"), ",string")
}

// of is the field in a struct; none where there is no struct, or the frame has a field that the struct has not.
func (f named) of(v reflect.Value) reflect.Value {
	if !v.IsValid() || f.index == nil {
		return reflect.Value{}
	}
	return v.FieldByIndex(f.index)
}

// fieldsOf are the fields of a struct, looked at once: a list has as many objects as there are ports.
func (w *walker) fieldsOf(t reflect.Type) []named {
	list, ok := w.names[t]
	if ok {
		return list
	}
	list = make([]named, 0, t.NumField())
	for name, f := range fields(t) {
		if _, again := find(list, name); again || odd(t, f) {
			w.misfit = true
		}
		list = append(list, named{name, f.Type, f.Index})
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
