// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package chain_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/chain/chaintest"
)

// TestManyMistakes: a configuration with more mistakes than anybody reads is answered by the first of them, in a line
// that a log can take.
func TestManyMistakes(t *testing.T) {
	const many = 30_000
	list := func(format string) string {
		var b strings.Builder
		for i := range many {
			fmt.Fprintf(&b, ","+format, i)
		}
		return b.String()
	}
	prev := func(key, entry string) string { return `,"prevResult":{"` + key + `":[` + list(entry)[1:] + `]}` }
	for _, c := range []struct {
		name, keys string
		code       uint
		words      []string
	}{
		{"keys", list(`"key%d":1`), 2, []string{`"key0"`, `"key19"`, "known are"}},
		{"keys of an object", `,"mapping":[{` + list(`"key%d":1`)[1:] + `}]`, 2, []string{`"mapping[0].key0"`, `"mapping[0].key19"`}},
		{"keys of many objects", `,"mapping":[` + list(`{"key%d":1}`)[1:] + `]`, 2, []string{`"mapping[0].key0"`, `"mapping[19].key19"`}},
		{"a key too often", strings.Repeat(`,"mode":"plain"`, many), 7, []string{`key "mode" stands twice: leave one`}},
		{"a key too often in many objects", `,"mapping":[` + list(`{"hostPort":%d,"HOSTPORT":1}`)[1:] + `]`, 7,
			[]string{`"mapping[0].HOSTPORT"`, `"mapping[19].HOSTPORT"`}},
		{"long keys", `,"` + strings.Repeat("k", many) + `":1,"mode":"plain"`, 2, []string{`unknown key "kkkk`, "... with the value 1"}},
		{"interfaces", prev("interfaces", `{"name":"x%d"}`), 7, []string{"30000 interfaces, ips or routes; 10000"}},
		{"addresses", prev("ips", `{"address":"10.0.0.1/8","x":%d}`), 7, []string{"30000"}},
		{"routes", prev("routes", `{"dst":"10.0.0.0/8","x":%d}`), 7, []string{"30000"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := chaintest.Run(t, files(chain.Anywhere), call("ADD", `{"cniVersion":"1.1.0","name":"n"`+c.keys+`}`))
			o.Fails(t, c.code, c.words...)
			if len(o.Err.Msg) > 4096 || strings.Contains(o.Err.Msg, "key20") || strings.Contains(o.Err.Msg, "mapping[20]") {
				t.Errorf("%d bytes: %s", len(o.Err.Msg), o.Err.Msg)
			}
		})
	}
}

// TestFoldedKeys: keys are the same that encoding/json takes for the same, be they in letters that fold to ASCII.
func TestFoldedKeys(t *testing.T) {
	for _, key := range []string{"MODE", "mod\u0065", "ra\u0077", "file\u017f", "FILES"} {
		config := fmt.Sprintf(`{"cniVersion":"1.1.0","name":"n","mode":"plain","raw":1,"files":[],"%s":null}`, key)
		chaintest.Run(t, files(chain.Anywhere), call("ADD", config)).Fails(t, 7, "stands twice")
	}
}

// TestNamespaceIsOpenedOnce: what CNI_NETNS leads to is checked and used by one file, whatever the path becomes
// meanwhile.
func TestNamespaceIsOpenedOnce(t *testing.T) {
	own, err := os.Stat(ownNS)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path, other := filepath.Join(dir, "netns"), filepath.Join(dir, "other")
	for link, to := range map[string]string{path: fmt.Sprintf("/proc/%d/ns/net", os.Getpid()), other: "/etc/hostname"} {
		if err := os.Symlink(to, link); err != nil {
			t.Fatal(err)
		}
	}
	link := files(chain.Anywhere)
	link.Add = func(_ context.Context, r *request) error {
		if err := os.Rename(other, path); err != nil {
			return err
		}
		is, err := r.Sandbox().Stat()
		if err == nil && !os.SameFile(is, own) {
			t.Errorf("the namespace is %v, want %v", is, own)
		}
		return err
	}
	one := call("ADD", `{"cniVersion":"1.1.0","name":"n"}`)
	one.NetNS = path
	chaintest.Run(t, link, one).OK(t)
}
