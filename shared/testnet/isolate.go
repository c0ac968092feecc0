// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package testnet

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// isolatedVar tells the second start of the program that it is the second. Its value is the network namespace of the
// first, so that a variable set by hand cannot make a program believe that it is alone.
const isolatedVar = "TESTNET_OUTSIDE"

// isolated is set when this process is on a machine of its own.
var isolated bool

// Isolate starts the running program again, with its arguments, environment, working directory and open files, on a
// machine of its own: new mount and network namespaces, and a new user namespace in which it is root when it is
// not root already. It has to be called at the start of main (or TestMain), before anything else.
//
// In the first process, it returns inside == false and the second's exit code when that has ended. In the second it
// returns inside == true: the loopback interface is up, forwarding is off, and /run, /etc, /var/lib are private. An
// error means that there is no isolation, or no complete one, and names what is missing.
func Isolate() (inside bool, code int, err error) {
	runChild()
	if outside, ok := os.LookupEnv(isolatedVar); ok {
		if err := os.Unsetenv(isolatedVar); err != nil {
			return false, 0, err
		}
		if now := ownNetwork(); now == outside || now == "" {
			return false, 0, fmt.Errorf("%s is set, but this process is not isolated", isolatedVar)
		}
		err := furnish()
		isolated = err == nil
		return true, 0, err
	}
	code, err = startIsolated(os.Geteuid() != 0)
	if os.Geteuid() == 0 && errors.Is(err, unix.EPERM) { // root of a container, without CAP_SYS_ADMIN
		code, err = startIsolated(true)
	}
	return false, code, err
}

// ownNetwork names the network namespace of this process, such as "net:[4026531833]".
func ownNetwork() string {
	name, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return ""
	}
	return name
}

// startIsolated runs this program in new namespaces, to its end.
func startIsolated(userNamespace bool) (code int, err error) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = os.Args
	cmd.Env = append(os.Environ(), isolatedVar+"="+ownNetwork())
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.ExtraFiles = inheritedFiles()
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWNET,
		// The second process must not outlive the first, as when "go test" kills it.
		Pdeathsig: syscall.SIGKILL,
	}
	needed := "mount and network namespaces"
	if userNamespace {
		needed = "user, mount and network namespaces"
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	// The kernel sends the death signal when the thread that started the child ends, not only the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	stop := passSignals(cmd)
	defer stop()
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("%s: %w", needed, err)
	}
	err = cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exitCode(exit.Sys().(syscall.WaitStatus)), nil
	}
	return 0, err
}

// inheritedFiles are the files beyond the standard streams that this process was started with: "go test -fuzz" talks to
// its workers through such. What Go has opened since is closed on exec.
func inheritedFiles() []*os.File {
	var files []*os.File
	for fd := 3; ; fd++ {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC != 0 {
			return files
		}
		files = append(files, os.NewFile(uintptr(fd), fmt.Sprintf("inherited file %d", fd)))
	}
}

// exitCode is the exit status, or what a shell makes of a signal.
func exitCode(status syscall.WaitStatus) int {
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}

// passSignals hands the signals that ask a program to end on to the child and lets it decide, until stop is called.
// SIGINT is only kept from ending this process: a terminal sends it to both.
func passSignals(cmd *exec.Cmd) (stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	go func() {
		for sig := range signals {
			if sig != syscall.SIGINT && cmd.Process != nil {
				_ = cmd.Process.Signal(sig)
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		close(signals)
	}
}
