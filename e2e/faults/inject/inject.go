// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Package inject runs a command under the program e2e/faults/injector, which counts the system calls of all its threads
// and children as one sequence and does something at one of them. strace counts thread by thread, and Go moves its work
// between threads as it likes: what is the third sendmsg of one run is none in the next.
package inject

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
)

// Supported says whether the injector knows this machine's registers.
const Supported = runtime.GOARCH == "amd64"

// Env is the variable that has the fault, as JSON, for the injector.
const Env = "FAULTS_INJECTION"

// Kinds of faults besides the names of errors.
const (
	Kill = "SIGKILL"
	Swap = "swap"
)

// Fault is what is to happen, and when. The zero Fault is nothing: the calls are counted.
type Fault struct {
	// Call and N are the N-th of the system calls of that name, from 1.
	Call string
	N    int
	// What is Kill, Swap, or the name of the error that the call returns without being made: "ENOMEM".
	What string
	// Paths are those of two files that Swap exchanges before the call is made.
	Paths [2]string
	// Report is the file for what came of it.
	Report string
}

func (f Fault) String() string { return fmt.Sprintf("%s at %s %d", f.What, f.Call, f.N) }

// Report is what the injector has seen.
type Report struct {
	// Calls are the names of all system calls, in order, but those of the Go runtime's own business. Those of a program
	// that the command starts are "PROGRAM:CALL", and only those by which it talks to others.
	Calls []string
	// Hit says that the fault happened.
	Hit bool
	// Killed says that the command was ended by a signal.
	Killed bool
}

// Under makes a command, which is not started yet, run under the injector.
func (f *Fault) Under(injector string, cmd *exec.Cmd) error {
	file, err := os.CreateTemp("", "injector")
	if err != nil {
		return err
	}
	f.Report = file.Name()
	spec, err := json.Marshal(f)
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	cmd.Args = append([]string{injector}, cmd.Args...)
	cmd.Path = injector
	cmd.Env = append(cmd.Env, Env+"="+string(spec))
	return nil
}

// Read takes the report of a command that has ended. There is none when the injector itself was killed.
func (f *Fault) Read() (r Report, err error) {
	data, err := os.ReadFile(f.Report)
	if err == nil && len(data) > 0 {
		err = json.Unmarshal(data, &r)
	}
	return r, errors.Join(err, os.Remove(f.Report))
}
