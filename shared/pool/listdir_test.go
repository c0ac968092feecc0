// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestListDir(t *testing.T) {
	dir := filepath.Join(tempDir(t), "pool")
	if all, err := ListDir(dir); err != nil || all != nil {
		t.Errorf("of no directory: %v, %v", all, err)
	}
	first := open(t, Config{DataDir: dir, Subnet: "10.0.0.0/29"})
	second := open(t, Config{DataDir: dir, Subnet: "10.1.0.0/29", Pool: "no name of a network"})
	lease(t, first, container(1))
	lease(t, second, container(1))
	lease(t, second, container(2))
	if err := os.Remove(filepath.Join(first.Dir(), "10.0.0.2")); err != nil {
		t.Fatal(err)
	}
	got, err := ListDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.MustParseAddr
	want := []Listed{
		{Holding: Holding{container(1).Tag(), []netip.Addr{addr("10.0.0.2")}}, Pool: "podnet", Missing: []netip.Addr{addr("10.0.0.2")}},
		{Holding: Holding{container(1).Tag(), []netip.Addr{addr("10.1.0.2")}}, Pool: filepath.Base(second.Dir())},
		{Holding: Holding{container(2).Tag(), []netip.Addr{addr("10.1.0.3")}}, Pool: filepath.Base(second.Dir())},
	}
	same := cmp.Options{cmpopts.EquateComparable(netip.Addr{}), cmpopts.IgnoreFields(Listed{}, "Since")}
	if diff := cmp.Diff(want, got, same, cmpopts.SortSlices(func(a, b Listed) bool { return a.Pool+a.Tag < b.Pool+b.Tag })); diff != "" {
		t.Error(diff)
	}
	for _, l := range got {
		if age := time.Since(l.Since); age < 0 || age > time.Hour {
			t.Errorf("%s is %v old", l.Tag, age)
		}
	}
}
