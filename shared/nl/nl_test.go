// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package nl

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/testnet"
)

func TestMain(m *testing.M) { testnet.Main(m) }

func TestHandleSeesItsNamespace(t *testing.T) {
	ns := testnet.NewNS(t)
	host, err := Host()
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	inside, err := In(ns.File())
	if err != nil {
		t.Fatal(err)
	}
	defer inside.Close()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "inside0"
	if err := inside.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}); err != nil {
		t.Fatal(err)
	}
	link, err := inside.LinkByName("inside0")
	if err != nil {
		t.Fatal(err)
	}
	if same, err := inside.LinkByIndex(link.Attrs().Index); err != nil || same.Attrs().Name != "inside0" {
		t.Errorf("by index: %v, %v", same, err)
	}
	if _, err := host.LinkByName("inside0"); !IsNotFound(err) || !strings.Contains(err.Error(), `"inside0"`) {
		t.Errorf("on the host: %v, want not found with the name", err)
	}
	if _, err := host.LinkByIndex(4711); !IsNotFound(err) || !strings.Contains(err.Error(), "4711") {
		t.Errorf("on the host: %v, want not found with the index", err)
	}
}

func TestIsNotFound(t *testing.T) {
	for _, c := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{unix.EPERM, false},
		{fmt.Errorf("delete: %w", unix.ENODEV), true},
		{fmt.Errorf("find: %w", netlink.LinkNotFoundError{}), true},
	} {
		if got := IsNotFound(c.err); got != c.want {
			t.Errorf("IsNotFound(%v) = %v", c.err, got)
		}
	}
}

// TestAllRepeatsInterruptedDumps is containernetworking/plugins#1121: a dump that was interrupted is no answer.
func TestAllRepeatsInterruptedDumps(t *testing.T) {
	calls := 0
	got, err := All(func() ([]int, error) {
		if calls++; calls < 3 {
			return []int{1}, netlink.ErrDumpInterrupted
		}
		return []int{1, 2}, nil
	})
	if err != nil || len(got) != 2 {
		t.Errorf("got %v, %v", got, err)
	}
	got, err = All(func() ([]int, error) { return []int{1}, netlink.ErrDumpInterrupted })
	if got != nil || !errors.Is(err, netlink.ErrDumpInterrupted) {
		t.Errorf("got %v, %v, want no list and the reason", got, err)
	}
	if _, err := All(func() ([]int, error) { return nil, unix.EPERM }); err != unix.EPERM { //nolint:errorlint // as it is
		t.Errorf("got %v", err)
	}
}
