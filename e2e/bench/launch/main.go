// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Launch runs a program and writes its largest resident size, in KiB, to file descriptor 3. Linux counts into that size
// the pages that the parent had at exec (setmax_mm_hiwater_rss in fs/exec.c), so the parent has to be small: this is.
package main

import (
	"os"
	"strconv"
	"syscall"
)

func main() {
	pid, err := syscall.ForkExec(os.Args[1], os.Args[1:], &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2}})
	if err != nil {
		os.Exit(127)
	}
	var status syscall.WaitStatus
	var usage syscall.Rusage
	if _, err := syscall.Wait4(pid, &status, 0, &usage); err != nil {
		os.Exit(126)
	}
	os.NewFile(3, "usage").WriteString(strconv.FormatInt(usage.Maxrss, 10))
	os.Exit(status.ExitStatus())
}
