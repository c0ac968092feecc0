// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package account

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/run"
)

// protocol are the keys that every link gets, and that say nothing about this one.
var protocol = []string{"cniVersion", "name", "type", "capabilities", "prevResult", "log"}

// Input is the configuration that a link got, on one line: its own keys and what the runtime put into runtimeConfig.
// The result so far, which it got too, is told by Changes.
func Input(c *run.Call) string {
	var conf map[string]json.RawMessage
	if json.Unmarshal(c.Stdin, &conf) != nil {
		return ""
	}
	maps.DeleteFunc(conf, func(key string, _ json.RawMessage) bool {
		return slices.Contains(protocol, key) || strings.ContainsRune(key, '/') || key == "runtimeConfig"
	})
	parts := pairs(conf)
	var given struct {
		RuntimeConfig map[string]json.RawMessage `json:"runtimeConfig"`
	}
	_ = json.Unmarshal(c.Stdin, &given) // what is no object gives nothing to tell
	for _, pair := range pairs(given.RuntimeConfig) {
		parts = append(parts, "runtimeConfig."+pair)
	}
	return strings.Join(parts, " ")
}

func pairs(conf map[string]json.RawMessage) []string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(conf)) {
		parts = append(parts, fmt.Sprintf("%s=%s", key, value(conf[key])))
	}
	return parts
}

// value writes a string without quotes, and anything else as JSON.
func value(data json.RawMessage) string {
	var text string
	if json.Unmarshal(data, &text) == nil && text != "" && !strings.ContainsAny(text, " \"") {
		return text
	}
	var compact bytes.Buffer
	if json.Compact(&compact, data) != nil {
		return string(data)
	}
	return compact.String()
}
