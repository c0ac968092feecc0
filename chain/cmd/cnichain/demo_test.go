// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/cni-chain/cni-chain/shared/testnet"
)

// build builds the tool and the links of this repository, once, into a directory where the tool finds them without
// being told. It is not in /run, of which the demo has one of its own.
func build(t *testing.T) string {
	t.Helper()
	buildOnce.Do(func() {
		if builtIn, buildErr = os.MkdirTemp("", "cnichain"); buildErr != nil {
			return
		}
		cmd := exec.Command("go", "build", "-o", builtIn+"/", ".", "github.com/cni-chain/cni-chain/plugins/...")
		if out, err := cmd.CombinedOutput(); err != nil {
			buildErr = fmt.Errorf("%w\n%s", err, out)
		}
	})
	if buildErr != nil {
		t.Fatal(buildErr)
	}
	return builtIn
}

var (
	buildOnce sync.Once
	builtIn   string
	buildErr  error
)

// The demo tells its story to the end, and the machine that it is run on does not notice.
func TestDemo(t *testing.T) {
	testnet.Need(t)
	program := filepath.Join(build(t), "cnichain")
	before := testnet.Take(t)
	svg := filepath.Join(t.TempDir(), "demo.svg")
	cmd := exec.Command(program, "demo", "--svg", svg)
	cmd.Env = append(cmd.Environ(), "PATH=/nowhere", "CNI_PATH=")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if diff := testnet.Diff(before, testnet.Take(t)); diff != "" {
		t.Errorf("the demo changed the machine:\n%s", diff)
	}
	if diff := cmp.Diff(read(t, "../../../docs/demo.svg"), read(t, svg)); diff != "" {
		t.Errorf("docs/demo.svg is not what it draws, \"cnichain demo --svg docs/demo.svg\" draws it again:\n%s", diff)
	}
	text := string(out)
	for _, want := range []string{
		"1 veth-bridge", "2 ip-config", "3 resolv-conf", "4 port-map",
		"+ interface eth0 in blue", "+ address   10.88.1.2/24", "+ dns       nameserver 192.0.2.2", "      nameserver 192.0.2.2\n",
		"port     tcp 8080 -> 10.88.1.3:80",
		"─ outside ─", "─ host ─", "cni0  10.88.1.1/24  (bridge)", "─ blue ─", "─ green ─",
		"blue pings green                             10.88.1.3 answers in",
		`outside opens http://192.0.2.1:8080/         "Hello 192.0.2.2, this is green"`,
		`blue opens http://192.0.2.1:8080/            "Hello `,
		`the host itself opens http://127.0.0.1:8080/ "Hello `,
		`blue opens http://192.0.2.2/                 "Hello 192.0.2.1, this is outside"`,
		"ip netns exec blue cat /etc/resolv.conf",
		"detached: eth0 in blue", "detached: eth0 in green", "The machine is as it was", "Unchanged:",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %q", want)
		}
	}
	if strings.Contains(text, "\x1b") || strings.Contains(text, "warning:") || strings.Contains(text, "FAILED") {
		t.Error("it has colours, or warnings")
	}
	lines := strings.Split(text, "\n")
	for _, line := range lines {
		if utf8.RuneCountInString(line) > 120 {
			t.Errorf("a line is too wide: %s", line)
		}
	}
	if len(lines) > 130 {
		t.Errorf("it has %d lines: who reads that?", len(lines))
	}
	if t.Failed() {
		t.Logf("\n%s", text)
	}
}

func TestDemoWithoutPlugins(t *testing.T) {
	var out strings.Builder
	code := execute(t.Context(), []string{"demo", "--plugin-path", t.TempDir()}, nil, &out, &out)
	if code != 1 || !strings.Contains(out.String(), "veth-bridge    (plugins[0], line ") {
		t.Errorf("exit status %d\n%s", code, &out)
	}
}
