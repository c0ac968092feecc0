// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cni-chain/cni-chain/e2e/harness"
)

// TestCnichainInstall: from an unpacked archive into directories of a runtime, upgraded and rolled back under load, and
// removed.
func TestCnichainInstall(t *testing.T) {
	first, _, second := made(t)
	bin, conf := filepath.Join(t.TempDir(), "opt/cni/bin"), filepath.Join(t.TempDir(), "etc/cni/net.d")
	dirs := []string{"install", "--bin-dir", bin, "--conf-dir", conf}
	if _, err := cnichain(first, append(dirs, "--conflist", first.tree+"/conflists/bridge.conflist")...); err != nil {
		t.Fatal(err)
	}
	conflist := filepath.Join(conf, "bridge.conflist")
	t.Run("chain", func(t *testing.T) { attach(t, conflist, bin) })
	t.Run("upgrade", func(t *testing.T) {
		underLoad(t, conflist, bin, func(round int) error {
			to := []release{second, first}[round%2]
			out, err := cnichain(to, dirs...)
			if n := strings.Count(out, "upgraded"); err == nil && n != len(harness.OurPlugins(t))+1 {
				return errors.New("not all was upgraded:\n" + out)
			}
			return err
		})
	})
	if _, err := cnichain(first, append(dirs, "--uninstall")...); err != nil {
		t.Error(err)
	}
	for _, dir := range []string{bin, conf} {
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%v is left (%v)", left, err)
		}
	}
}

// manager is a package manager that works in a root of its own.
type manager struct {
	suffix  string // of its packages
	plugins string // where its distribution's runtimes look
	prepare func(t *testing.T, root string)
	install func(root, file string) error
	remove  func(root string) error
}

var managers = map[string]manager{
	"dpkg": {
		suffix: ".deb", plugins: "/usr/lib/cni",
		prepare: func(t *testing.T, root string) {
			run(t, "mkdir", "-p", root+"/var/lib/dpkg/info", root+"/var/lib/dpkg/updates", root+"/etc")
			run(t, "touch", root+"/var/lib/dpkg/status")
		},
		install: func(root, file string) error {
			return command("", "dpkg", "--root="+root, "--log=/dev/null", "--force-not-root,bad-path", "-i", file)
		},
		remove: func(root string) error {
			return command("", "dpkg", "--root="+root, "--log=/dev/null", "--force-not-root,bad-path", "--purge", "cni-chain")
		},
	},
	"rpm": {
		suffix: ".rpm", plugins: "/usr/libexec/cni",
		prepare: func(t *testing.T, root string) { run(t, "rpm", "--root="+root, "--initdb") },
		install: func(root, file string) error {
			return command("", "rpm", "--root="+root, "-U", "--oldpackage", "--nosignature", "--nodeps", file)
		},
		remove: func(root string) error { return command("", "rpm", "--root="+root, "-e", "cni-chain") },
	},
}

// TestPackages: a package installed into a root of its own, upgraded and rolled back under load, and removed.
func TestPackages(t *testing.T) {
	for name, m := range managers {
		t.Run(name, func(t *testing.T) {
			first, _, second := made(t)
			need(t, name)
			root := t.TempDir()
			m.prepare(t, root)
			before := files(t, root)
			must(t, "install", m.install(root, first.file(t, m.suffix)))
			complete(t, root, m)
			bin := filepath.Join(root, "opt/cni/bin")
			conflist := filepath.Join(root, "usr/share/doc/cni-chain/examples/bridge.conflist")
			t.Run("chain", func(t *testing.T) { attach(t, conflist, bin) })
			t.Run("upgrade", func(t *testing.T) {
				underLoad(t, conflist, bin, func(round int) error {
					return m.install(root, []release{second, first}[round%2].file(t, m.suffix))
				})
			})
			must(t, "remove", m.remove(root))
			if diff := cmp.Diff(before, files(t, root)); diff != "" {
				t.Errorf("the root is not what it was:\n%s", diff)
			}
		})
	}
}

// complete looks for what the package promises: links where its distribution's runtimes look, examples whose schemas
// are where they say, and nothing that a runtime would take for a network.
func complete(t *testing.T, root string, m manager) {
	t.Helper()
	for _, plugin := range harness.OurPlugins(t) {
		link := filepath.Join(root, m.plugins, plugin)
		if target, err := os.Readlink(link); err != nil || target != "/opt/cni/bin/"+plugin {
			t.Errorf("%s leads to %q, %v", link, target, err)
		}
		if info, err := os.Stat(root + "/opt/cni/bin/" + plugin); err != nil || info.Mode() != 0o755 {
			t.Errorf("%s: %v", plugin, err)
		}
	}
	for _, name := range []string{
		"/usr/share/doc/cni-chain/examples/../schemas/conflist.json", "/usr/share/doc/cni-chain/sbom.cdx.json",
		"/usr/share/man/man8/port-map.8.gz", "/usr/share/doc/cni-chain/installing.md",
	} {
		if _, err := os.Stat(root + name); err != nil {
			t.Error(err)
		}
	}
	if target, _ := os.Readlink(root + "/usr/bin/cnichain"); target != "/opt/cni/bin/cnichain" {
		t.Errorf("/usr/bin/cnichain leads to %q", target)
	}
	if _, err := os.Stat(root + "/etc/cni"); err == nil {
		t.Error("the package configures a network")
	}
}

// files are the programs, documents and configurations in a root; a package manager's own files change.
func files(t *testing.T, root string) []string {
	t.Helper()
	out, err := exec.Command("find", root, "-path", root+"/var", "-prune", "-o", "!", "-type", "d", "-print").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}

func must(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}
