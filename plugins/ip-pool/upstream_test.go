// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	current "github.com/containernetworking/cni/pkg/types/100"

	"github.com/cni-chain/cni-chain/shared/pool"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// upstream runs a reference plugin that calls ip-pool as its IPAM plugin.
type upstream struct {
	t      *testing.T
	ns     *testnet.NS
	config string
	path   string // CNI_PATH: the reference plugins, and this test binary as ip-pool
}

func newUpstream(t *testing.T, plugin, config string) *upstream {
	t.Helper()
	testnet.Need(t)
	dir, err := filepath.Abs("../../bin/upstream")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, plugin)); err != nil {
		testnet.Lacks(t, "upstream's "+plugin+" in bin/upstream (make upstream)")
	}
	own := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(own, "ip-pool")); err != nil {
		t.Fatal(err)
	}
	head := fmt.Sprintf(`{"cniVersion": "1.1.0", "name": "podnet", "type": %q, `, plugin)
	return &upstream{t, testnet.NewNS(t), head + config, own + ":" + dir}
}

// call makes one call and returns stdout, the error document included.
func (u *upstream) call(verb, id string, extra string) (string, error) {
	u.t.Helper()
	var conf struct{ Type string }
	if err := json.Unmarshal([]byte(u.config), &conf); err != nil {
		u.t.Fatal(err)
	}
	_, dir, _ := strings.Cut(u.path, ":")
	cmd := exec.Command(filepath.Join(dir, conf.Type))
	cmd.Env = append(os.Environ(), "CNI_COMMAND="+verb, "CNI_CONTAINERID="+id, "CNI_IFNAME=eth0",
		"CNI_NETNS="+u.ns.Path, "CNI_PATH="+u.path)
	cmd.Stdin = strings.NewReader(strings.TrimSuffix(u.config, "}") + extra + "}")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

func (u *upstream) ok(verb, id, extra string) string {
	u.t.Helper()
	out, err := u.call(verb, id, extra)
	if err != nil {
		u.t.Fatalf("%s: %v\n%s", verb, err, out)
	}
	return out
}

// fails makes a call that must fail, with the words in its message.
func (u *upstream) fails(verb, id, extra string, words ...string) {
	u.t.Helper()
	out, err := u.call(verb, id, extra)
	for _, word := range words {
		if err == nil || !strings.Contains(out, word) {
			u.t.Errorf("%s: %v, want an error with %q:\n%s", verb, err, word, out)
		}
	}
}

func TestUnderUpstreamBridge(t *testing.T) {
	u := newUpstream(t, "bridge", `"bridge": "cni0", "isDefaultGateway": true, "hairpinMode": true,
		"ipam": {"type": "ip-pool",
			"ranges": [[{"subnet": "10.5.0.0/29", "rangeStart": "10.5.0.5"}], [{"subnet": "fd00:5::/64"}]]}}`)
	u.ok("STATUS", "", "")
	out := u.ok("ADD", "c1", "")
	var result current.Result
	if err := json.Unmarshal([]byte(out), &result); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, ip := range result.IPs {
		got = append(got, ip.Address.String())
	}
	if strings.Join(got, " ") != "10.5.0.5/29 fd00:5::2/64" {
		t.Errorf("result %s", out)
	}
	prev := `, "prevResult": ` + out
	u.ok("CHECK", "c1", prev)
	u.fails("ADD", "c1", "", "exist")
	u.ok("CHECK", "c1", prev) // the second ADD took nothing away
	u.ok("DEL", "c1", "")
	u.ok("DEL", "c1", "")
	u.fails("CHECK", "c1", prev, "")

	u.ok("ADD", "c2", "")
	u.fails("ADD", "c3", "", "") // the namespace has an eth0
	u.ok("DEL", "c3", "")        // removes it, whoever made it; the address of c2 stays
	u.ok("ADD", "c4", "")
	u.fails("STATUS", "", "", "no address left in 10.5.0.5-10.5.0.6", "(2 leased)")
	u.ok("DEL", "c4", "")
	u.fails("ADD", "c5", `, "args": {"cni": {"ips": ["10.5.0.6"]}}`, "eth0 of container c2")
	u.ok("DEL", "c5", "")
	u.ok("DEL", "c2", "")
	held, err := pool.Open("podnet", pool.Config{}).List()
	if err != nil || len(held) > 0 {
		t.Errorf("left: %v, %v", held, err)
	}
}

// TestALiveAttachmentKeepsItsAddress: upstream's ptp leases before it makes the interface, and answers its own failure
// with a DEL of the lease.
func TestALiveAttachmentKeepsItsAddress(t *testing.T) {
	u := newUpstream(t, "ptp", `"ipam": {"type": "ip-pool", "subnet": "10.6.0.0/24"}}`)
	prev := `, "prevResult": ` + u.ok("ADD", "c1", "")
	u.fails("ADD", "c1", "", "has its address 10.6.0.2/24 already")
	u.ok("CHECK", "c1", prev)
	u.ok("DEL", "c1", "")
}

func TestUnderUpstreamMacvlan(t *testing.T) {
	u := newUpstream(t, "macvlan", `"master": "parent", "mode": "bridge",
		"ipam": {"type": "ip-pool", "subnet": "10.7.0.0/24", "routes": [{"dst": "0.0.0.0/0"}]}}`)
	parent := exec.Command("ip", "link", "add", "parent", "up", "type", "veth", "peer", "name", "other")
	if out, err := parent.CombinedOutput(); err != nil {
		t.Fatalf("make a parent: %v: %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("ip", "link", "del", "parent").Run() })
	out := u.ok("ADD", "c1", "")
	if !strings.Contains(out, "10.7.0.2/24") || !strings.Contains(out, "0.0.0.0/0") {
		t.Errorf("result %s", out)
	}
	u.ok("CHECK", "c1", `, "prevResult": `+out)
	u.ok("DEL", "c1", "")
}
