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
	if !valid(data) {
		return decodingError(data, json.Unmarshal(data, into))
	}
	w := &walker{scan: scan{data: data}}
	w.fill(into, allowed)
	switch {
	case len(w.unknown) > 0:
		return Errorf(CodeUnsupported, "%s", strings.Join(w.unknown, "; "))
	case len(w.twice) > 0:
		return Errorf(CodeConfig, "%s", strings.Join(slices.Compact(w.twice), "; "))
	case !w.misfit:
		return nil
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
