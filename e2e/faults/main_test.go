// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Package faults lets every link fail at every point: each step, each system call, by an error or by SIGKILL. After
// what a runtime does next (DEL, GC, another ADD) the machine has to be what it was. "make test" tries a part of the
// points, "make faults" (FAULTS=all) all of them; docs/reliability.md has the table that it prints.
package faults

import (
	"fmt"
	"hash/fnv"
	"os"
	"os/exec"
	"testing"

	"github.com/cni-chain/cni-chain/e2e/harness"
)

func TestMain(m *testing.M) { harness.Main(m, build) }

// injector is the program that lets system calls fail.
func injector() string { return harness.Bin("tools/injector") }

// build builds it.
func build() error {
	cmd := exec.Command("go", "build", "-o", injector(), "./e2e/faults/injector")
	cmd.Dir, cmd.Env = harness.Root(), append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the injector: %w\n%s", err, out)
	}
	return nil
}

// all says whether every point is to be tried.
func all() bool { return os.Getenv("FAULTS") == "all" }

// chooser returns a function that says whether this run tries a point. A short run tries every stride-th one. With
// FAULTS_SHARD=1/3 it tries the second of three parts, by the point's words: what comes before it does not matter.
func chooser(stride int) func(words ...any) bool {
	asked := -1
	return func(words ...any) bool {
		asked++
		var shard, shards uint32
		if n, _ := fmt.Sscanf(os.Getenv("FAULTS_SHARD"), "%d/%d", &shard, &shards); n == 2 {
			return hash(words...)/sample%shards == shard
		}
		return all() || asked%stride == 0
	}
}

func hash(words ...any) uint32 {
	h := fnv.New32a()
	fmt.Fprint(h, words...)
	return h.Sum32()
}
