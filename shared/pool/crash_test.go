// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cni-chain/cni-chain/shared/owner"
)

// operation is one change of a pool in which containers 1 and 2 hold addresses, and which host-local had before.
type operation struct {
	name string
	// lost are those whose leases may be gone afterwards.
	lost []owner.Owner
	// subject is whom it leases to or releases.
	subject owner.Owner
	run     func(*testing.T, *Pool) error
}

var operations = []operation{
	{"allocate", nil, container(3), func(t *testing.T, p *Pool) error {
		_, err := p.Allocate(t.Context(), container(3), Request{})
		return err
	}},
	{"allocate a wanted one", nil, container(3), func(t *testing.T, p *Pool) error {
		_, err := p.Allocate(t.Context(), container(3), Request{IPs: []string{"10.0.0.5"}})
		return err
	}},
	{"release", []owner.Owner{container(1)}, container(1), func(t *testing.T, p *Pool) error {
		return p.Release(t.Context(), container(1))
	}},
	{"gc", []owner.Owner{container(1)}, container(1), func(t *testing.T, p *Pool) error {
		return p.GC(t.Context(), []owner.Owner{container(2)})
	}},
	{"import and allocate", nil, container(3), func(t *testing.T, p *Pool) error {
		p.conf.ImportFrom = filepath.Join(filepath.Dir(p.conf.DataDir), "host-local")
		_, err := p.Allocate(t.Context(), container(3), Request{})
		return err
	}},
	{"import and release", []owner.Owner{container(8)}, container(8), func(t *testing.T, p *Pool) error {
		p.conf.ImportFrom = filepath.Join(filepath.Dir(p.conf.DataDir), "host-local")
		return p.Release(t.Context(), container(8))
	}},
}

// crashPool is a pool before the operation.
func crashPool(t *testing.T) *Pool {
	t.Helper()
	top := tempDir(t)
	p := open(t, Config{
		DataDir: filepath.Join(top, "pool"), Subnet: "10.0.0.0/28", Ranges: [][]Range{{{Subnet: "fd00::/64"}}},
	})
	lease(t, p, container(1))
	lease(t, p, container(2))
	writeHostLocal(t, filepath.Join(top, "host-local"), map[string]string{
		"10.0.0.8": "c8\r\neth0", "fd00::8": "c8\r\neth0", "10.0.0.9": "c9\r\neth0", "last_reserved_ip.0": "10.0.0.9",
	})
	return p
}

type killed struct{ what string }

// stopAt makes the operation stop at its n-th step; whether there is one, stopped says.
func stopAt(t *testing.T, p *Pool, n int, op operation, stop func(what string) error) (stopped string, err error) {
	t.Helper()
	defer func() {
		p.step = func(string) error { return nil }
		if v := recover(); v != nil {
			if _, ok := v.(killed); !ok {
				panic(v)
			}
		}
	}()
	i := 0
	p.step = func(what string) error {
		if i++; i == n {
			stopped = what
			return stop(what)
		}
		return nil
	}
	err = op.run(t, p)
	return stopped, err
}

// holders are the addresses by their files, the truth.
func holders(t *testing.T, p *Pool) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, name := range files(t, p.Dir()) {
		if _, err := netip.ParseAddr(name); err == nil {
			data, err := os.ReadFile(filepath.Join(p.Dir(), name))
			if err != nil {
				t.Fatal(err)
			}
			all[name], _, _ = strings.Cut(string(data), "\n")
		}
	}
	return all
}

func without(all map[string]string, owners ...owner.Owner) map[string]string {
	rest := map[string]string{}
	for a, tag := range all {
		if !slices.ContainsFunc(owners, func(o owner.Owner) bool { return o.Tag() == tag }) {
			rest[a] = tag
		}
	}
	return rest
}

