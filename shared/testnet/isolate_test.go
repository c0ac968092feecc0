// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package testnet_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cni-chain/cni-chain/shared/testnet"
)

// helperVar makes this test binary a program that is to be looked at from outside.
const helperVar = "TESTNET_TEST_HELPER"

func TestMain(m *testing.M) {
	if what := os.Getenv(helperVar); what != "" {
		os.Exit(helper(what))
	}
	testnet.Main(m)
}

// self starts this test binary as a helper.
func self(what string, args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), helperVar+"="+what)
	cmd.Stderr = os.Stderr
	return cmd
}

// helper does what a test wants to see another process do, and returns its exit code.
func helper(what string) int {
	what, value, _ := strings.Cut(what, " ")
	if what == "forbid" {
		return forbid(value)
	}
	inside, code, err := testnet.Isolate()
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		return 99
	case !inside:
		return code
	}
	switch what {
	case "exit":
		code, _ = strconv.Atoi(value)
		return code
	case "nest":
		return nest(value)
	case "kill":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "wait":
		return waitForSignal()
	case "container":
		return holdContainer()
	}
	return 98
}

// nest starts itself isolated until the depth is reached, and there uses what must be private.
func nest(depth string) int {
	left, err := strconv.Atoi(depth)
	if err == nil && left > 1 {
		cmd := self(fmt.Sprintf("nest %d", left-1))
		_ = cmd.Run()
		return cmd.ProcessState.ExitCode()
	}
	if err := os.MkdirAll("/etc/netns/deep", 0o755); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 94
	}
	if _, err := os.Stat("/run/secret"); err == nil {
		fmt.Fprintln(os.Stderr, "/run is that of the process outside")
		return 93
	}
	return 42
}

func waitForSignal() int {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	fmt.Println("ready")
	select {
	case <-signals:
		return 5
	case <-time.After(time.Minute):
		return 97
	}
}

func holdContainer() int {
	container, err := testnet.StartContainer("held", "")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 96
	}
	fmt.Println(container.PID)
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

// forbid runs this test binary's tests where no network namespaces can be made, as root or as a user.
func forbid(as string) int {
	if err := os.WriteFile("/proc/sys/user/max_net_namespaces", []byte("0"), 0); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 95
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestHostHasNothingSetUp$", "-test.v")
	cmd.Env = append(os.Environ(), helperVar+"=")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stdout
	if as == "user" {
		cmd.SysProcAttr = inUserNamespace(1000)
	}
	_ = cmd.Run()
	return cmd.ProcessState.ExitCode()
}

func inUserNamespace(uid int) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: uid, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: uid, HostID: os.Getgid(), Size: 1}},
	}
}

func TestIsolateExitCode(t *testing.T) {
	testnet.Need(t)
	if err := os.WriteFile("/run/secret", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove("/run/secret") })
	for what, want := range map[string]int{"exit 0": 0, "exit 7": 7, "kill": 137, "nest 1": 42, "nest 4": 42} {
		t.Run(what, func(t *testing.T) {
			cmd := self(what)
			err := cmd.Run()
			if _, isExit := errors.AsType[*exec.ExitError](err); err != nil && !isExit {
				t.Fatal(err)
			}
			if got := cmd.ProcessState.ExitCode(); got != want {
				t.Errorf("exit code %d, want %d", got, want)
			}
		})
	}
	if _, err := os.Stat("/etc/netns/deep"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what was made inside is outside: %v", err)
	}
}

func TestIsolatePassesSignals(t *testing.T) {
	testnet.Need(t)
	cmd, lines := startHelper(t, "wait")
	if line, err := lines.ReadString('\n'); err != nil {
		t.Fatalf("read %q: %v", line, err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 5 {
		t.Errorf("exit code %d, want 5", code)
	}
}

func TestIsolatedDiesWithItsStarter(t *testing.T) {
	testnet.Need(t)
	cmd, lines := startHelper(t, "container")
	line, err := lines.ReadString('\n')
	if err != nil {
		t.Fatalf("read %q: %v", line, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	// The process inside and its container hold the other end of stdout.
	if rest, err := io.ReadAll(lines); err != nil || len(rest) > 0 {
		t.Errorf("rest %q, %v", rest, err)
	}
	container := "/proc/" + strings.TrimSpace(line) + "/cmdline"
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		content, err := os.ReadFile(container)
		if err != nil || len(content) == 0 { // gone, or a zombie that init has not yet collected
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the container lives on: %q", content)
		}
	}
}

// startHelper starts a helper whose stdin stays open, and returns its stdout.
func startHelper(t *testing.T, what string) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	cmd := self(what)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd, bufio.NewReader(stdout)
}

func TestIsolateIsNotFooled(t *testing.T) {
	testnet.Need(t)
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	cmd := self("exit 0")
	cmd.Env = append(cmd.Env, "TESTNET_OUTSIDE="+own)
	cmd.Stderr = nil
	_ = cmd.Run()
	if code := cmd.ProcessState.ExitCode(); code != 99 {
		t.Errorf("exit code %d, want 99", code)
	}
}

func TestWithoutNamespaces(t *testing.T) {
	testnet.Need(t)
	tests := map[string]struct {
		as, require string
		code        int
		output      string
	}{
		"root":           {"root", "", 0, "all tests SKIPPED, as they could change this machine's network: it lacks "},
		"user":           {"user", "", 0, "SKIP: TestHostHasNothingSetUp"},
		"user, counted":  {"user", "", 0, "testnet: 1 SKIPPED for want of: "},
		"root, required": {"root", "require", 1, "TESTNET=require, but the machine lacks "},
		"user, required": {"user", "require", 1, "TESTNET=require, but the machine lacks "},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			cmd := self("forbid " + test.as)
			cmd.Env = append(cmd.Env, "TESTNET="+test.require)
			cmd.SysProcAttr = inUserNamespace(0)
			out, err := cmd.Output()
			if _, isExit := errors.AsType[*exec.ExitError](err); err != nil && !isExit {
				t.Fatal(err)
			}
			if code := cmd.ProcessState.ExitCode(); code != test.code || !strings.Contains(string(out), test.output) {
				t.Errorf("exit code %d, want %d; output lacks %q:\n%s", code, test.code, test.output, out)
			}
		})
	}
}
