// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/containernetworking/cni/libcni"
)

const (
	maxMainLines  = 80
	maxPluginSize = 4 << 20
)

var sections = []string{"Name", "Description", "Configuration", "Result", "Examples", "Errors", "See also"}

func TestMainIsShort(t *testing.T) {
	for _, plugin := range pluginDirs(t) {
		if n := strings.Count(read(t, "plugins/"+plugin+"/main.go"), "\n"); n >= maxMainLines {
			t.Errorf("plugins/%s/main.go has %d lines, want under %d: configuration, literal, and no step", plugin, n, maxMainLines)
		}
	}
}

// TestReadmes: a plugin's README is its man page, and names every key of the configuration as the binary knows them.
func TestReadmes(t *testing.T) {
	build(t)
	heading := regexp.MustCompile(`(?m)^##? (.+?)\s*$`)
	for _, plugin := range pluginDirs(t) {
		t.Run(plugin, func(t *testing.T) {
			page := read(t, "plugins/"+plugin+"/README.md")
			var have []string
			for _, m := range heading.FindAllStringSubmatch(page, -1) {
				have = append(have, m[1])
			}
			for _, section := range sections {
				if !slices.Contains(have, section) {
					t.Errorf("README.md has no section %q (it has %q)", section, have)
				}
			}
			for _, key := range keys(t, plugin) {
				if !strings.Contains(page, "`"+key+"`") {
					t.Errorf("README.md does not explain `%s`", key)
				}
			}
		})
	}
}

// keys are what the plugin says of itself when it is run by hand.
func keys(t *testing.T, plugin string) []string {
	t.Helper()
	cmd := exec.Command(filepath.Join(root, "bin", plugin))
	cmd.Env = []string{}
	var about bytes.Buffer
	cmd.Stderr = &about
	if err := cmd.Run(); err != nil {
		t.Fatalf("run without CNI_COMMAND: %v\n%s", err, about.String())
	}
	var keys []string
	for _, m := range regexp.MustCompile(`(?m)^  (\S+) `).FindAllStringSubmatch(about.String(), -1) {
		keys = append(keys, m[1])
	}
	if m := regexp.MustCompile(`(?m)^Capabilities: (.+)$`).FindStringSubmatch(about.String()); m != nil {
		keys = append(keys, strings.Split(m[1], ", ")...)
	}
	if len(keys) == 0 {
		t.Fatalf("it names no key:\n%s", about.String())
	}
	return keys
}

// build makes bin/ what the tree is; it costs little when it is so already.
func build(t *testing.T) {
	t.Helper()
	cmd := exec.Command("make", "-s", "build")
	cmd.Dir = root
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "MAKE") })
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make build: %v\n%s", err, out)
	}
}

func TestBinaries(t *testing.T) {
	build(t)
	for _, plugin := range pluginDirs(t) {
		t.Run(plugin, func(t *testing.T) {
			path := filepath.Join(root, "bin", plugin)
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if info.Size() > maxPluginSize {
				t.Errorf("%d bytes, at most %d: which import is it?", info.Size(), maxPluginSize)
			}
			file, err := elf.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			if libs, _ := file.ImportedLibraries(); len(libs) > 0 || file.Section(".interp") != nil {
				t.Errorf("not static: it needs %q", libs)
			}
			if file.Section(".symtab") != nil || file.Section(".debug_info") != nil || file.Section(".zdebug_info") != nil {
				t.Error("not stripped")
			}
		})
	}
}

// conflists lists the examples, parsed as a runtime parses them.
func conflists(t *testing.T) map[string]*libcni.NetworkConfigList {
	t.Helper()
	lists := map[string]*libcni.NetworkConfigList{}
	for _, name := range tracked(t, "conflists/*.conflist") {
		list, err := libcni.NetworkConfFromBytes([]byte(read(t, name)))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		lists[name] = list
	}
	return lists
}

func TestConflists(t *testing.T) {
	used, versions := map[string]bool{}, map[string]bool{}
	for name, list := range conflists(t) {
		if want := strings.TrimSuffix(filepath.Base(name), ".conflist"); list.Name != want {
			t.Errorf("%s: the network's name is %q, want the file's, so that they can all be installed", name, list.Name)
		}
		var head struct{ CNIVersion string }
		if err := json.Unmarshal(list.Bytes, &head); err != nil {
			t.Fatal(err)
		}
		versions[list.CNIVersion], versions[head.CNIVersion] = true, true
		for _, p := range list.Plugins {
			used[p.Network.Type], used[p.Network.IPAM.Type] = true, true
		}
	}
	for _, plugin := range pluginDirs(t) {
		if !used[plugin] {
			t.Errorf("no conflist shows %s", plugin)
		}
	}
	for _, v := range []string{"0.4.0", "1.0.0", "1.1.0"} {
		if !versions[v] {
			t.Errorf("no conflist is of version %s", v)
		}
	}
}
