// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Package faults lets every link fail at every point: each step, each system call, by an error or by SIGKILL. After
// what a runtime does next (DEL, GC, another ADD) the machine has to be what it was. "make test" tries a part of the
// points, "make faults" (FAULTS=all) all of them; docs/reliability.md has the table that it prints.
package faults

import (
	"os"
	"testing"

	"github.com/cni-chain/cni-chain/e2e/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// all says whether every point is to be tried.
func all() bool { return os.Getenv("FAULTS") == "all" }

// chosen says whether this run tries the i-th of many points. A short run takes every stride-th. FAULTS_SHARD=1/2 is
// the second of two runs that share the points.
func chosen(i, stride int) bool {
	switch os.Getenv("FAULTS_SHARD") {
	case "0/2":
		return i%2 == 0
	case "1/2":
		return i%2 == 1
	}
	return all() || i%stride == 0
}
