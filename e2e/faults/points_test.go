// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cni-chain/cni-chain/e2e/faults/inject"
	"github.com/cni-chain/cni-chain/e2e/harness"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// errnos are what calls fail with.
var errnos = []string{"ENOMEM", "EIO", "EBUSY", "EINTR", "EPERM"}

// failing are the calls that are let fail.
var failing = []string{
	"sendto", "sendmsg", "recvfrom", "recvmsg", "open", "openat", "openat2", "read", "write", "pwrite64", "rename", "renameat",
	"renameat2", "link", "linkat", "unlink", "unlinkat", "mkdir", "mkdirat", "symlinkat", "fchmod", "fchown", "ftruncate", "fsync",
	"setns", "mount", "ioctl", "flock", "socket", "bind", "setsockopt", "getsockname", "fstat", "newfstatat", "getdents64", "execve",
}

// needInjector skips the test where there is none, or none that may trace.
func needInjector(t *testing.T) {
	t.Helper()
	testnet.Need(t)
	if !inject.Supported {
		testnet.Lacks(t, "a machine whose registers the injector knows (amd64)")
	}
}

// measure lists the system calls of one command of one link, as in a call that goes well.
func measure(t *testing.T, c *chain, link int, command string) []string {
	t.Helper()
	a, _ := begin(t, c)
	defer a.ns.Close()
	upTo(t, a, link, command)
	got := a.run(call{link: link, command: command, fault: &inject.Fault{}})
	if got.exit != 0 {
		t.Fatalf("%s of link %d under the injector: %s%s", command, link, got.stdout, got.stderr)
	}
	if err := a.undo(false); err != nil {
		t.Fatal(err)
	}
	return got.Calls
}

// kills are the faults of being killed at each of the calls.
func kills(calls []string) (list []inject.Fault) {
	seen := map[string]int{}
	for _, name := range calls {
		seen[name]++
		list = append(list, inject.Fault{Call: name, N: seen[name], What: inject.Kill})
	}
	return list
}

// failures are the errors of each of the calls that is let fail: so many to a call, each call having others in turn.
func failures(calls []string, each int) (list []inject.Fault) {
	seen := map[string]int{}
	for _, name := range calls {
		if !slices.Contains(failing, name) {
			continue
		}
		seen[name]++
		for i := range each {
			list = append(list, inject.Fault{Call: name, N: seen[name], What: errnos[(seen[name]+i)%len(errnos)]})
		}
	}
	return list
}

// wrongAnswer says what is wrong with the answer to a call: one that failed has to say so by an error document of the
// specification, with a code that means something.
func wrongAnswer(got answer) string {
	if got.exit == 0 || got.Killed || got.hang {
		return ""
	}
	var doc harness.Failure
	err := json.Unmarshal([]byte(got.stdout), &doc)
	if err != nil || doc.Code == 0 || doc.Msg == "" || strings.Contains(got.stderr, "goroutine ") {
		return fmt.Sprintf("exit status %d, and no error document: %q, stderr %q", got.exit, got.stdout, got.stderr)
	}
	return ""
}

// unnamed says that the answer is code 999: "something went wrong".
func unnamed(got answer) bool { return got.exit != 0 && strings.Contains(got.stdout, `"code": 999`) }
