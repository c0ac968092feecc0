// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/cni-chain/cni-chain/chain/chaintest"
	"github.com/cni-chain/cni-chain/shared/owner"
	"github.com/cni-chain/cni-chain/shared/pool"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "ip-pool" { // linked into a CNI_PATH
		plugin.Main()
	}
	testnet.Main(m)
}

// world is a pool's directory, as a golden case wants it. Its sections are
//
//	held: leases before the call, "CONTAINERID IFNAME ADDRESS"
//	left: leases after it, as tags and addresses
type world struct {
	pool     *pool.Pool
	dataDir  string
	held     string
	wantLeft string
}

func newWorld(t *testing.T, file, dataDir string) world {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	w := world{dataDir: dataDir}
	var conf struct{ IPAM pool.Config }
	for _, f := range archive.Files {
		switch f.Name {
		case "config":
			// Cases of bad configurations have no leases.
			_ = json.Unmarshal([]byte(strings.ReplaceAll(string(f.Data), "$DATA", dataDir)), &conf)
		case "held":
			w.held = string(f.Data)
		case "left":
			w.wantLeft = string(f.Data)
		}
	}
	w.pool = pool.Open("podnet", conf.IPAM)
	return w
}

func (w world) reset(t *testing.T) {
	t.Helper()
	if err := os.RemoveAll(w.dataDir); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(w.held) {
		words := strings.Fields(line)
		o := owner.Owner{Network: "podnet", ContainerID: words[0], IfName: words[1]}
		if _, err := w.pool.Allocate(t.Context(), o, pool.Request{IPs: words[2:]}); err != nil {
			t.Fatal(err)
		}
	}
}

func (w world) left(t *testing.T) string {
	t.Helper()
	held, err := w.pool.List()
	if err != nil {
		t.Fatal(err)
	}
	text := ""
	for _, h := range held {
		text += fmt.Sprintln(h.Tag, h.Addresses)
	}
	return text
}

// subnetEnv is what flanneld writes.
const subnetEnv = `FLANNEL_NETWORK=10.244.0.0/16
FLANNEL_SUBNET=10.244.3.1/24
FLANNEL_IPV6_NETWORK=fd00:244::/48
FLANNEL_IPV6_SUBNET=fd00:244:0:3::1/64
FLANNEL_MTU=1450
FLANNEL_IPMASQ=true
`

func TestGolden(t *testing.T) {
	ns := testnet.NewNS(t)
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) < 15 {
		t.Fatalf("%d cases, %v", len(files), err)
	}
	dir := t.TempDir()
	resolvConf := filepath.Join(dir, "resolv.conf")
	const content = "nameserver 127.0.0.53\nnameserver 192.0.2.53\nsearch a.example b.example\noptions ndots:2\n"
	subnetFile, broken := filepath.Join(dir, "subnet.env"), filepath.Join(dir, "broken.env")
	for path, text := range map[string]string{resolvConf: content, subnetFile: subnetEnv, broken: "FLANNEL_SUBNET=10.244.3.0/24\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			vars := map[string]string{"NS": ns.Path, "DATA": filepath.Join(dir, "data"), "RESOLVCONF": resolvConf,
				"SUBNETENV": subnetFile, "BROKENENV": broken}
			w := newWorld(t, file, vars["DATA"])
			w.reset(t)
			chaintest.RunCase(t, &plugin, file, vars, func(t *testing.T, _ chaintest.Outcome) {
				if diff := cmp.Diff(w.wantLeft, w.left(t)); diff != "" {
					t.Errorf("leases afterwards (-want +got):\n%s", diff)
				}
				w.reset(t)
			})
		})
	}
}

func TestEachStepFailed(t *testing.T) {
	ns := testnet.NewNS(t)
	for name, ips := range map[string]string{
		"any address":     "",
		"a requested one": `"runtimeConfig": {"ips": ["10.0.0.9"]},`,
	} {
		t.Run(name, func(t *testing.T) {
			dataDir := t.TempDir()
			p := pool.Open("podnet", pool.Config{DataDir: dataDir})
			call := chaintest.Call{Command: "ADD", ContainerID: "c1", IfName: "eth0", NetNS: ns.Path,
				Config: fmt.Sprintf(`{"cniVersion": "1.1.0", "name": "podnet", %s
					"ipam": {"type": "ip-pool", "dataDir": %q, "subnet": "10.0.0.0/24"}}`, ips, dataDir)}
			chaintest.FailEachStep(t, &plugin, call, nil, func(t *testing.T) string { return world{pool: p}.left(t) })
		})
	}
}

// TestFailedAddLeavesAnEarlierLease: what a killed ADD left is the runtime's to DEL, and no error of ours takes it
// away.
func TestFailedAddLeavesAnEarlierLease(t *testing.T) {
	ns := testnet.NewNS(t)
	dataDir := t.TempDir()
	conf := pool.Config{DataDir: dataDir, Subnet: "10.0.0.0/24"}
	p := pool.Open("podnet", conf)
	o := owner.Owner{Network: "podnet", ContainerID: "c1", IfName: "eth0"}
	if _, err := p.Allocate(t.Context(), o, pool.Request{}); err != nil {
		t.Fatal(err)
	}
	call := chaintest.Call{Command: "ADD", ContainerID: "c1", IfName: "eth0", NetNS: ns.Path,
		Config: fmt.Sprintf(`{"cniVersion": "1.1.0", "name": "podnet",
			"ipam": {"dataDir": %q, "subnet": "10.0.0.0/24"}}`, dataDir)}
	chaintest.FailEachStep(t, &plugin, call, nil, func(t *testing.T) string { return world{pool: p}.left(t) })
}

var example = regexp.MustCompile("(?ms)^```json\n(.*?)^```")

func TestReadmeExamples(t *testing.T) {
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, m := range example.FindAllSubmatch(page, -1) {
		var doc struct {
			IPAM    json.RawMessage
			Plugins []json.RawMessage
		}
		if err := json.Unmarshal(m[1], &doc); err != nil {
			t.Fatalf("%v in\n%s", err, m[1])
		}
		objects := doc.Plugins
		if doc.IPAM != nil {
			objects = append(objects, m[1])
		}
		for _, object := range objects {
			var conf Config
			if err := json.Unmarshal(object, &conf); err != nil {
				t.Fatal(err)
			}
			if err := conf.Validate(); err != nil {
				t.Errorf("%v in\n%s", err, object)
			}
			checked++
		}
	}
	if checked < 3 {
		t.Errorf("only %d examples", checked)
	}
	for i := range reflect.TypeFor[pool.Config]().NumField() {
		key, _, _ := strings.Cut(reflect.TypeFor[pool.Config]().Field(i).Tag.Get("json"), ",")
		if key != "type" && !strings.Contains(string(page), "`"+key+"`") {
			t.Errorf("README.md does not explain `%s`", key)
		}
	}
}
