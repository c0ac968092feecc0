// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cni-chain/cni-chain/shared/testnet"
)

const page = "../../write-a-link.md"

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The page shows the files as they are, below their licence.
func TestPage(t *testing.T) {
	block := regexp.MustCompile("(?s)(<!-- write-a-link/static-arp/(\\S+) -->\n```\\w+\n)(.*?)```\n")
	shown, text := 0, read(t, page)
	want := block.ReplaceAllStringFunc(text, func(whole string) string {
		shown++
		m := block.FindStringSubmatch(whole)
		code := read(t, m[2])
		if strings.HasPrefix(code, "// SPDX") {
			_, code, _ = strings.Cut(code, "\n\n")
		}
		return m[1] + code + "```\n"
	})
	if shown != 3 {
		t.Errorf("it shows %d files", shown)
	}
	update := flag.Lookup("update").Value.String() == "true" // chaintest's
	if diff := cmp.Diff(want, text); diff != "" && !update {
		t.Errorf("it is not what the files say, go test -update writes it again:\n%s", diff)
	}
	if update {
		if err := os.WriteFile(page, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// It is as short as the page says, without comments and blank lines.
func TestShort(t *testing.T) {
	_, code, _ := strings.Cut(read(t, "main.go"), "\n)\n")
	code = regexp.MustCompile(`(?m)^\s*(//.*)?\n`).ReplaceAllString(code, "")
	if n := strings.Count(code, "\n"); n >= 60 {
		t.Errorf("%d lines", n)
	}
}

// What the page says to type works, in a copy of bin/.
func TestCommands(t *testing.T) {
	testnet.Need(t)
	bin := t.TempDir()
	build := exec.Command("go", "build", "-o", bin+"/", "./chain/cmd/cnichain", "./plugins/veth-bridge", "./plugins/ip-config")
	build.Dir = filepath.Join("..", "..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	_, commands, _ := strings.Cut(read(t, page), "<!-- commands -->\n```console\n")
	commands, _, _ = strings.Cut(commands, "```")
	for command := range strings.Lines(commands) {
		command = strings.TrimSpace(strings.TrimPrefix(command, "# "))
		run := exec.Command("sh", "-ec", strings.ReplaceAll(command, "bin/", bin+"/"))
		run.Dir = build.Dir
		out, err := run.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
		const entry = "10.88.9.77 dev eth0 lladdr 02:00:00:00:00:77"
		if strings.Contains(command, "neighbour") && !strings.Contains(string(out), entry) {
			t.Errorf("%s: %s", command, out)
		}
		t.Logf("# %s\n%s", command, out)
	}
}
