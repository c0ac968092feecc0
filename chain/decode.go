// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"github.com/cni-chain/cni-chain/chain/internal/spell"
)

// protocolKeys belong to the specification, its conventions or the frame: never unknown to a link, and not looked into
// unless the link has a field for them.
var protocolKeys = []string{
	"cniVersion", "name", "type", "capabilities", "prevResult", "runtimeConfig", "args", "ipam", "dns", "log",
}

// Decode decodes a JSON object that a link's configuration holds as json.RawMessage, as strictly as the frame does the
// configuration itself. path is where the object stands ("ipam"), for the errors.
func Decode(data json.RawMessage, path string, into any) error {
	err := decodeStrict(data, into, nil)
	if e := (*Error)(nil); errors.As(err, &e) {
		return &Error{Code: e.Code, Err: fmt.Errorf("in %s: %w", path, e.Err)}
	}
	return err
}

// decodeStrict decodes data into a pointer to a struct and refuses keys that the struct does not have, all at once
// (code 2), keys that stand twice (code 7), and values of another type (code 6). Letter case does not matter, as it
// does not to encoding/json: runtimes send HostPort for hostPort (containerd/go-cni, types.go).
func decodeStrict(data []byte, into any, allowed []string) error {
	w := &walker{dec: json.NewDecoder(bytes.NewReader(data)), data: data}
	if err := w.value("", reflect.TypeOf(into).Elem(), allowed); err != nil {
		return decodingError(data, err)
	}
	if len(w.unknown) > 0 {
		return Errorf(CodeUnsupported, "%s", strings.Join(w.unknown, "; "))
	}
	if len(w.twice) > 0 {
		return Errorf(CodeConfig, "%s", strings.Join(w.twice, "; "))
	}
	if err := json.Unmarshal(data, into); err != nil {
		return decodingError(data, err)
	}
	return nil
}

// decodingError says where and what, from the errors of encoding/json.
func decodingError(data []byte, err error) error {
	var own *Error
	var wrongType *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &own):
		return err
	case errors.As(err, &wrongType):
		return Errorf(CodeDecoding, "%s: %s is needed, got %s", cmp.Or(wrongType.Field, "the configuration"),
			kindOf(wrongType.Type), wrongType.Value)
	case errors.As(err, &syntax):
		before := data[:min(int(syntax.Offset), len(data))]
		line := 1 + bytes.Count(before, []byte("\n"))
		return Errorf(CodeDecoding, "the configuration is no JSON: line %d, byte %d: %w", line, syntax.Offset, err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return Errorf(CodeDecoding, "the configuration on stdin ends in the middle, after %d bytes", len(data))
	}
	return Errorf(CodeDecoding, "%w", err)
}

// kindOf names a Go type as JSON calls it.
func kindOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Pointer:
		return kindOf(t.Elem())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a number not below 0"
	}
	return "a whole number"
}

// walker goes through a document beside the type that it is to fill.
type walker struct {
	dec            *json.Decoder
	data           []byte
	unknown, twice []string
}

// value reads one value. t is nil where nothing is known about it.
func (w *walker) value(path string, t reflect.Type, allowed []string) error {
	token, err := w.dec.Token()
	if err != nil {
		return err
	}
	t = plain(t)
	switch token {
	case json.Delim('{'):
		return w.object(path, t, allowed)
	case json.Delim('['):
		if t != nil && t.Kind() == reflect.Slice {
			t = t.Elem()
		} else {
			t = nil
		}
		for i := 0; w.dec.More(); i++ {
			if err := w.value(fmt.Sprintf("%s[%d]", path, i), t, nil); err != nil {
				return err
			}
		}
		_, err = w.dec.Token()
	}
	return err
}

// object reads the rest of an object whose brace has been read.
func (w *walker) object(path string, t reflect.Type, allowed []string) error {
	var seen []string
	for w.dec.More() {
		token, err := w.dec.Token()
		if err != nil {
			return err
		}
		key, _ := token.(string)
		full := strings.TrimPrefix(path+"."+key, ".")
		if slices.ContainsFunc(seen, func(s string) bool { return strings.EqualFold(s, key) }) && t != nil {
			w.twice = append(w.twice, fmt.Sprintf("key %q stands twice: leave one", full))
		}
		seen = append(seen, key)
		field, known := fieldType(t, key, path == "")
		start := w.dec.InputOffset()
		if err := w.value(full, field, nil); err != nil {
			return err
		}
		if !known && !free(key) && !containsFold(allowed, key) {
			w.unknown = append(w.unknown, w.report(full, key, keysOf(t, allowed), start))
		}
	}
	_, err := w.dec.Token()
	return err
}

// report is the sentence about an unknown key: the key with its path, its value, and the nearest key there is.
func (w *walker) report(full, key string, known []string, start int64) string {
	value := bytes.TrimLeft(w.data[start:w.dec.InputOffset()], " \t\r\n:")
	text := fmt.Sprintf("unknown key %q with the value %s", full, clip(value))
	if near := spell.Nearest(key, known); near != "" {
		return text + fmt.Sprintf(" (did you mean %q?)", near)
	}
	slices.Sort(known)
	return text + fmt.Sprintf(" (known are %s)", strings.Join(known, ", "))
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

func containsFold(list []string, key string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return strings.EqualFold(s, key) })
}
