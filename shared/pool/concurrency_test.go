// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// allocator is what the test binary does as a process of its own: lease to containers First to Last, give back every
// second one, and print who holds what.
type allocator struct {
	Conf        Config
	First, Last int
	KillAt      int // the step at which it kills itself, 0 for none
}

const allocatorEnv = "POOL_TEST_ALLOCATOR"

func runsAsAllocator() bool {
	text := os.Getenv(allocatorEnv)
	if text == "" {
		return false
	}
	var a allocator
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		panic(err)
	}
	if err := a.run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}

func (a allocator) run() error {
	p := Open("podnet", a.Conf)
	n := 0
	p.step = func(string) error {
		if n++; n == a.KillAt {
			return syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
		return nil
	}
	ctx := context.Background()
	for i := a.First; i <= a.Last; i++ {
		l, err := p.Allocate(ctx, container(i), Request{})
		if err != nil {
			return err
		}
		if i%2 == 0 {
			fmt.Println(l.Addresses[0].Prefix.Addr(), container(i).Tag())
		} else if err := p.Release(ctx, container(i)); err != nil {
			return err
		}
	}
	return nil
}

func (a allocator) command(t testing.TB) *exec.Cmd {
	text, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), allocatorEnv+"="+string(text))
	return cmd
}

func TestManyProcessesNeverGetTheSameAddress(t *testing.T) {
	p := open(t, Config{Subnet: "10.0.0.0/24"})
	const processes, each = 8, 40
	var outs [processes]bytes.Buffer
	var cmds [processes]*exec.Cmd
	for i := range cmds {
		cmds[i] = allocator{Conf: p.conf, First: i * each, Last: i*each + each - 1}.command(t)
		cmds[i].Stdout, cmds[i].Stderr = &outs[i], os.Stderr
		if err := cmds[i].Start(); err != nil {
			t.Fatal(err)
		}
	}
	said := map[string]string{}
	for i, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
		for line := range strings.Lines(outs[i].String()) {
			address, tag, _ := strings.Cut(strings.TrimSpace(line), " ")
			if other := said[address]; other != "" {
				t.Errorf("%s leased to %s and %s", address, other, tag)
			}
			said[address] = tag
		}
	}
	if len(said) != processes*each/2 {
		t.Errorf("%d leases", len(said))
	}
	for address, tag := range holders(t, p) {
		if said[address] != tag {
			t.Errorf("%s is %s's, but was given to %q", address, tag, said[address])
		}
	}
	for i := range processes * each {
		release(t, p, container(i))
	}
	wantClean(t, p)
}

func TestManyGoroutinesWithKillsInBetween(t *testing.T) {
	p := open(t, Config{Subnet: "10.0.0.0/25"})
	var wg sync.WaitGroup
	for g := range 6 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(g)))
			for i := range 30 {
				o := container(100*g + i)
				if random.IntN(3) == 0 {
					dying := Open("podnet", p.conf)
					left := 1 + random.IntN(30)
					dying.step = func(what string) error {
						if left--; left == 0 {
							panic(killed{what})
						}
						return nil
					}
					func() {
						defer func() { _ = recover() }()
						_, _ = dying.Allocate(context.Background(), o, Request{})
					}()
				}
				l, err := p.Allocate(context.Background(), o, Request{})
				if err != nil {
					t.Error(err)
					return
				}
				has := []netip.Addr{l.Addresses[0].Prefix.Addr()}
				if err := p.Check(context.Background(), o, Request{}, has); err != nil {
					t.Error(err)
				}
				if random.IntN(2) == 0 {
					if err := p.Release(context.Background(), o); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	for g := range 6 {
		for i := range 30 {
			release(t, p, container(100*g+i))
		}
	}
	wantClean(t, p)
}

func TestProcessesThatAreKilledAtAnyStep(t *testing.T) {
	for n := 1; ; n++ {
		p := open(t, small)
		err := allocator{Conf: p.conf, First: 1, Last: 2, KillAt: n}.command(t).Run()
		if err == nil {
			if n < 20 {
				t.Errorf("only %d steps", n)
			}
			return
		}
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatal(err)
		}
		lease(t, p, container(2)) // nobody is left who holds the lock
		release(t, p, container(1))
		release(t, p, container(2))
		wantClean(t, p)
	}
}
