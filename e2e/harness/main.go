// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Package harness is what the end-to-end tests are made of: plugins built as they are shipped, driven through libcni as
// a runtime drives them, on a machine of its own between two networks, with traffic that says how it travelled. It
// knows conflists and no particular one: what is expected of a chain is read from its conflist and its result. It is
// for tests alone.
package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/cni-chain/cni-chain/shared/testnet"
)

// Main is the TestMain of an end-to-end package: it builds what make builds, then runs the tests on a machine of their
// own (see testnet.Main). Further functions run there before the tests.
func Main(m interface{ Run() int }, before ...func() error) {
	runProbe()
	testnet.Main(m, append([]func() error{build}, before...)...)
}

// build is cheap when everything is built already, as it is in make test.
func build() error {
	cmd := exec.Command("make", "-s", "build", "upstream")
	cmd.Dir = Root()
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "MAKE") })
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make build upstream (there is no network here, try it outside first): %w\n%s", err, out)
	}
	return nil
}

// Root is the repository's.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	if filepath.IsAbs(file) {
		return filepath.Dir(filepath.Dir(filepath.Dir(file)))
	}
	// Built with -trimpath: a test runs in its package's folder.
	dir, _ := os.Getwd()
	for !exists(filepath.Join(dir, "go.mod")) && dir != "/" {
		dir = filepath.Dir(dir)
	}
	return dir
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Bin is the path of a program that make has built: "port-map", "cnichain", "upstream/cnitool".
func Bin(name string) string { return filepath.Join(Root(), "bin", name) }

// PluginDirs are where plugins are looked for: ours, then the reference plugins.
func PluginDirs() []string { return []string{Bin(""), Bin("upstream")} }

// OurPlugins are those of this repository.
func OurPlugins(t testing.TB) []string {
	t.Helper()
	mains, err := filepath.Glob(filepath.Join(Root(), "plugins/*/main.go"))
	if err != nil || len(mains) == 0 {
		t.Fatalf("no plugins/*/main.go (%v)", err)
	}
	for i, path := range mains {
		mains[i] = filepath.Base(filepath.Dir(path))
	}
	return mains
}

// Ours tells whether a plugin is one of this repository.
func Ours(plugin string) bool { return exists(filepath.Join(Root(), "plugins", plugin, "main.go")) }
