// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cni-chain/cni-chain/shared/owner"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

func TestMain(m *testing.M) {
	if runsAsAllocator() {
		return
	}
	testnet.Main(m) // for a /run of its own: the locks are there
}

// small has the addresses 10.0.0.2 to 10.0.0.6.
var small = Config{Subnet: "10.0.0.0/29"}

func container(n int) owner.Owner {
	return owner.Owner{Network: "podnet", ContainerID: fmt.Sprint("c", n), IfName: "eth0"}
}

func open(t testing.TB, conf Config) *Pool {
	testnet.Need(t)
	t.Helper()
	if conf.DataDir == "" {
		conf.DataDir = filepath.Join(tempDir(t), "pool")
	}
	return Open("podnet", conf)
}

// tempDir is in memory, as the pools of plugins are.
func tempDir(t testing.TB) string {
	t.Helper()
	testnet.Need(t)
	dir, err := os.MkdirTemp("/run", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// lease allocates and returns the addresses as text.
func lease(t testing.TB, p *Pool, o owner.Owner, ips ...string) string {
	t.Helper()
	l, err := p.Allocate(t.Context(), o, Request{IPs: ips})
	if err != nil {
		t.Fatalf("allocate for %s: %v", o, err)
	}
	return l.String()
}

func (l Lease) String() string {
	var all []string
	for _, a := range l.Addresses {
		all = append(all, a.Prefix.String()+" via "+a.Gateway.String())
	}
	return strings.Join(all, ", ")
}

func release(t testing.TB, p *Pool, o owner.Owner) {
	t.Helper()
	if err := p.Release(t.Context(), o); err != nil {
		t.Fatalf("release %s: %v", o, err)
	}
}

func files(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// wantClean fails the test unless nothing but the position is left.
func wantClean(t testing.TB, p *Pool) {
	t.Helper()
	for _, name := range files(t, p.Dir()) {
		if name != positionName {
			t.Errorf("%s is left", name)
		}
	}
}

func want(t testing.TB, got, want string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// fails fails the test unless the error says so.
func fails(t testing.TB, err error, words string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), words) {
		t.Errorf("got %v, want an error with %q", err, words)
	}
}

func TestAddressesAreWalked(t *testing.T) {
	p := open(t, small)
	for i := 2; i <= 6; i++ {
		want(t, lease(t, p, container(i)), fmt.Sprintf("10.0.0.%d/29 via 10.0.0.1", i))
	}
	release(t, p, container(4))
	release(t, p, container(3))
	release(t, p, container(6))
	want(t, lease(t, p, container(7)), "10.0.0.3/29 via 10.0.0.1")
	release(t, p, container(7))
	want(t, lease(t, p, container(8)), "10.0.0.4/29 via 10.0.0.1")
	want(t, lease(t, p, container(9)), "10.0.0.6/29 via 10.0.0.1")
	want(t, lease(t, p, container(10)), "10.0.0.3/29 via 10.0.0.1")
}

func TestTheLastFreeAddressIsLeasedAgain(t *testing.T) {
	p := open(t, Config{Subnet: "10.0.0.0/24", RangeStart: "10.0.0.9", RangeEnd: "10.0.0.9"})
	for i := range 3 {
		want(t, lease(t, p, container(i)), "10.0.0.9/24 via 10.0.0.1")
		release(t, p, container(i))
	}
	wantClean(t, p)
}

func TestNothingIsLeftAfterTheLastRelease(t *testing.T) {
	p := open(t, Config{Subnet: "10.0.0.0/24", Ranges: [][]Range{{{Subnet: "fd00::/64"}}}})
	want(t, lease(t, p, container(1)), "10.0.0.2/24 via 10.0.0.1, fd00::2/64 via fd00::1")
	want(t, lease(t, p, container(2)), "10.0.0.3/24 via 10.0.0.1, fd00::3/64 via fd00::1")
	if got := len(files(t, p.Dir())); got != 2*3+2+1 {
		t.Errorf("%d files: %v", got, files(t, p.Dir()))
	}
	for range 2 {
		release(t, p, container(1))
		release(t, p, container(2))
	}
	wantClean(t, p)
	want(t, lease(t, p, container(1)), "10.0.0.4/24 via 10.0.0.1, fd00::4/64 via fd00::1")
}

// TestABitWithoutAnAddressGoes: somebody has removed the address's file.
func TestABitWithoutAnAddressGoes(t *testing.T) {
	p := open(t, small)
	lease(t, p, container(1))
	if err := os.Remove(filepath.Join(p.Dir(), "10.0.0.2")); err != nil {
		t.Fatal(err)
	}
	release(t, p, container(1))
	wantClean(t, p)
}

// TestAFileWithoutABitGoes: what a process leaves that is killed between making the file of bits and writing it.
func TestAFileWithoutABitGoes(t *testing.T) {
	p := open(t, small)
	lease(t, p, container(1))
	if err := os.Truncate(filepath.Join(p.Dir(), usedPrefix+"10.0.0.0"), 0); err != nil {
		t.Fatal(err)
	}
	release(t, p, container(1))
	wantClean(t, p)
}

func TestReleaseNeedsNothingButTheNames(t *testing.T) {
	p := open(t, small)
	lease(t, p, container(1))
	bare := Open("podnet", Config{DataDir: p.conf.DataDir, Ranges: [][]Range{{{Subnet: "nonsense"}}}})
	release(t, bare, container(1))
	wantClean(t, p)
	release(t, Open("podnet", Config{DataDir: filepath.Join(tempDir(t), "none")}), container(1))
}

func TestOwnersAreToldApart(t *testing.T) {
	p := open(t, small)
	owners := []owner.Owner{
		{Network: "podnet", ContainerID: "a", IfName: "eth0"},
		{Network: "podnet", ContainerID: "a", IfName: "eth1"},
		{Network: "podnet", ContainerID: strings.Repeat("a", 80), IfName: "eth0"},
		{Network: "podnet", ContainerID: strings.Repeat("a", 81), IfName: "eth0"},
	}
	for _, o := range owners {
		lease(t, p, o)
	}
	for i, o := range owners {
		release(t, p, o)
		held, err := p.List()
		if err != nil || len(held) != len(owners)-i-1 {
			t.Errorf("after releasing %s: %v, %v", o, held, err)
		}
	}
}

func TestExhaustionIsSaidTruthfully(t *testing.T) {
	p := open(t, Config{Subnet: "10.0.0.0/29", Ranges: [][]Range{{{Subnet: "fd00::/64"}}}})
	for i := range 5 {
		lease(t, p, container(i))
	}
	before := files(t, p.Dir())
	var exhausted *ExhaustedError
	_, err := p.Allocate(t.Context(), container(9), Request{})
	if !errors.As(err, &exhausted) {
		t.Fatalf("got %v", err)
	}
	if diff := cmp.Diff(ExhaustedError{"podnet", "10.0.0.1-10.0.0.6", 5}, *exhausted); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(before, files(t, p.Dir())); diff != "" {
		t.Errorf("a failed Allocate left something:\n%s", diff)
	}
	if err := p.Status(t.Context()); !errors.As(err, &exhausted) {
		t.Errorf("status: %v", err)
	}
	// The bits still say that it is full.
	if err := os.Remove(filepath.Join(p.Dir(), "10.0.0.4")); err != nil {
		t.Fatal(err)
	}
	want(t, lease(t, p, container(9)), "10.0.0.4/29 via 10.0.0.1, fd00::7/64 via fd00::1")
	release(t, p, container(3))
	if err := p.Status(t.Context()); err != nil {
		t.Errorf("status after a release: %v", err)
	}
}

func TestRequestedAddresses(t *testing.T) {
	p := open(t, Config{Subnet: "10.0.0.0/24", Ranges: [][]Range{{{Subnet: "fd00::/64"}}}})
	want(t, lease(t, p, container(1), "10.0.0.9/24"), "10.0.0.9/24 via 10.0.0.1, fd00::2/64 via fd00::1")
	want(t, lease(t, p, container(2), "fd00::9"), "10.0.0.10/24 via 10.0.0.1, fd00::9/64 via fd00::1")
	before := files(t, p.Dir())
	var taken *TakenError
	if _, err := p.Allocate(t.Context(), container(3), Request{IPs: []string{"fd00::9"}}); !errors.As(err, &taken) {
		t.Fatalf("got %v", err)
	}
	if taken.By != container(2).Tag() || taken.Address.String() != "fd00::9" {
		t.Errorf("got %+v", taken)
	}
	if diff := cmp.Diff(before, files(t, p.Dir())); diff != "" {
		t.Errorf("a failed Allocate left something:\n%s", diff)
	}
}

func TestAllocateAgainReturnsWhatIsHeld(t *testing.T) {
	p := open(t, small)
	first := lease(t, p, container(1))
	again, err := p.Allocate(t.Context(), container(1), Request{})
	if err != nil || !again.Existing || again.String() != first {
		t.Errorf("got %s existing %v, %v; want %s", again, again.Existing, err, first)
	}
	again, err = p.Allocate(t.Context(), container(1), Request{IPs: []string{"10.0.0.2"}})
	if err != nil || !again.Existing {
		t.Errorf("asking for the address itself: %v", err)
	}
	before := files(t, p.Dir())
	for _, r := range []Request{{IPs: []string{"10.0.0.5"}}, {Ranges: [][]Range{{{Subnet: "fd00::/64"}}}}} {
		_, err := p.Allocate(t.Context(), container(1), r)
		fails(t, err, "holds [10.0.0.2] already")
	}
	if diff := cmp.Diff(before, files(t, p.Dir())); diff != "" {
		t.Errorf("a refused Allocate changed something:\n%s", diff)
	}
}

func TestCancelledContext(t *testing.T) {
	p := open(t, small)
	held, let, done := make(chan struct{}), make(chan struct{}), make(chan error)
	var once sync.Once
	p.step = func(string) error {
		once.Do(func() {
			close(held)
			<-let
		})
		return nil
	}
	go func() {
		_, err := p.Allocate(context.Background(), container(1), Request{})
		done <- err
	}()
	<-held
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open("podnet", p.conf).Allocate(ctx, container(2), Request{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(let)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func addresses(texts ...string) []netip.Addr {
	var all []netip.Addr
	for _, text := range texts {
		all = append(all, netip.MustParseAddr(text))
	}
	return all
}
