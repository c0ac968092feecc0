// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/containernetworking/cni/libcni"
	"github.com/containernetworking/cni/pkg/invoke"
	"github.com/containernetworking/cni/pkg/types"
)

// Network is a conflist and the runtime that calls it.
type Network struct {
	List *libcni.NetworkConfigList
	CNI  *libcni.CNIConfig
	// Cache is where the runtime keeps results.
	Cache   string
	plugins []map[string]any
}

// Conflists are the examples that users copy; every one of them is tested.
func Conflists(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(Root(), "conflists", "*.conflist"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no conflists (%v)", err)
	}
	return files
}

// Example is the conflist of the given name.
func Example(name string) string { return filepath.Join(Root(), "conflists", name+".conflist") }

// Load reads a conflist for a runtime with an empty cache.
func Load(t testing.TB, file string) *Network {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return Parse(t, string(data))
}

// Parse is Load for a conflist at hand.
func Parse(t testing.TB, conflist string) *Network {
	t.Helper()
	return ParseWith(t, conflist, nil)
}

// ParseWith is Parse for a runtime that executes plugins in a way of its own (traced, killed); nil is the usual way,
// with what plugins say on stderr in the test's log. Further directories with plugins come after the usual ones.
func ParseWith(t testing.TB, conflist string, exec invoke.Exec, dirs ...string) *Network {
	t.Helper()
	list, err := libcni.NetworkConfFromBytes([]byte(conflist))
	if err != nil {
		t.Fatal(err)
	}
	if exec == nil {
		exec = &invoke.DefaultExec{RawExec: &invoke.RawExec{Stderr: t.Output()}}
	}
	n := &Network{List: list, Cache: t.TempDir()}
	n.CNI = libcni.NewCNIConfigWithCacheDir(append(PluginDirs(), dirs...), n.Cache, exec)
	for _, p := range list.Plugins {
		var plugin map[string]any
		if err := json.Unmarshal(p.Bytes, &plugin); err != nil {
			t.Fatal(err)
		}
		n.plugins = append(n.plugins, plugin)
	}
	return n
}

// Objects are the chain's plugins as the conflist has them.
func (n *Network) Objects() []map[string]any { return n.plugins }

// Types are the chain's plugins in order.
func (n *Network) Types() []string {
	var names []string
	for _, p := range n.List.Plugins {
		names = append(names, p.Network.Type)
	}
	return names
}

// AllTypes are the chain's plugins and the IPAM plugins that they call.
func (n *Network) AllTypes() []string {
	names := n.Types()
	for _, p := range n.List.Plugins {
		if p.Network.IPAM.Type != "" {
			names = append(names, p.Network.IPAM.Type)
		}
	}
	return names
}

// Has tells whether the chain contains one of the plugins.
func (n *Network) Has(plugins ...string) bool {
	return slices.ContainsFunc(n.Types(), func(name string) bool { return slices.Contains(plugins, name) })
}

// OursOnly tells whether the chain consists of our links only.
func (n *Network) OursOnly() bool {
	return !slices.ContainsFunc(n.Types(), func(name string) bool { return !Ours(name) })
}

// Capable tells whether some plugin of the chain declares the capability.
func (n *Network) Capable(capability string) bool {
	return slices.ContainsFunc(n.List.Plugins, func(p *libcni.PluginConfig) bool {
		return p.Network.Capabilities[capability]
	})
}

// Value is the first plugin's value for a key, or nil.
func (n *Network) Value(key string) any {
	for _, p := range n.plugins {
		if v, ok := p[key]; ok {
			return v
		}
	}
	return nil
}

// On tells whether some plugin has true at the key.
func (n *Network) On(key string) bool {
	v, ok := n.Value(key).(bool)
	return ok && v
}

// DNS is what the configuration says of name servers: the last plugin's that says anything.
func (n *Network) DNS() (dns types.DNS) {
	for _, p := range n.List.Plugins {
		if !p.Network.DNS.IsEmpty() {
			dns = p.Network.DNS
		}
	}
	return dns
}

// Cable is the host interface that connects the containers with the network outside, "" where the host routes: the
// configuration has it as "uplink" (veth-bridge) or "master" (macvlan).
func (n *Network) Cable() string {
	for _, key := range []string{"uplink", "master"} {
		if name, ok := n.Value(key).(string); ok {
			return name
		}
	}
	return ""
}

// AtLeast tells whether the chain speaks the given version of CNI or a later one.
func (n *Network) AtLeast(version string) bool {
	return strings.Compare(n.List.CNIVersion, version) >= 0 // one digit each, up to 1.1.0
}
