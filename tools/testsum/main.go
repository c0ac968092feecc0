// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Testsum reads `go test -json` on stdin and prints what a person wants of it: a line for each package, the output of
// what failed, what was skipped for want of which feature, the slowest tests, and the counts. It exits with 1 when
// anything failed, also a package that did not build or died. It counts tests without subtests, so that a table of
// ten cases is ten.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
)

func main() {
	s := newSummary()
	if err := s.read(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "testsum: read stdin:", err)
		os.Exit(2)
	}
	if s.print(os.Stdout) > 0 {
		os.Exit(1)
	}
}

// event is one line of `go test -json` (`go doc test2json`).
type event struct {
	Action, Package, Test, Output, ImportPath string
	Elapsed                                   float64
	FailedBuild                               string
}

// read takes the events in and prints a package's line as soon as it is done.
func (s *summary) read(in io.Reader, out io.Writer) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) != nil {
				// What the go command prints beside the events, such as "no packages to test".
				fmt.Fprintf(out, "%s", line)
			} else {
				s.take(e, out)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
