// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"time"
)

// order is what a machine is to do next.
type order struct {
	Do    string // "drain", "fill", "cycle", "parallel", "serve", "connect"
	Live  int    // fill: how many attachments there are to be
	Ports int    // cycle, serve: how many ports are mapped
	Proto string // cycle, serve: "tcp" or "udp"
	Jobs  int    // parallel: how many at a time
	For   time.Duration
	// Straight: connect to the container's address instead of the host's port.
	Straight bool
	// Launcher runs the plugins of a cycle and tells how much memory they take; such a cycle is not for its times.
	Launcher string
}

// report is what came of it. Durations are in nanoseconds.
type report struct {
	Add, Check, Del time.Duration
	// Rate is attachments or connections a second.
	Rate float64
	// P50 is the median of the ADDs of a parallel run.
	P50 time.Duration
	// Peak is the largest resident size of each plugin, in KiB.
	Peak map[string]int64
	// Spent is how long each plugin took for each command of a cycle, start of the process included.
	Spent map[string]time.Duration
	Error string
}

// machine is a contender's machine, as its process looks from outside.
type machine struct {
	name string
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
}

// newMachine starts this program again as the machine of a contender, or of the conflist in a file.
func newMachine(bin, name string) (*machine, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	m := &machine{name: name,
		cmd: exec.Command(self, "-bin", bin, "-machine", name, "-per-bridge", strconv.Itoa(perBridge))}
	m.cmd.Stderr = os.Stderr
	if m.in, err = m.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := m.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	m.out = bufio.NewReader(out)
	return m, m.cmd.Start()
}

// do has an order carried out.
func (m *machine) do(o order) (r report, err error) {
	if err := json.NewEncoder(m.in).Encode(o); err != nil {
		return r, fmt.Errorf("machine of %s: %w", m.name, err)
	}
	line, err := m.out.ReadBytes('\n')
	if err != nil {
		return r, fmt.Errorf("machine of %s: %w", m.name, err)
	}
	if err := json.Unmarshal(line, &r); err != nil {
		return r, err
	}
	if r.Error != "" {
		return r, fmt.Errorf("machine of %s: %s: %s", m.name, o.Do, r.Error)
	}
	return r, nil
}

// close ends the machine; its namespaces, and all that is in them, go with it.
func (m *machine) close() {
	_ = m.in.Close()
	_ = m.cmd.Wait()
}

// serve is the machine's side: one order a line, one report a line.
func serve(bin, name string, in io.Reader, out io.Writer) error {
	w, err := newWorld(bin, name)
	if err != nil {
		return err
	}
	orders := json.NewDecoder(in)
	for {
		var o order
		if err := orders.Decode(&o); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		r, err := w.do(o)
		if err != nil {
			r.Error = err.Error()
		}
		if err := json.NewEncoder(out).Encode(r); err != nil {
			return err
		}
	}
}
