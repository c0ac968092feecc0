// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package testnet

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// T is what the helpers need of a *testing.T or *testing.B.
type T interface {
	Helper()
	Name() string
	Logf(format string, args ...any)
	Fatalf(format string, args ...any)
	Skipf(format string, args ...any)
	Cleanup(func())
}

// requireVar says that tests may not be skipped for want of namespaces: TESTNET=require.
const requireVar = "TESTNET"

// missing is why Main could not isolate this process.
var missing error

// lacks counts the tests that were skipped, by the feature they lack.
var lacks = struct {
	sync.Mutex
	tests map[string]int
}{tests: map[string]int{}}

// Main runs the tests of a package on a machine of their own, and ends the process with their exit code. The functions
// in before run there first (to build what the tests run, say); an error of theirs fails the run.
//
// Flags, coverage, profiles and the test cache work as ever, because only the process inside runs tests.
func Main(m interface{ Run() int }, before ...func() error) {
	inside, code, err := Isolate()
	if !inside && err == nil {
		// Not os.Exit: it would write the coverage data of this process over that of the tests.
		syscall.Exit(code)
	}
	if missing = err; missing != nil {
		if os.Getenv(requireVar) == "require" {
			fmt.Fprintf(os.Stderr, "testnet: %s=require, but the machine lacks %v\n", requireVar, missing)
			os.Exit(1)
		}
		if !inside && canChangeNetwork() {
			fmt.Fprintf(os.Stderr,
				"testnet: all tests SKIPPED, as they could change this machine's network: it lacks %v\n", missing)
			os.Exit(0)
		}
	}
	for _, prepare := range before {
		if err := prepare(); err != nil {
			fmt.Fprintf(os.Stderr, "testnet: prepare the tests: %v\n", err)
			os.Exit(1)
		}
	}
	code = m.Run()
	reportLacks()
	os.Exit(code)
}

// Need skips the test when Main could not isolate it, and fails it when nobody called Main. Every test that touches the
// network, or /run, /etc/netns or /var/lib/cni, calls it or another helper first.
func Need(t T) {
	t.Helper()
	// Read again, as the test cache only notes what is read while tests run.
	_ = os.Getenv(requireVar)
	switch {
	case isolated:
	case missing != nil:
		Lacks(t, missing.Error())
	default:
		t.Fatalf("testnet: TestMain does not call testnet.Main, so this test would change this machine's network")
	}
}

// Lacks skips the test, because the kernel or the machine does not have the feature, and counts it for the report at
// the end of the run.
func Lacks(t T, feature string) {
	t.Helper()
	lacks.Lock()
	lacks.tests[feature]++
	lacks.Unlock()
	t.Skipf("needs %s", feature)
}

func reportLacks() {
	var lines []string
	for feature, tests := range lacks.tests {
		lines = append(lines, fmt.Sprintf("testnet: %d SKIPPED for want of: %s\n", tests, feature))
	}
	slices.Sort(lines)
	fmt.Fprint(os.Stderr, strings.Join(lines, ""))
}

// canChangeNetwork reports whether this process has CAP_NET_ADMIN.
func canChangeNetwork() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return true
	}
	return data[0].Effective&(1<<unix.CAP_NET_ADMIN) != 0
}
