// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cni-chain/cni-chain/shared/owner"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

func TestForeignFilesAreLeftAlone(t *testing.T) {
	p := open(t, small)
	lease(t, p, container(1))
	for _, name := range []string{"10.0.0.3", "owner-mine", "note"} {
		if err := os.WriteFile(filepath.Join(p.Dir(), name), []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(p.Dir(), "10.0.0.4")); err != nil {
		t.Fatal(err)
	}
	want(t, lease(t, p, container(2)), "10.0.0.5/29 via 10.0.0.1")
	_, err := p.Allocate(t.Context(), container(3), Request{IPs: []string{"10.0.0.3"}})
	fails(t, err, "reserved by a file")
	if err := p.GC(t.Context(), nil); err != nil {
		t.Error(err)
	}
	left := slices.DeleteFunc(files(t, p.Dir()), isHint)
	if diff := cmp.Diff([]string{"10.0.0.3", "10.0.0.4", "note", "owner-mine", "position"}, left); diff != "" {
		t.Error(diff)
	}
}

func isHint(name string) bool { return strings.HasPrefix(name, usedPrefix) }

func TestNamesCannotLeaveTheDirectory(t *testing.T) {
	testnet.Need(t)
	long := strings.Repeat("x", 300)
	for _, network := range []string{"../x", "..", ".", "/etc", "a/b", long, "~", "", "a\nb", ".hidden"} {
		conf := small
		conf.DataDir = filepath.Join(tempDir(t), "pool")
		p := Open(network, conf)
		o := owner.Owner{Network: "podnet", ContainerID: "../../c", IfName: "eth0/../.."}
		lease(t, p, o)
		if got := files(t, filepath.Dir(conf.DataDir)); len(got) != 1 || filepath.Dir(p.Dir()) != conf.DataDir {
			t.Errorf("network %q is in %s: %v", network, p.Dir(), got)
		}
		release(t, p, o)
		wantClean(t, p)
	}
	p := open(t, small)
	forged := owner.Owner{Network: "podnet", ContainerID: "a\n10.0.0.2", IfName: "eth0"}
	_, err := p.Allocate(t.Context(), forged, Request{})
	fails(t, err, "line break")
}

func TestALinkInThePoolsPlaceIsRefused(t *testing.T) {
	p := open(t, small)
	if err := os.MkdirAll(p.conf.DataDir, 0o700); err != nil {
		t.Fatal(err)
	}
	elsewhere := tempDir(t)
	if err := os.Symlink(elsewhere, p.Dir()); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Allocate(t.Context(), container(1), Request{}); err == nil {
		t.Error("followed a link")
	}
	if got := files(t, elsewhere); len(got) > 0 {
		t.Errorf("wrote %v behind a link", got)
	}
}

func TestPermissions(t *testing.T) {
	p := open(t, small)
	lease(t, p, container(1))
	err := filepath.WalkDir(p.conf.DataDir, func(path string, e os.DirEntry, err error) error {
		info, _ := e.Info()
		if mode := info.Mode().Perm(); mode != 0o600 && !(e.IsDir() && mode == 0o700) {
			t.Errorf("%s has mode %v", path, mode)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
