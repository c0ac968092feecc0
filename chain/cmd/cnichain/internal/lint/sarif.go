// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

// WriteJSON writes findings as one list.
func WriteJSON(w io.Writer, findings []Finding) error {
	if findings == nil {
		findings = []Finding{}
	}
	return writeJSON(w, findings)
}

func writeJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return fmt.Errorf("write the findings: %w", err)
	}
	return nil
}

type object = map[string]any

// WriteSARIF writes findings as SARIF 2.1.0, which code hosts and editors read (docs.oasis-open.org/sarif).
func WriteSARIF(w io.Writer, version string, findings []Finding) error {
	level := map[Severity]string{Error: "error", Warning: "warning", Note: "note"} // section 3.27.10
	rules, results := []object{}, []object{}
	for _, r := range Rules {
		rules = append(rules, object{
			"id": r.Code, "shortDescription": object{"text": r.Title}, "fullDescription": object{"text": r.Why},
			"defaultConfiguration": object{"level": level[r.Severity]},
		})
	}
	for _, f := range findings {
		text := f.Message
		if f.Hint != "" {
			text += ". " + strings.TrimSuffix(f.Hint+": "+f.Paste, ": ")
		}
		results = append(results, object{
			"ruleId": f.Code, "ruleIndex": slices.IndexFunc(Rules, func(r Rule) bool { return r.Code == f.Code }),
			"level": level[f.Severity], "message": object{"text": text},
			"locations": []object{{"physicalLocation": object{
				"artifactLocation": object{"uri": filepath.ToSlash(f.File)}, "region": f.region(),
			}}},
		})
	}
	return writeJSON(w, object{
		"$schema": "https://json.schemastore.org/sarif-2.1.0.json",
		"version": "2.1.0",
		"runs": []object{{
			"tool": object{"driver": object{
				"name": "cnichain lint", "version": version, "rules": rules,
			}},
			"columnKind": "unicodeCodePoints",
			"results":    results,
		}},
	})
}

// region is the place in characters, where ours is in bytes. One that goes over lines ends with its first.
func (f Finding) region() object {
	start := 1 + utf8.RuneCountInString(f.line[:min(f.Start.Column-1, len(f.line))])
	end := len(f.line)
	if f.End.Line == f.Start.Line {
		end = min(f.End.Column-1, len(f.line))
	}
	return object{
		"startLine": f.Start.Line, "startColumn": start,
		"endLine": f.Start.Line, "endColumn": max(start+1, 1+utf8.RuneCountInString(f.line[:end])),
	}
}
