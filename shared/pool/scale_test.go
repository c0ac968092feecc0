// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// large has 65,533 addresses to lease.
var large = Config{Subnet: "10.0.0.0/16"}

// fill leases n addresses, one after another, without the ceremony of Allocate.
func fill(t testing.TB, p *Pool, n int) {
	t.Helper()
	sets, err := p.conf.sets(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = p.locked(context.Background(), true, func(d *dir) error {
		h := newHints(d)
		var last position
		for i := range n {
			tour := sets[0].tour(last)
			a, ok, err := (&search{p.name, d, h, 0}).walk(sets[0], tour)
			if err != nil || !ok {
				return fmt.Errorf("full after %d: %w", i, err)
			}
			if err := d.take(record{recordName(container(i)), container(i).Tag(), []netip.Addr{a}}, h); err != nil {
				return err
			}
			last = position{a}
		}
		return d.replace(positionName, last.bytes())
	})
	if err != nil {
		t.Fatal(err)
	}
}

// steps are what a function does to files.
func steps(t testing.TB, p *Pool, fn func(context.Context) error) []string {
	t.Helper()
	var all []string
	p.step = func(what string) error {
		all = append(all, what)
		return nil
	}
	if err := fn(context.Background()); err != nil {
		t.Fatal(err)
	}
	p.step = func(string) error { return nil }
	return all
}

func TestOneMoreCostsTheSameWhateverIsLeased(t *testing.T) {
	p := open(t, large)
	var add, del, check, status [2]int
	for i, n := range []int{10, 60000} {
		release(t, p, container(-1))
		fill(t, p, n)
		add[i] = len(steps(t, p, func(ctx context.Context) error {
			_, err := p.Allocate(ctx, container(-1), Request{})
			return err
		}))
		check[i] = len(steps(t, p, func(ctx context.Context) error { return p.Check(ctx, container(-1), Request{}, nil) }))
		status[i] = len(steps(t, p, p.Status))
		del[i] = len(steps(t, p, func(ctx context.Context) error { return p.Release(ctx, container(-1)) }))
		if i == 0 {
			if err := p.GC(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("steps with 10 and 60,000 leases: allocate %v, check %v, status %v, release %v", add, check, status, del)
	for _, n := range [][2]int{add, del, check, status} {
		if n[0] != n[1] {
			t.Errorf("%d steps with 10 leases, %d with 60,000", n[0], n[1])
		}
	}

	t.Run("the last free one", func(t *testing.T) {
		for i := 60000; i < 65533; i++ {
			lease(t, p, container(i))
		}
		release(t, p, container(30000)) // far from the position, which is at the end
		var l Lease
		all := steps(t, p, func(ctx context.Context) (err error) {
			l, err = p.Allocate(ctx, container(-1), Request{})
			return err
		})
		if slices.Contains(all, "list") || len(all) > add[0]+2 {
			t.Errorf("%d steps: %q", len(all), all)
		}
		want(t, l.String(), "10.0.117.50/16 via 10.0.0.1")
		var exhausted *ExhaustedError
		_, err := p.Allocate(t.Context(), container(-2), Request{})
		if !errors.As(err, &exhausted) || exhausted.Leases != 65533 {
			t.Errorf("full: %v", err)
		}
		release(t, p, container(-1))
	})

	t.Run("all bits lost", func(t *testing.T) {
		for _, name := range files(t, p.Dir()) {
			if isHint(name) || name == positionName {
				if err := os.Remove(filepath.Join(p.Dir(), name)); err != nil {
					t.Fatal(err)
				}
			}
		}
		all := steps(t, p, func(ctx context.Context) error {
			_, err := p.Allocate(ctx, container(-1), Request{})
			return err
		})
		if len(all) > add[0]+maxSurprises+5 {
			t.Errorf("%d steps", len(all))
		}
		release(t, p, container(-1))
	})
}

func TestWalkThroughALargeIPv6Range(t *testing.T) {
	p := open(t, Config{Subnet: "fd00::/64", RangeStart: "fd00::7ffd"})
	for i, a := range []string{"fd00::7ffd", "fd00::7ffe", "fd00::7fff", "fd00::8000", "fd00::8001"} {
		want(t, lease(t, p, container(i)), a+"/64 via fd00::1")
	}
	for i := range 3 {
		release(t, p, container(i))
	}
	bits := slices.DeleteFunc(files(t, p.Dir()), func(name string) bool { return !isHint(name) })
	if diff := cmp.Diff([]string{"used-fd00::8000"}, bits); diff != "" {
		t.Error(diff)
	}
}

func TestPositionStaysSmall(t *testing.T) {
	p := open(t, Config{})
	for i := range 100 {
		r := Request{Ranges: [][]Range{{{Subnet: fmt.Sprintf("10.0.%d.0/24", i)}}}}
		if _, err := p.Allocate(t.Context(), container(i), r); err != nil {
			t.Fatal(err)
		}
	}
	pos := read(t, p.Dir())[positionName]
	if n := len(pos); n > maxPosition*len("10.0.99.2\n") {
		t.Errorf("%d bytes: %s", n, pos)
	}
}

func BenchmarkAllocateAndRelease(b *testing.B) {
	for _, n := range []int{0, 10, 1000, 60000} {
		b.Run(fmt.Sprintf("leases=%d", n), func(b *testing.B) {
			p := open(b, large)
			if n > 0 {
				fill(b, p, n)
			}
			for b.Loop() {
				if _, err := p.Allocate(b.Context(), container(-1), Request{}); err != nil {
					b.Fatal(err)
				}
				if err := p.Release(b.Context(), container(-1)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// FuzzConfig decodes any configuration and, when it is valid, holds the ranges to what they promise.
func FuzzConfig(f *testing.F) {
	for _, seed := range []string{
		`{"subnet": "10.0.0.0/24"}`,
		`{"subnet": "10.0.0.0/31", "gateway": "10.0.0.0"}`,
		`{"ranges": [[{"subnet": "10.0.0.0/8", "rangeStart": "10.1.0.0", "rangeEnd": "10.1.5.5"}], [{"subnet": "fd::/64"}]]}`,
		`{"ranges": [[{"subnet": "255.255.255.0/24"}, {"subnet": "0.0.0.0/24"}]], "routes": [{"dst": "::/0", "gw": "::1"}]}`,
		`{"subnet": "ffff:ffff:ffff:ffff:ffff:ffff:ffff:0/112", "rangeEnd": "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}`,
		`{"subnet": "::/0", "ranges": [[]]}`,
	} {
		f.Add([]byte(seed), "10.0.0.5/24")
	}
	f.Fuzz(func(t *testing.T, data []byte, ip string) {
		var conf Config
		if json.Unmarshal(data, &conf) != nil {
			return
		}
		err := conf.Validate()
		if bad := (*ConfigError)(nil); err != nil && !errors.As(err, &bad) {
			t.Fatalf("not a ConfigError: %v", err)
		}
		if err != nil {
			return
		}
		sets, _ := conf.sets(nil, nil)
		for _, s := range sets {
			holdRanges(t, s)
		}
		if p, err := conf.plan(Request{IPs: []string{ip}}); err == nil {
			if _, ok := p.lease(p.wanted); ok != (len(p.sets) == 1) {
				t.Errorf("%s was accepted for %v, but is no lease", ip, p.sets)
			}
		}
	})
}

// holdRanges takes up to three addresses from the start of a set and from its end.
func holdRanges(t *testing.T, s set) {
	t.Helper()
	h := &hints{blocks: map[netip.Addr]*block{}}
	for _, r := range s.spans {
		for _, from := range []netip.Addr{r.first, r.last} {
			base, _ := blockOf(from)
			end, _ := blockOf(r.last)
			h.blocks[base], h.blocks[end] = &block{}, &block{}
			a, ok, err := h.next(from, r.last)
			if err != nil || !ok || a != from || !r.contains(a) {
				t.Fatalf("from %s in %s comes %s, %v, %v", from, r, a, ok, err)
			}
			subnet := netip.PrefixFrom(a, r.bits).Masked()
			if !subnet.Contains(r.first) || !subnet.Contains(r.last) {
				t.Fatalf("%s is not in one subnet of /%d", r, r.bits)
			}
			if pointToPoint := a.BitLen()-r.bits < 2; !pointToPoint && (a == subnet.Addr() || a.Is4() && a == lastOf(subnet)) {
				t.Fatalf("%s of %s would be leased", a, subnet)
			}
		}
		for _, at := range []netip.Addr{r.first, r.last} {
			tour := s.tour(position{at})
			if len(tour) == 0 || tour[len(tour)-1].last != at && at != r.last {
				t.Fatalf("the tour from %s is %v", at, tour)
			}
		}
	}
}

// FuzzRecord reads any file as an owner file, and what it understands again after writing it.
func FuzzRecord(f *testing.F) {
	f.Add([]byte("cni-chain:podnet/c1/eth0\n10.0.0.5\nfd00::5\n"))
	f.Add([]byte("\n10.0.0.5"))
	f.Fuzz(func(t *testing.T, data []byte) {
		top := t.TempDir()
		d, err := openDir(top, "pool", true, func(string) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		defer d.root.Close()
		if err := d.replace("owner-x", data); err != nil {
			t.Fatal(err)
		}
		first, ok, err := d.readRecord("owner-x")
		if err != nil || !ok {
			return
		}
		if err := d.replace("owner-x", first.bytes()); err != nil {
			t.Fatal(err)
		}
		again, ok, err := d.readRecord("owner-x")
		if err != nil || !ok || again.tag != first.tag || !slices.Equal(again.addresses, first.addresses) {
			t.Errorf("%+v became %+v, %v, %v", first, again, ok, err)
		}
	})
}
