// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"fmt"
	"io"
	"reflect"
	"runtime/debug"
	"strings"
)

// about is what a person sees who runs a link by hand.
func (p *Plugin[C]) about(w io.Writer) {
	fmt.Fprintf(w, "%s %s: %s\n\n", p.Name, Version(), p.About)
	fmt.Fprintf(w, "A link of a CNI chain: a runtime calls it with CNI_COMMAND and its part of a conflist on stdin.\n"+
		"CNI versions: %s\n\nKeys of the configuration:\n", strings.Join(versions, ", "))
	var conf C
	if p.Defaults != nil {
		conf = p.Defaults()
	}
	value := reflect.ValueOf(conf)
	for name, field := range fields(value.Type()) {
		if name == "runtimeConfig" || name == "args" {
			continue
		}
		fmt.Fprintf(w, "  %-26s %s", name, kindOf(field.Type))
		if v := value.FieldByIndex(field.Index); !v.IsZero() {
			fmt.Fprintf(w, ", default %v", v)
		}
		fmt.Fprintln(w)
	}
	if caps := p.Capabilities(); len(caps) > 0 {
		fmt.Fprintf(w, "Capabilities: %s\n", strings.Join(caps, ", "))
	}
	fmt.Fprintf(w, "\nTo try it: cnichain add CONFLIST NETNS, with %q in the conflist's \"plugins\".\n", p.Name)
}

// Capabilities are the keys of runtimeConfig that the link understands.
func (p *Plugin[C]) Capabilities() []string {
	var caps []string
	t, ok := fieldOf(reflect.TypeFor[C](), "runtimeConfig")
	if ok && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if ok && t.Kind() == reflect.Struct && !decodesItself(t) {
		for name := range fields(t) {
			caps = append(caps, name)
		}
	}
	return caps
}

func fieldOf(t reflect.Type, key string) (reflect.Type, bool) {
	for name, field := range fields(t) {
		if name == key {
			return field.Type, true
		}
	}
	return nil, false
}

// Version is the version that the binary was built from: a module version, or a commit.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown version)"
	}
	return info.Main.Version
}
