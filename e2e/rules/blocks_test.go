// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"regexp"
	"testing"
)

// TestBlocks: what the README shows to be copied for a runtime is, to the letter, what docs/runtimes.md has under that
// name, and "make runtimes" runs.
func TestBlocks(t *testing.T) {
	tested := blocks(read(t, "docs/runtimes.md"))
	shown := blocks(read(t, "README.md"))
	if len(shown) == 0 {
		t.Error("README.md has no block")
	}
	for name, text := range shown {
		if tested[name] != text {
			t.Errorf("block %q of README.md is not that of docs/runtimes.md:\n%s\n%s", name, text, tested[name])
		}
	}
}

// blocks are a page's code blocks behind a line "<!-- block: NAME -->", by name.
func blocks(page string) map[string]string {
	found := map[string]string{}
	block := regexp.MustCompile("(?s)<!-- block: ([^>]*) -->\n```[a-z]*\n(.*?)```\n")
	for _, m := range block.FindAllStringSubmatch(page, -1) {
		found[m[1]] = m[2]
	}
	return found
}
