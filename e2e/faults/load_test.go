// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/cni-chain/cni-chain/e2e/faults/ledger"
	"github.com/cni-chain/cni-chain/e2e/harness"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// sharing is one of three networks on one bridge, with one pool of addresses.
const sharing = `{"cniVersion": "1.1.0", "name": "net%d", "plugins": [
	{"type": "veth-bridge", "bridge": "cni-shared", "hairpinMode": true},
	{"type": "ip-config", "isDefaultGateway": true, "ipMasq": true,
	 "ipam": {"type": "ip-pool", "pool": "shared", "subnet": "10.90.0.0/16"}},
	{"type": "resolv-conf", "dns": {"nameservers": ["192.0.2.53"]}},
	{"type": "port-map", "capabilities": {"portMappings": true}}]}`

func networks(t *testing.T) []*harness.Network {
	var list []*harness.Network
	for i := range 3 {
		list = append(list, harness.Parse(t, fmt.Sprintf(sharing, i)))
	}
	return list
}

// size is what a run takes on: a short one a tenth.
func size(whole int) int {
	if all() {
		return whole
	}
	return whole / 10
}

// TestLoad attaches 200 containers at once where nothing exists yet, over three networks that share a bridge and a
// pool, and detaches them at once. No address is given twice, no call fails, nothing is left, and calls overlap.
func TestLoad(t *testing.T) {
	nets := networks(t)
	harness.NewWorld(t, nets[0])
	reset(t, chainOf("shared", ledger.Ours, nets[0]))
	var list []*harness.Attachment
	for i := range size(200) {
		a := nets[i%len(nets)].Attach(testnet.NewNS(t), fmt.Sprintf("load%d", i))
		list = append(list, a.With("portMappings", []harness.Port{{HostPort: 20000 + i, ContainerPort: 80, Protocol: "tcp"}}))
	}
	before := testnet.Take(t)
	var alone time.Duration // of all calls, one after the other
	var mu sync.Mutex
	each := func(do func(*harness.Attachment) error) {
		var group sync.WaitGroup
		places := make(chan bool, 20)
		for _, a := range list {
			group.Go(func() {
				places <- true
				defer func() { <-places }()
				start := time.Now()
				err := do(a)
				mu.Lock()
				defer mu.Unlock()
				alone += time.Since(start)
				if err != nil {
					t.Errorf("%s: %v", a.Runtime.ContainerID, err)
				}
			})
		}
		group.Wait()
	}
	start := time.Now()
	each((*harness.Attachment).Add)
	t.Logf("%d ADDs in %v, %.1f at a time on average", len(list), time.Since(start), float64(alone)/float64(time.Since(start)))
	once(t, list)
	each((*harness.Attachment).Check)
	each((*harness.Attachment).Del)
	leftOf(t, nets, before)
}

// once: no two have one address.
func once(t *testing.T, list []*harness.Attachment) {
	t.Helper()
	holder := map[string]string{}
	for _, a := range list {
		if a.Result == nil {
			continue
		}
		for _, address := range a.Addresses() {
			if other := holder[address.String()]; other != "" {
				t.Errorf("%s and %s both have %s", other, a.Runtime.ContainerID, address)
			}
			holder[address.String()] = a.Runtime.ContainerID
		}
	}
}

func leftOf(t *testing.T, nets []*harness.Network, before *testnet.Snapshot) {
	t.Helper()
	left := testnet.Diff(before, testnet.Take(t))
	for _, n := range nets {
		left = harness.Left(n, left)
	}
	// The pool's name is in none of the networks.
	if left = uncounted(left); left != "" {
		t.Errorf("left behind:\n%s", left)
	}
}

// TestRandom makes random calls on 30 containers at once: ADD, CHECK, DEL, GC, some of them killed, some containers'
// namespaces gone. What was not killed or gone does not fail, and at the end nothing is left.
func TestRandom(t *testing.T) {
	nets := networks(t)
	harness.NewWorld(t, nets[0])
	reset(t, chainOf("shared", ledger.Ours, nets[0]))
	before := testnet.Take(t)
	var group sync.WaitGroup
	const workers = 6
	for w := range workers {
		group.Go(func() {
			random := rand.New(rand.NewPCG(42, uint64(w)))
			for i := range size(2000) / workers {
				if err := life(random, nets[random.IntN(len(nets))], fmt.Sprintf("random-%d-%d", w, i), 30000+1000*w+i); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	for _, n := range nets {
		if err := n.GC(); err != nil {
			t.Error(err)
		}
	}
	leftOf(t, nets, before)
}

// life is a container's: attached, perhaps killed in the middle of that, perhaps gone before it is detached.
func life(random *rand.Rand, n *harness.Network, id string, port int) error {
	ns, err := testnet.Create(id)
	if err != nil {
		return err
	}
	defer ns.Close()
	a := n.Attach(ns, id).With("portMappings", []harness.Port{{HostPort: port, ContainerPort: 80, Protocol: "udp"}})
	kill := random.IntN(3) == 0
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if kill {
		defer time.AfterFunc(time.Duration(random.IntN(25))*time.Millisecond, cancel).Stop()
	}
	_, err = n.CNI.AddNetworkList(ctx, n.List, a.Runtime)
	switch {
	case err != nil && !kill:
		return fmt.Errorf("ADD %s: %w", id, err)
	case err == nil && random.IntN(2) == 0:
		if err := a.Check(); err != nil {
			return fmt.Errorf("CHECK %s: %w", id, err)
		}
	}
	if random.IntN(3) == 0 {
		err = ns.Close()
		a.Runtime.NetNS = ""
	} else {
		err = nil
	}
	if kill && random.IntN(4) == 0 {
		return err // nobody detaches it: GC does
	}
	return errors.Join(err, a.Del())
}
