// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/nft"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// TestLegacyIPTables: iptables-legacy prints rules as iptables-nft does, and takes them.
func TestLegacyIPTables(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	for _, program := range []string{"iptables", "ip6tables"} {
		for _, verb := range []string{"save", "restore"} {
			path, err := exec.LookPath(program + "-legacy-" + verb)
			if err != nil {
				testnet.Lacks(t, "iptables-legacy")
			}
			must(t, os.Symlink(path, filepath.Join(dir, program+"-"+verb)))
		}
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	if _, err := (iptables{v4}).run(t.Context(), "restore", "*nat\nCOMMIT\n"); err != nil {
		testnet.Lacks(t, "iptables-legacy in the kernel")
	}
	if _, err := (iptables{v4}).save(t.Context()); err != nil {
		testnet.Lacks(t, "iptables-legacy-save in a user namespace")
	}
	keys := map[string]any{"backend": backendIPTables, "conditionsV4": []string{"!", "-s", "198.51.100.0/24"}}
	mappings := []Mapping{web, {HostPort: 9000, ContainerPort: 9000, Range: 100}}
	w.server.add(keys, mappings...).OK(t)
	w.server.check(keys, mappings...).OK(t)
	for _, f := range []family{v4, v6} {
		if got := w.ask(cell{"outside", f, fmt.Sprintf("tcp%d", f)}, 8080); got != "ok" {
			t.Errorf("IPv%d from outside: %s", f, got)
		}
	}
	w.server.del().OK(t)
	for _, program := range []string{"iptables-save", "ip6tables-save"} {
		if left := parseSaved(command(t, program)).rules; len(left) > 0 {
			t.Errorf("%s: left behind: %q", program, left)
		}
	}
}

// TestUnsupported: which errors mean that the kernel has no nftables, or not what NAT needs of it.
func TestUnsupported(t *testing.T) {
	missing := &nft.Error{Op: "add chain ports-prerouting", Errno: unix.ENOENT}
	tests := []struct {
		err  error
		want bool
	}{
		{nil, false},
		{fmt.Errorf("open netlink socket: %w", unix.EPROTONOSUPPORT), true},
		{fmt.Errorf("map host ports: %w", missing), true},
		{&nft.Error{Op: "add table", Errno: unix.EOPNOTSUPP}, true},
		{&nft.Error{Op: "add element", Errno: unix.EEXIST, Set: guard}, false},
		{&nft.Error{Op: "delete element", Errno: unix.ENOENT, Set: guard}, false},
		{unix.EPERM, false},
		{errors.New("anything"), false},
	}
	for _, tt := range tests {
		if got := unsupported(tt.err); got != tt.want {
			t.Errorf("unsupported(%v) is %v", tt.err, got)
		}
	}
}

// TestFields: rules are compared word by word, however they are quoted.
func TestFields(t *testing.T) {
	tests := map[string][]string{
		`-A X -j Y`:                               {"-A", "X", "-j", "Y"},
		`-m comment --comment "a b" -j Y`:         {"-m", "comment", "--comment", "a b", "-j", "Y"},
		`-m comment --comment "a \"b\" \\"`:       {"-m", "comment", "--comment", `a "b" \`},
		`-A X  --comment ""`:                      {"-A", "X", "--comment", ""},
		`-A X --comment ` + quote(`a "quote" \n`): {"-A", "X", "--comment", `a "quote" \n`},
	}
	for rule, want := range tests {
		if diff := cmp.Diff(want, fields(rule)); diff != "" {
			t.Errorf("%s:\n%s", rule, diff)
		}
	}
}
