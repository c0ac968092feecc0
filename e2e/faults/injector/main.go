// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Command injector runs a program under ptrace(2) and lets something happen at one of its system calls; package inject
// says what. A seccomp filter stops the program at those calls only that may be meant, which is what makes it fast.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/e2e/faults/inject"
)

// filterFirst is the first argument of the second start of this program, which sets the filter and becomes the program.
const filterFirst = "-filter"

func main() {
	exit, err := 125, error(nil)
	if len(os.Args) > 2 && os.Args[1] == filterFirst {
		err = becomeFiltered(os.Args[2:])
	} else {
		exit, err = start(os.Args[1:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "injector:", err)
		exit = 125
	}
	os.Exit(exit)
}

// start runs a command and reports.
func start(command []string) (exit int, err error) {
	i := injector{others: map[int]bool{}}
	if err := json.Unmarshal([]byte(os.Getenv(inject.Env)), &i.Fault); err != nil {
		return 0, fmt.Errorf("%s: %w", inject.Env, err)
	}
	if err := os.Unsetenv(inject.Env); err != nil {
		return 0, err
	}
	if err := i.run(command); err != nil {
		return 0, err
	}
	data, err := json.Marshal(i.Report)
	if err != nil {
		return 0, err
	}
	return i.exit, os.WriteFile(i.Fault.Report, data, 0o600)
}

type injector struct {
	inject.Fault
	inject.Report
	exit int
	// main is the process of the command, started that it has become the command.
	main    int
	started bool
	seen    int
	// others are the processes that the command has started, once they are other programs.
	others map[int]bool
}

// talk are the calls that count in a program that a plugin runs (iptables): those by which it changes the kernel's
// state and talks to who has started it. How it loads its libraries is none of the plugin's business.
var talk = []string{"socket", "bind", "sendto", "sendmsg", "recvfrom", "recvmsg", "write", "flock", "exit_group"}

func (i *injector) run(command []string) error {
	runtime.LockOSThread() // only the thread that traces a process may ask about it
	cmd := exec.Command("/proc/self/exe", append([]string{filterFirst}, command...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	i.main = cmd.Process.Pid
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(i.main, &status, 0, nil); err != nil {
		return err
	}
	options := unix.PTRACE_O_TRACESECCOMP | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACEFORK | unix.PTRACE_O_TRACEVFORK |
		unix.PTRACE_O_TRACEEXEC | unix.PTRACE_O_EXITKILL
	if err := syscall.PtraceSetOptions(i.main, options); err != nil {
		return err
	}
	for pid, pass := i.main, syscall.Signal(0); ; {
		if err := syscall.PtraceCont(pid, int(pass)); err != nil && !errors.Is(err, unix.ESRCH) {
			return err // ESRCH: it was killed meanwhile
		}
		var err error
		if pid, pass, err = i.wait(); errors.Is(err, unix.ECHILD) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// wait waits until some thread stops, and says which and the signal to pass on to it.
func (i *injector) wait() (pid int, pass syscall.Signal, err error) {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, unix.WALL, nil)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return 0, 0, err
		case !status.Stopped():
			if pid == i.main {
				i.exit, i.Killed = status.ExitStatus(), status.Signaled()
			}
			continue
		}
		const eventSeccomp = 7 // PTRACE_EVENT_SECCOMP of linux/ptrace.h
		switch sig, event := status.StopSignal(), int(status)>>16; {
		case event == eventSeccomp:
			return pid, 0, i.atCall(pid)
		case event == unix.PTRACE_EVENT_EXEC:
			i.others[pid] = pid != i.main
			i.started = true
			return pid, 0, nil
		case sig == syscall.SIGTRAP, sig == syscall.SIGSTOP: // a new thread or child
			return pid, 0, nil
		default:
			return pid, sig, nil
		}
	}
}

// atCall is called before each system call of a thread that the filter stops.
func (i *injector) atCall(pid int) error {
	name, err := callName(pid)
	if err != nil || !i.started || i.others[pid] && !slices.Contains(talk, name) {
		return ignoreGone(err)
	}
	if i.others[pid] {
		name = programOf(pid) + ":" + name
	}
	i.Calls = append(i.Calls, name)
	if name != i.Call {
		return nil
	}
	if i.seen++; i.seen != i.N {
		return nil
	}
	i.Hit = true
	switch i.What {
	case inject.Kill:
		return ignoreGone(syscall.Kill(processOf(pid), syscall.SIGKILL))
	case inject.Swap:
		return unix.Renameat2(unix.AT_FDCWD, i.Paths[0], unix.AT_FDCWD, i.Paths[1], unix.RENAME_EXCHANGE)
	}
	errno, known := errnos[i.What]
	if !known {
		return fmt.Errorf("no fault %q", i.What)
	}
	return ignoreGone(failCall(pid, errno))
}

// errnos are what calls can fail with.
var errnos = map[string]syscall.Errno{
	"ENOMEM": unix.ENOMEM, "EIO": unix.EIO, "EBUSY": unix.EBUSY, "EINTR": unix.EINTR, "EPERM": unix.EPERM,
}

// processOf is the process that a thread belongs to.
func processOf(thread int) int {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", thread))
	var pid int
	_, after, _ := strings.Cut(string(status), "\nTgid:\t")
	if n, _ := fmt.Sscan(after, &pid); n == 0 {
		return thread
	}
	return pid
}

// programOf names the program that a process runs.
func programOf(pid int) string {
	comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return strings.TrimSpace(string(comm))
}

// ignoreGone: what is killed while it is looked at needs nothing more.
func ignoreGone(err error) error {
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}
