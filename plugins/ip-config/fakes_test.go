// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// fakes are IPAM plugins that go wrong, by name. Each gets the environment and stdin of a plugin, and notes its call in
// the directory that it was started from.
var fakes = map[string]func() int{
	// fake-good leases one address, in the version asked for.
	"fake-good": func() int {
		note()
		return answerADD(`{"cniVersion": "1.1.0", "ips": [{"address": "10.9.0.7/24", "gateway": "10.9.0.1"}],
			"routes": [{"dst": "10.99.0.0/16"}], "dns": {"nameservers": ["10.9.0.53"]}}`)
	},
	// fake-hang never answers an ADD, and has a child that keeps stdout open.
	"fake-hang": func() int {
		note()
		if os.Getenv("CNI_COMMAND") != "ADD" {
			return 0
		}
		child := exec.Command("sleep", "1000")
		child.Stdout = os.Stdout
		_ = child.Run()
		return 0
	},
	// fake-refuse has an error document with a code of its own.
	"fake-refuse": func() int {
		note()
		if os.Getenv("CNI_COMMAND") == "DEL" {
			return 0
		}
		fmt.Print(`{"cniVersion": "1.1.0", "code": 117, "msg": "no such tenant", "details": "tenant 4711"}`)
		return 1
	},
	// fake-again is busy.
	"fake-again": func() int {
		note()
		if os.Getenv("CNI_COMMAND") == "DEL" {
			return 0
		}
		fmt.Print(`{"cniVersion": "1.1.0", "code": 11, "msg": "the database restarts"}`)
		return 1
	},
	// fake-held refuses an ADD until a DEL has come: host-local does so for an attachment that has an address.
	"fake-held": func() int {
		if !strings.Contains(note(), "DEL") {
			fmt.Print(`{"cniVersion": "1.1.0", "code": 999, "msg": "duplicate allocation is not allowed"}`)
			return 1
		}
		return answerADD(`{"cniVersion": "1.1.0", "ips": [{"address": "10.9.0.7/24"}]}`)
	},
	// fake-crash dies with words on stderr.
	"fake-crash": func() int {
		note()
		if os.Getenv("CNI_COMMAND") == "DEL" {
			return 0
		}
		fmt.Fprint(os.Stderr, "panic: runtime error: index out of range")
		return 2
	},
	// fake-limited says in STATUS what existing attachments have to expect.
	"fake-limited": func() int {
		fmt.Print(`{"cniVersion": "1.1.0", "code": 51, "msg": "the address server is away"}`)
		return 1
	},
	// fake-nonsense answers an ADD with the text in the file "answer" beside it.
	"fake-nonsense": func() int {
		note()
		text, err := os.ReadFile(filepath.Join(filepath.Dir(os.Args[0]), "answer"))
		if err != nil {
			return 1
		}
		return answerADD(string(text))
	},
	// fake-endless writes without end.
	"fake-endless": func() int {
		note()
		for os.Getenv("CNI_COMMAND") == "ADD" {
			if _, err := fmt.Print(strings.Repeat("x", 1<<16)); err != nil {
				return 1
			}
		}
		return 0
	},
}

func answerADD(text string) int {
	if os.Getenv("CNI_COMMAND") == "ADD" {
		fmt.Print(text)
	}
	return 0
}

// note appends the verb to the file "calls" and keeps stdin and environment of the last call; it returns all verbs before.
func note() string {
	dir := filepath.Dir(os.Args[0])
	before, _ := os.ReadFile(filepath.Join(dir, "calls"))
	stdin, _ := io.ReadAll(os.Stdin)
	verb := os.Getenv("CNI_COMMAND")
	_ = os.WriteFile(filepath.Join(dir, "calls"), []byte(string(before)+verb+" "), 0o600)
	_ = os.WriteFile(filepath.Join(dir, "stdin-"+verb), stdin, 0o600)
	_ = os.WriteFile(filepath.Join(dir, "env-"+verb), []byte(strings.Join(os.Environ(), "\n")), 0o600)
	return string(before)
}

// install puts a fake into a directory of its own and makes that the CNI_PATH.
func (w *world) install(name string) (dir string) {
	w.t.Helper()
	dir = w.t.TempDir()
	self, err := os.Executable()
	must(w.t, err)
	must(w.t, os.Symlink(self, filepath.Join(dir, name)))
	w.cniPath = "/nonexistent:" + dir
	return dir
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
