// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"testing"

	"github.com/cni-chain/cni-chain/e2e/harness"
)

// calls are the system calls that change something, take or give back something, or wait.
var calls = []string{"sendmsg", "sendto", "recvmsg", "openat", "openat2", "read", "write", "pwrite64", "renameat", "renameat2", "linkat",
	"unlinkat", "mkdirat", "symlinkat", "fchmod", "fchown", "ftruncate", "setns", "mount", "ioctl", "flock", "socket", "setsockopt",
	"close", "fstat", "newfstatat", "exit_group"}

// errnos are what calls fail with.
var errnos = []string{"ENOMEM", "EIO", "EBUSY", "EINTR", "EPERM"}

// failing are the calls that are let fail. The Go runtime itself ends the process when some others do.
var failing = []string{"sendmsg", "sendto", "recvmsg", "openat", "openat2", "write", "pwrite64", "renameat", "renameat2", "linkat",
	"unlinkat", "mkdirat", "setns", "mount", "ioctl", "flock", "socket"}

var traced = regexp.MustCompile(`^(\d+) +(\w+)\(`)

// count runs a call under strace and returns how often one thread at most makes each system call: strace counts the
// "when" of an injection thread by thread.
func count(t *testing.T, a *attempt, c call) map[string]int {
	t.Helper()
	log := filepath.Join(t.TempDir(), "trace")
	c.wrap = []string{"strace", "-f", "-qq", "-o", log, "-e", "trace=" + known(calls)}
	if got := a.run(c); got.exit != 0 {
		t.Fatalf("%s of link %d under strace: %s%s", c.command, c.link, got.stdout, got.stderr)
	}
	data, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	perThread := map[string]int{}
	most := map[string]int{}
	for _, line := range strings.Split(string(data), "\n") {
		if m := traced.FindStringSubmatch(line); m != nil {
			perThread[m[1]+m[2]]++
			most[m[2]] = max(most[m[2]], perThread[m[1]+m[2]])
		}
	}
	return most
}

// known leaves out the calls that this machine's strace or architecture does not have.
func known(list []string) string {
	var all []string
	for _, name := range list {
		all = append(all, "?"+name)
	}
	return strings.Join(all, ",")
}

// point is a system call at which something happens.
type point struct {
	call  string
	n     int
	errno string // "" for SIGKILL
}

func (p point) String() string {
	if p.errno == "" {
		return fmt.Sprintf("SIGKILL at %s %d", p.call, p.n)
	}
	return fmt.Sprintf("%s from %s %d", p.errno, p.call, p.n)
}

// wrap is the strace that makes it happen.
func (p point) wrap() []string {
	what := fmt.Sprintf("inject=%s:signal=SIGKILL:when=%d", p.call, p.n)
	if p.errno != "" {
		what = fmt.Sprintf("inject=%s:error=%s:when=%d", p.call, p.errno, p.n)
	}
	return []string{"strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + p.call, "-e", what}
}

// points lists all points of a call, kills first.
func points(most map[string]int) (kills, errs []point) {
	names := make([]string, 0, len(most))
	for name := range most {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		for n := 1; n <= most[name]; n++ {
			kills = append(kills, point{call: name, n: n})
		}
	}
	for _, name := range failing {
		for n := 1; n <= most[name]; n++ {
			for _, errno := range errnos {
				errs = append(errs, point{name, n, errno})
			}
		}
	}
	return kills, errs
}

// needStrace skips the test where there is none, or none that may trace.
func needStrace(t *testing.T) {
	t.Helper()
	if out, err := exec.Command("strace", "-qq", "-o", "/dev/null", "true").CombinedOutput(); err != nil {
		t.Skipf("needs strace: %v: %s", err, out)
	}
}

// document says what is wrong with the answer to a call that failed: it must be an error document of the
// specification.
func document(got answer) string {
	if got.exit == 0 {
		return ""
	}
	var doc harness.Failure
	if err := json.Unmarshal([]byte(got.stdout), &doc); err != nil || doc.Code == 0 || doc.Msg == "" || doc.Code == 999 {
		return fmt.Sprintf("exit status %d, and no error document: %q, stderr %q", got.exit, got.stdout, got.stderr)
	}
	return ""
}
