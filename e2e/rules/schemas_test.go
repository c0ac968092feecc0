// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// schemaOf reads a schema of schemas/ as plain JSON.
func schemaOf(t *testing.T, link string) map[string]any {
	t.Helper()
	var schema map[string]any
	if err := json.Unmarshal([]byte(read(t, "schemas/"+link+".json")), &schema); err != nil {
		t.Fatalf("schemas/%s.json: %v: run make generate", link, err)
	}
	return schema
}

// variant is a value for one key, and whether schema and plugin are to take it.
type variant struct {
	path  string
	value any
	good  bool
}

// samples are strings of the formats that the schemas name.
var samples = map[string]struct{ good, bad string }{
	"cidr": {"10.7.0.0/16", "10.7.0.1/16"}, "ip": {"10.7.0.9", "ten"}, "address": {"10.7.0.9/16", "10.7.0.9"},
	"mac": {"02:00:00:00:00:07", "02:00"}, "interface": {"br7", "a/b"}, "path": {"/run/x", "x"},
}

// TestSchemasAgreeWithPlugins: what the schema of a link says of a key's words, bounds and forms is what its binary
// holds to. What only the binary knows (one key against another) is not of a schema.
func TestSchemasAgreeWithPlugins(t *testing.T) {
	build(t)
	for _, link := range pluginDirs(t) {
		t.Run(link, func(t *testing.T) {
			schema := schemaOf(t, link)
			w := walker{defs: object(schema["$defs"])}
			w.object("", schema)
			if len(w.variants) < 10 {
				t.Fatalf("only %d values to try", len(w.variants))
			}
			for _, v := range w.variants {
				if link == "ip-pool" && strings.HasPrefix(v.path, "routes[]") && !v.good {
					continue // handed on as they are: who sets the route judges its numbers
				}
				conf := configWith(link, v)
				msg, code := add(t, link, conf)
				if good := code == 8; good != v.good {
					data, _ := json.Marshal(conf)
					t.Errorf("%s: the schema says %v of %v, the plugin answers %d: %s\n%s", v.path, v.good, v.value, code, msg, data)
				}
			}
		})
	}
}

// configWith is a whole configuration with a value at a path like "portMappings[].hostPort".
func configWith(link string, v variant) map[string]any {
	conf := map[string]any{"type": link, "name": "n", "cniVersion": "1.0.0", "prevResult": json.RawMessage(prevResult)}
	at := conf
	if link == "ip-pool" {
		at = map[string]any{"type": link, "ranges": []any{[]any{map[string]any{"subnet": "10.7.0.0/16"}}}}
		if strings.HasPrefix(v.path, "ranges") || slices.Contains([]string{"subnet", "rangeStart", "rangeEnd", "gateway"}, v.path) {
			delete(at, "ranges")
			at["subnet"] = "10.7.0.0/16"
		}
		if strings.HasPrefix(v.path, "ranges") {
			delete(at, "subnet")
		}
		conf["type"], conf["ipam"] = "bridge", at
	}
	keys := strings.Split(v.path, ".")
	for i, key := range keys {
		name := strings.TrimSuffix(key, "[]")
		lists := strings.Count(key, "[]")
		name = strings.TrimRight(name, "[]")
		if i == len(keys)-1 {
			at[name] = wrapped(v.value, lists)
			break
		}
		inner := required(name)
		at[name] = wrapped(inner, lists)
		at = inner
	}
	return conf
}

func wrapped(v any, lists int) any {
	for range lists {
		v = []any{v}
	}
	return v
}

// required is an object with the keys that it is nothing without.
func required(list string) map[string]any {
	switch list {
	case "portMappings":
		return map[string]any{"hostPort": 8000, "containerPort": 80}
	case "routes":
		return map[string]any{"dst": "10.9.0.0/16"}
	case "addresses":
		return map[string]any{"address": "10.7.0.5/16"}
	case "ranges":
		return map[string]any{"subnet": "10.7.0.0/16"}
	case "vlanTrunk":
		return map[string]any{"id": 5, "minID": 1, "maxID": 4094}
	}
	return map[string]any{}
}

// walker collects values to try out of a schema.
type walker struct {
	defs     map[string]any
	variants []variant
}

func object(v any) map[string]any { o, _ := v.(map[string]any); return o }

func (w *walker) object(path string, schema map[string]any) {
	properties := object(schema["properties"])
	for _, key := range slices.Sorted(maps.Keys(properties)) {
		if path == "" && slices.Contains([]string{"type", "runtimeConfig", "args", "ipam", "dns"}, key) {
			continue
		}
		w.value(strings.TrimPrefix(path+"."+key, "."), object(properties[key]))
	}
}

func (w *walker) value(path string, schema map[string]any) {
	if ref, ok := schema["$ref"].(string); ok {
		schema = object(w.defs[strings.TrimPrefix(ref, "#/$defs/")])
	}
	try := func(value any, good bool) { w.variants = append(w.variants, variant{path, value, good}) }
	if words, ok := schema["enum"].([]any); ok {
		for _, word := range words {
			try(word, true)
		}
		try("no-such-word", false)
		return
	}
	switch schema["type"] {
	case "object":
		w.object(path, schema)
	case "array":
		w.value(path+"[]", object(schema["items"]))
	case "boolean":
		try(true, true)
		try("true", false)
	case "integer":
		w.integer(path, schema)
	case "string":
		if sample, ok := samples[fmt.Sprint(schema["format"])]; ok {
			try(sample.good, true)
			try(sample.bad, false)
		}
		try(5, false)
	}
}

func (w *walker) integer(path string, schema map[string]any) {
	try := func(value any, good bool) { w.variants = append(w.variants, variant{path, value, good}) }
	try("5", false)
	if least, ok := schema["minimum"].(float64); ok {
		try(int64(least), true)
		try(int64(least)-1, false)
	}
	if most, ok := schema["maximum"].(float64); ok {
		// A range of ports ends with the last one, wherever it begins.
		if !strings.HasSuffix(path, ".range") {
			try(int64(most), true)
		}
		try(int64(most)+1, false)
	}
}