// afterwards is what a killed operation may be followed by; each has to work.
var afterwards = []struct {
	name string
	run  func(*testing.T, *Pool, operation)
}{
	{"release", func(t *testing.T, p *Pool, op operation) {
		before := without(holders(t, p), op.subject)
		for range 2 {
			release(t, p, op.subject)
		}
		after := holders(t, p)
		for a, tag := range before {
			if after[a] != tag {
				t.Errorf("%s was %s's and is %q's", a, tag, after[a])
			}
		}
		if diff := cmp.Diff(after, without(after, op.subject)); diff != "" {
			t.Errorf("%s still holds something:\n%s", op.subject, diff)
		}
		if slices.Contains(files(t, p.Dir()), newName) {
			t.Error("a temporary file is left")
		}
	}},
	{"gc of everything", func(t *testing.T, p *Pool, op operation) {
		if err := p.GC(t.Context(), nil); err != nil {
			t.Error(err)
		}
		wantClean(t, p)
	}},
	{"the same again", func(t *testing.T, p *Pool, op operation) {
		if err := op.run(t, p); err != nil {
			t.Error(err)
		}
		release(t, p, op.subject)
		for _, n := range []int{1, 2, 8, 9} {
			release(t, p, container(n))
		}
		wantClean(t, p)
	}},
	{"others, until it is full", func(t *testing.T, p *Pool, op operation) {
		before := holders(t, p)
		n := 100
		for ; ; n++ {
			if _, err := p.Allocate(t.Context(), container(n), Request{}); err != nil {
				if exhausted := (*ExhaustedError)(nil); !errors.As(err, &exhausted) || exhausted.Leases != 13 {
					t.Errorf("the end is %v", err)
				}
				break
			}
		}
		after := holders(t, p)
		for a, tag := range before {
			if after[a] != tag {
				t.Errorf("%s was %s's and is %q's", a, tag, after[a])
			}
		}
		for i := 100; i < n; i++ {
			if err := p.Check(t.Context(), container(i), Request{}, nil); err != nil {
				t.Error(err)
			}
			release(t, p, container(i))
		}
		release(t, p, op.subject)
		for _, n := range []int{1, 2, 8, 9} {
			release(t, p, container(n))
		}
		wantClean(t, p)
	}},
}

func TestKilledAtAnyStep(t *testing.T) {
	points := 0
	for _, op := range operations {
		for _, next := range afterwards {
			for n := 1; ; n++ {
				p := crashPool(t)
				before := without(holders(t, p), op.lost...)
				what, _ := stopAt(t, p, n, op, func(what string) error { panic(killed{what}) })
				if what == "" {
					break
				}
				points++
				t.Run(fmt.Sprintf("%s/%d %s/%s", op.name, n, strings.ReplaceAll(what, "/", "_"), next.name), func(t *testing.T) {
					after := holders(t, p)
					for a, tag := range before {
						if after[a] != tag {
							t.Errorf("%s was %s's and is %q's", a, tag, after[a])
						}
					}
					next.run(t, p, op)
				})
			}
		}
	}
	if points < 200 {
		t.Errorf("only %d points", points)
	}
	t.Logf("%d points", points)
}

func TestAnErrorAtAnyStepLeavesEverybodyTheirs(t *testing.T) {
	broken := errors.New("broken")
	for _, op := range operations {
		for n := 1; ; n++ {
			p := crashPool(t)
			before := holders(t, p)
			what, err := stopAt(t, p, n, op, func(string) error { return broken })
			if what == "" {
				break
			}
			t.Run(fmt.Sprintf("%s/%d %s", op.name, n, strings.ReplaceAll(what, "/", "_")), func(t *testing.T) {
				if err == nil {
					t.Error("the error was lost")
				}
				if err != nil && !errors.Is(err, broken) {
					t.Errorf("got another error: %v", err)
				}
				after := without(holders(t, p), append(op.lost, container(8), container(9))...) // being imported is no harm
				if err != nil {
					if diff := cmp.Diff(without(before, op.lost...), after); diff != "" {
						t.Errorf("after %v:\n%s", err, diff)
					}
				}
				if slices.Contains(files(t, p.Dir()), newName) && !strings.HasPrefix(what, "remove new") {
					t.Error("a temporary file is left")
				}
				if err := op.run(t, p); err != nil {
					t.Errorf("the same again: %v", err)
				}
				for _, n := range []int{1, 2, 3, 8, 9} {
					release(t, p, container(n))
				}
				wantClean(t, p)
			})
		}
	}
}

// TestHalfWrittenHintsGo: a process that is killed between making a file of bits and filling it leaves it short.
func TestHalfWrittenHintsGo(t *testing.T) {
	for _, size := range []int64{0, 10} {
		p := open(t, small)
		lease(t, p, container(1))
		for _, name := range files(t, p.Dir()) {
			if strings.HasPrefix(name, usedPrefix) {
				if err := os.Truncate(filepath.Join(p.Dir(), name), size); err != nil {
					t.Fatal(err)
				}
			}
		}
		release(t, p, container(1))
		wantClean(t, p)
	}
}
