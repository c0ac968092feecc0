// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strconv"
)

// Unmarshal is json.Unmarshal, and quicker in a process that has just started: encoding/json prepares itself for every
// type that it meets, before it reads a byte (docs/benchmarks.md).
func Unmarshal(data []byte, into any) error {
	if v := reflect.ValueOf(into); v.Kind() != reflect.Pointer || v.IsNil() || !valid(data) {
		return json.Unmarshal(data, into)
	}
	return fill(data, into)
}

// fill is Unmarshal for a document that is valid.
func fill(data []byte, into any) error {
	w := &walker{scan: scan{data: data}, quiet: true}
	if w.fill(into, nil); !w.misfit {
		return nil
	}
	return json.Unmarshal(data, into)
}

func (w *walker) fill(into any, allowed []string) {
	v := reflect.ValueOf(into).Elem()
	w.value(nil, v.Type(), v, allowed)
}

// value passes one value, which is to be of type t, and puts it into v. Where v is the zero Value it is only looked at;
// where t is nil, not even that.
func (w *walker) value(p *path, t reflect.Type, v reflect.Value, allowed []string) {
	c := w.next()
	start := w.at
	switch {
	case t == nil:
		w.raw()
	case decodesItself(t):
		w.raw()
		w.leave(v, start)
	case t.Kind() == reflect.Pointer && c != 'n':
		w.value(p, t.Elem(), pointee(v), allowed)
	case t.Kind() == reflect.Struct && c == '{':
		w.members(p, t, v, allowed)
	case t.Kind() == reflect.Map && c == '{':
		w.members(p, t, reflect.Value{}, nil)
		w.leave(v, start)
	case t.Kind() == reflect.Slice && c == '[':
		w.elements(p, t, v)
	default:
		if raw := w.raw(); v.IsValid() && !set(v, raw) {
			w.leave(v, start)
		}
	}
}

// elements passes a list and puts it into v, or nowhere when v is the zero Value.
func (w *walker) elements(p *path, t reflect.Type, v reflect.Value) {
	i, start := 0, w.at
	all := reflect.MakeSlice(t, 0, 0)
	fills := v.IsValid() && v.Len() == 0 // elements that are there are for encoding/json to change
	w.list(func() bool {
		var element reflect.Value
		if fills {
			element = reflect.New(t.Elem()).Elem()
		}
		w.value(&path{p, "", i}, t.Elem(), element, nil)
		if i++; fills {
			all = reflect.Append(all, element)
		}
		return true
	})
	if fills {
		v.Set(all)
		return
	}
	w.leave(v, start)
}

// pointee is what the pointer points to, made when it points to nothing.
func pointee(v reflect.Value) reflect.Value {
	if !v.IsValid() {
		return v
	}
	if v.IsNil() {
		v.Set(reflect.New(v.Type().Elem()))
	}
	return v.Elem()
}

// set sets a value of the simple kinds, and says whether it did.
func set(v reflect.Value, raw []byte) bool {
	switch text := string(raw); v.Kind() {
	case reflect.String:
		if raw[0] != '"' || v.Type() == number {
			return false
		}
		s := scan{data: raw}
		v.SetString(s.text())
	case reflect.Bool:
		if text != "true" && text != "false" {
			return false
		}
		v.SetBool(text == "true")
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, v.Type().Bits())
		if err != nil {
			return false
		}
		v.SetInt(n)
	default:
		return false
	}
	return true
}

// leave leaves what has been passed since start to encoding/json.
func (w *walker) leave(v reflect.Value, start int) {
	if !v.IsValid() {
		return
	}
	raw, into := w.data[start:w.at], v.Addr().Interface()
	var err error
	switch u := into.(type) {
	case json.Unmarshaler:
		err = u.UnmarshalJSON(raw)
	default:
		err = json.Unmarshal(raw, into)
	}
	w.misfit = w.misfit || err != nil
}

var (
	number          = reflect.TypeFor[json.Number]()
	unmarshaler     = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// decodesItself says whether encoding/json leaves values of the type to its methods, or takes any value for it.
func decodesItself(t reflect.Type) bool {
	if t.Kind() == reflect.Interface {
		return true
	}
	if t.PkgPath() == "" && t.Kind() != reflect.Struct {
		return false // a type without a name has no methods, unless something is embedded in it
	}
	p := reflect.PointerTo(t)
	return p.Implements(unmarshaler) || p.Implements(textUnmarshaler)
}
