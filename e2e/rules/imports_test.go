// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"slices"
	"strings"
	"testing"
)

// area is a part of the tree and what its code may import beside the standard library; tests are free.
type area struct {
	name   string
	within func(rel string) bool
	allow  []string // import paths, or prefixes when they end in "/"
	why    string
}

const (
	cni     = "github.com/containernetworking/cni/"
	cniPkg  = cni + "pkg/"
	own     = module + "/"
	netlink = "github.com/vishvananda/netlink"
)

var linux = []string{
	netlink, netlink + "/", "github.com/vishvananda/netns", "github.com/coreos/go-iptables/", "golang.org/x/sys/",
}

var protocol = []string{cniPkg + "skel", cniPkg + "types", cniPkg + "types/", cniPkg + "version", cniPkg + "utils"}

var areas = []area{
	{
		name:   "chain/cmd",
		within: under("chain/cmd"),
		allow: append(slices.Concat(protocol, linux), cni+"libcni", cniPkg+"invoke", own+"chain", own+"chain/", own+"conflists", own+"schemas", own+"shared/",
			"github.com/spf13/cobra", "github.com/spf13/cobra/doc", "github.com/spf13/pflag", "github.com/google/go-cmp/"),
		why: "the tool drives chains as a runtime does, and looks at what they made",
	},
	{
		name:   "chain",
		within: func(rel string) bool { return under("chain")(rel) && !under("chain/cmd")(rel) },
		allow:  append(slices.Clone(protocol), own+"chain", own+"chain/", "github.com/google/go-cmp/", "golang.org/x/tools/txtar"),
		why:    "the frame is testable without root: it knows CNI and no Linux",
	},
	{
		name:   "shared",
		within: under("shared"),
		allow: append(slices.Clone(linux), own+"shared/", "github.com/containernetworking/plugins/pkg/ns",
			"github.com/containernetworking/plugins/pkg/netlinksafe"),
		why: "what plugins share of Linux knows neither CNI nor the frame",
	},
	{
		name:   "plugins",
		within: under("plugins"),
		allow: append(slices.Concat(protocol, linux), cniPkg+"invoke", own+"chain", own+"shared/",
			own+"plugins/ip-pool/leasing", "github.com/containernetworking/plugins/pkg/"),
		why: "a link is the frame, what links share, and its own step",
	},
}

func under(dir string) func(string) bool {
	return func(rel string) bool { return rel == dir || strings.HasPrefix(rel, dir+"/") }
}

func standard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

func allowed(path string, allow []string) bool {
	return slices.ContainsFunc(allow, func(a string) bool {
		return path == a || strings.HasSuffix(a, "/") && strings.HasPrefix(path, a)
	})
}

func TestImports(t *testing.T) {
	for _, p := range listPackages(t) {
		i := slices.IndexFunc(areas, func(a area) bool { return a.within(p.rel()) })
		if i < 0 {
			continue // e2e
		}
		for _, path := range p.Imports {
			itself := strings.HasPrefix(path, own+ownFolder(p.rel()))
			if !standard(path) && !itself && !allowed(path, areas[i].allow) {
				t.Errorf("%s imports %s: %s", p.rel(), path, areas[i].why)
			}
		}
	}
}

// ownFolder is the plugin that a package belongs to, with a slash at the end: "plugins/port-map/".
func ownFolder(rel string) string {
	parts := strings.SplitN(rel, "/", 3)
	if len(parts) < 2 || parts[0] != "plugins" {
		return rel + "/"
	}
	return parts[0] + "/" + parts[1] + "/"
}

// testPackages are for tests; what is installed must not carry them.
var testPackages = []string{own + "shared/testnet", own + "chain/chaintest", own + "e2e/harness"}

func TestTestPackagesStayInTests(t *testing.T) {
	for _, p := range listPackages(t) {
		if allowed(p.ImportPath, testPackages) || under("e2e")(p.rel()) {
			continue
		}
		for _, path := range p.Imports {
			// The demo of the tool runs on a machine of its own, as tests do.
			demo := under("chain/cmd")(p.rel()) && path == own+"shared/testnet"
			if allowed(path, testPackages) && !demo {
				t.Errorf("%s imports %s outside of its tests", p.rel(), path)
			}
		}
		if slices.Contains(p.Deps, "testing") {
			t.Errorf("%s links package testing", p.rel())
		}
	}
}

// heavy are packages that no plugin links, not even through another: each of its processes would initialise them, and
// shared/nft, shared/nlsock and shared/digest do what they are for. Tests use them.
var heavy = []string{"github.com/google/nftables", "github.com/google/nftables/", "github.com/mdlayher/", "crypto/"}

func TestPluginsAreLight(t *testing.T) {
	for _, p := range listPackages(t) {
		for _, path := range p.Deps {
			if under("plugins")(p.rel()) && allowed(path, heavy) {
				t.Errorf("%s links %s", p.rel(), path)
			}
		}
	}
}

// sharedByOne are packages of shared/ that only one plugin needs, and why they are there all the same.
var sharedByOne = map[string]string{
	"shared/testnet": "for tests and the demo",
}

func TestSharedIsForTwo(t *testing.T) {
	users := map[string]map[string]bool{}
	for _, p := range listPackages(t) {
		if !under("plugins")(p.rel()) && !under("chain/cmd")(p.rel()) {
			continue
		}
		user := strings.TrimSuffix(ownFolder(p.rel()), "/")
		for _, dep := range p.Deps {
			rel, ok := strings.CutPrefix(dep, own)
			if !ok || !under("shared")(rel) {
				continue
			}
			if users[rel] == nil {
				users[rel] = map[string]bool{}
			}
			users[rel][user] = true
		}
	}
	for _, p := range listPackages(t) {
		rel := p.rel()
		if !under("shared")(rel) || strings.Contains(rel, "/internal") {
			continue
		}
		if _, ok := sharedByOne[rel]; !ok && len(users[rel]) < 2 {
			t.Errorf("%s is used by %d programs, and shared is for two: move it into the plugin's folder", rel, len(users[rel]))
		}
		for _, vague := range []string{"util", "common", "helper", "misc"} {
			if strings.Contains(p.Name, vague) {
				t.Errorf("%s: name the package after what it is, not %q", rel, vague)
			}
		}
	}
}
