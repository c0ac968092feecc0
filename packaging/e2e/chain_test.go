// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"fmt"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/containernetworking/cni/libcni"
	"github.com/containernetworking/cni/pkg/invoke"

	"github.com/cni-chain/cni-chain/e2e/harness"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// network is a conflist for a runtime that finds plugins only where they were installed.
func network(t *testing.T, conflist, plugins string) *harness.Network {
	t.Helper()
	n := harness.Load(t, conflist)
	n.CNI = libcni.NewCNIConfigWithCacheDir([]string{plugins}, n.Cache, &invoke.DefaultExec{
		RawExec: &invoke.RawExec{Stderr: t.Output()},
	})
	return n
}

// attach runs a chain for one container, with traffic, and takes it away.
func attach(t *testing.T, conflist, plugins string) {
	t.Helper()
	n := network(t, conflist, plugins)
	w := harness.NewWorld(t, n)
	a := n.Attach(testnet.NewNS(t), "container-a").With("portMappings", harness.PublishedPorts)
	harness.Serve(t, w.Host, w.Outside.NS, a.NS)
	before := testnet.Take(t, a.NS)
	a.MustAdd(t)
	if err := a.Check(); err != nil {
		t.Error(err)
	}
	harness.Try(t, w.Around(a))
	harness.Try(t, w.Mapped(a, nil))
	if err := a.Del(); err != nil {
		t.Error(err)
	}
	if left := harness.Left(n, testnet.Diff(before, testnet.Take(t, a.NS))); left != "" {
		t.Errorf("the machine is not what it was:\n%s", left)
	}
}

// underLoad upgrades plugins again and again while containers come and go, and none of their calls may fail. One of
// them stays attached over all upgrades.
func underLoad(t *testing.T, conflist, plugins string, upgrade func(round int) error) {
	t.Helper()
	const containers, rounds = 3, 8
	n := network(t, conflist, plugins)
	harness.NewWorld(t, n)
	long := n.Attach(testnet.NewNS(t), "long").MustAdd(t)
	var calls atomic.Int32
	var group sync.WaitGroup
	for i := range containers {
		ns := testnet.NewNS(t)
		group.Go(func() {
			for round := range rounds {
				a := n.Attach(ns, fmt.Sprintf("container-%d-%d", i, round))
				for what, call := range []func() error{a.Add, a.Check, a.Del, a.Del} {
					if err := call(); err != nil {
						t.Errorf("call %d of container %d, round %d: %v", what, i, round, err)
					}
					calls.Add(1)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { group.Wait(); close(done) }()
	upgrades := 0
	for running := true; running && !t.Failed(); upgrades++ {
		if err := upgrade(upgrades); err != nil {
			t.Errorf("upgrade %d: %v", upgrades, err)
		}
		select {
		case <-done:
			running = false
		default:
		}
	}
	<-done
	if err := long.Check(); err != nil {
		t.Errorf("the container that was there all the time: %v", err)
	}
	if upgrades < 3 {
		t.Errorf("only %d upgrades", upgrades)
	}
	t.Logf("%d upgrades while there were %d calls", upgrades, calls.Load())
}

// cnichain runs the program of a release, and returns what it prints.
func cnichain(r release, args ...string) (string, error) {
	cmd := exec.Command(r.bin()+"/cnichain", args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if err != nil {
		err = fmt.Errorf("cnichain %q: %w\n%s", args, err, &out)
	}
	return out.String(), err
}
