// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/testnet"
)

const (
	module = "github.com/cni-chain/cni-chain"
	// name is that of this test binary, which Go has written the module into, as into a link.
	name = "install.test"
)

func TestMain(m *testing.M) {
	runChild()
	testnet.Main(m)
}

// host is a host to install on, and what there is to install.
type host struct {
	t                   *testing.T
	bin, conf, from, in string
}

func newHost(t *testing.T) *host {
	dir := t.TempDir()
	h := &host{t, dir + "/opt/bin", dir + "/etc/net.d", dir + "/from", dir + "/in"}
	for _, dir := range []string{h.bin, h.conf, h.from, h.in} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	h.program(h.from, "one")
	return h
}

// program puts a version of a program of ours into a directory.
func (h *host) program(dir, version string) string {
	h.t.Helper()
	data, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		h.t.Fatal(err)
	}
	return h.write(filepath.Join(dir, name), string(data)+version, 0o755)
}

func (h *host) write(path, text string, mode fs.FileMode) string {
	h.t.Helper()
	_ = os.Remove(path)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		h.t.Fatal(err)
	}
	return path
}

// conflist writes a conflist to be installed.
func (h *host) conflist(file, network, plugin string) string {
	h.t.Helper()
	return h.write(filepath.Join(h.in, file),
		`{"cniVersion": "1.0.0", "name": "`+network+`", "plugins": [{"type": "`+plugin+`"}]}`, 0o600)
}

// install returns a line for each file, and the error.
func (h *host) install(force bool, conflists ...string) (string, error) {
	var lines strings.Builder
	err := Install(Options{h.bin, h.conf, h.from, conflists, module, force}, reportTo(&lines))
	return lines.String(), err
}

func reportTo(lines *strings.Builder) func(Outcome) {
	return func(o Outcome) { lines.WriteString(string(o.What) + " " + filepath.Base(o.Path) + "\n") }
}

func (h *host) uninstall() (string, error) {
	var lines strings.Builder
	err := Uninstall(h.bin, h.conf, reportTo(&lines))
	return lines.String(), err
}

// says fails unless the outcome is as wanted: lines and no error, or an error that contains the text.
func says(t *testing.T, got string, err error, want, wantErr string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if wantErr == "" && err != nil || wantErr != "" && (err == nil || !strings.Contains(err.Error(), wantErr)) {
		t.Errorf("got the error %v, want %q", err, wantErr)
	}
}

// files are the names in a directory that may not be there, hidden ones too.
func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestPrograms(t *testing.T) {
	for _, tt := range []struct {
		name         string
		prepare      func(h *host)
		force        bool
		want, refuse string
	}{
		{name: "nothing there", want: "installed install.test\n"},
		{name: "no directory", prepare: func(h *host) { h.bin += "/not/yet" }, want: "installed install.test\n"},
		{name: "another version", prepare: func(h *host) { h.program(h.bin, "zero") }, want: "upgraded install.test\n"},
		{name: "the same", prepare: func(h *host) { h.program(h.bin, "one") }, want: "same install.test\n"},
		{
			name:    "the same with another mode",
			prepare: func(h *host) { _ = os.Chmod(h.program(h.bin, "one"), 0o700) },
			want:    "upgraded install.test\n",
		},
		{
			name:    "another program",
			prepare: func(h *host) { h.write(h.bin+"/"+name, "#!/bin/sh\n", 0o755) },
			refuse:  "it is another program, no build of " + module,
		},
		{
			name:    "another program, by force",
			prepare: func(h *host) { h.write(h.bin+"/"+name, "#!/bin/sh\n", 0o755) },
			force:   true, want: "upgraded install.test\n",
		},
		{
			name:    "a link of a package",
			prepare: func(h *host) { _ = os.Symlink(h.from+"/"+name, h.bin+"/"+name) },
			refuse:  "it leads elsewhere",
		},
		{
			name:    "a draft of a killed installer",
			prepare: func(h *host) { h.write(h.bin+"/.install.test.cni-chain-new", "half", 0o600) },
			want:    "installed install.test\n",
		},
		{
			name:    "no program of ours",
			prepare: func(h *host) { h.write(h.from+"/"+name, "#!/bin/sh\n", 0o755) },
			refuse:  "has no plugins of " + module,
		},
		{
			name: "others beside ours",
			prepare: func(h *host) {
				h.write(h.from+"/bridge", "#!/bin/sh\n", 0o755)
				_ = os.Rename(h.program(h.from, "old"), h.from+"/install.test.old")
				h.program(h.from, "one")
			},
			want: "installed install.test\n",
		},
		{
			name:    "a record that is none",
			prepare: func(h *host) { h.write(h.bin+"/"+recordName, "x\n", 0o600) },
			refuse:  `"x" is no line of sha256sum`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHost(t)
			if tt.prepare != nil {
				tt.prepare(h)
			}
			before := tree(t, h.bin)
			got, err := h.install(tt.force)
			says(t, got, err, tt.want, tt.refuse)
			if tt.refuse != "" {
				if diff := cmp.Diff(before, tree(t, h.bin)); diff != "" {
					t.Errorf("it changed something:\n%s", diff)
				}
				return
			}
			if info, err := os.Stat(h.bin + "/" + name); err != nil || info.Mode() != 0o755 {
				t.Errorf("%v %v", info.Mode(), err)
			}
			if _, err := os.Stat(h.bin + "/.install.test.cni-chain-new"); err == nil {
				t.Error("a draft is left")
			}
		})
	}
}

// tree has what is at each path of a directory: mode and content.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, name := range files(t, dir) {
		sum, mode, err := sumOf(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		all[name] = mode.String() + " " + sum
	}
	return all
}

func TestConflists(t *testing.T) {
	h := newHost(t)
	a := h.conflist("10-a.conflist", "a", name)
	got, err := h.install(false, a)
	says(t, got, err, "installed install.test\ninstalled 10-a.conflist\n", "")

	a = h.conflist("10-a.conflist", "b", name)
	got, err = h.install(false, a)
	says(t, got, err, "same install.test\nkept 10-a.conflist\n", "")

	got, err = h.install(true, a)
	says(t, got, err, "same install.test\nupgraded 10-a.conflist\n", "")

	again := h.conflist("20-again.conflist", "b", name)
	got, err = h.install(false, again)
	says(t, got, err, "same install.test\nkept 20-again.conflist\n", "")

	// A directory, as Kubernetes makes one of a ConfigMap: the names are links, and lead through another link.
	h.in = filepath.Join(h.in, "..data")
	if err := os.Mkdir(h.in, 0o755); err != nil {
		t.Fatal(err)
	}
	h.conflist("c.conflist", "c", name)
	h.write(filepath.Join(h.in, "README"), "no conflist", 0o600)
	maps := t.TempDir()
	for _, file := range []string{"c.conflist", "README"} {
		if err := os.Symlink(filepath.Join(h.in, file), filepath.Join(maps, file)); err != nil {
			t.Fatal(err)
		}
	}
	got, err = h.install(false, maps)
	says(t, got, err, "same install.test\ninstalled c.conflist\n", "")

	got, err = h.install(false, t.TempDir())
	says(t, got, err, "same install.test\n", "")

	for wrong, want := range map[string]string{
		h.conflist("n.conflist", "n", "nosuch"):       "the conflist is not installed",
		h.write(h.in+"/n.json", "{}", 0o600):          "name ends in .conflist",
		h.write(h.in+"/half.conflist", "{", 0o600):    "half.conflist:1:2",
		filepath.Join(h.in, "none.conflist"):          "no such file",
		h.conflist("10-a.conflist", "second", "name"): "two conflists are named 10-a.conflist",
	} {
		if _, err := h.install(false, a, wrong); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got the error %v, want %q", wrong, err, want)
		}
	}
	want := []string{recordName, "10-a.conflist", "c.conflist"}
	if diff := cmp.Diff(want, files(t, h.conf)); diff != "" {
		t.Error(diff)
	}
}

func TestUninstall(t *testing.T) {
	h := newHost(t)
	_, err := h.uninstall()
	says(t, "", err, "", "nothing there was installed by cnichain")

	theirs := h.write(h.conf+"/20-b.conflist", "{}", 0o600)
	a, b := h.conflist("10-a.conflist", "a", name), h.conflist("20-b.conflist", "b", name)
	c := h.conflist("30-c.conflist", "c", name)
	h.write(h.bin+"/bridge", "#!/bin/sh\n", 0o755)
	if got, err := h.install(false, a, b, c); err != nil {
		t.Fatal(got, err)
	}
	h.write(h.conf+"/10-a.conflist", `{"name": "edited"}`, 0o600)
	if err := os.Remove(h.conf + "/30-c.conflist"); err != nil {
		t.Fatal(err)
	}
	got, err := h.uninstall()
	says(t, got, err, "left 10-a.conflist\ngone 30-c.conflist\nremoved install.test\n", ErrLeft.Error())
	if diff := cmp.Diff([]string{"bridge"}, files(t, h.bin)); diff != "" {
		t.Error(diff)
	}
	if err := os.Remove(h.conf + "/10-a.conflist"); err != nil {
		t.Fatal(err)
	}
	got, err = h.uninstall()
	says(t, got, err, "gone 10-a.conflist\n", "")
	if diff := cmp.Diff([]string{filepath.Base(theirs)}, files(t, h.conf)); diff != "" {
		t.Error(diff)
	}
}

// What was there before is not claimed, until it is replaced.
func TestUninstallLeavesWhatWasThere(t *testing.T) {
	h := newHost(t)
	h.program(h.bin, "one")
	if _, err := h.install(false); err != nil {
		t.Fatal(err)
	}
	_, err := h.uninstall()
	says(t, "", err, "", "nothing there was installed by cnichain")
	h.program(h.from, "two")
	if _, err := h.install(false); err != nil {
		t.Fatal(err)
	}
	got, err := h.uninstall()
	says(t, got, err, "removed install.test\n", "")
}

// A disk that is full changes nothing.
func TestNoSpace(t *testing.T) {
	testnet.Need(t)
	h := newHost(t)
	if err := unix.Mount("tmpfs", h.bin, "tmpfs", 0, "size=4k,mode=0755"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(h.bin, unix.MNT_DETACH) })
	_, err := h.install(false)
	says(t, "", err, "", "no space left on device")
	if got := files(t, h.bin); got != nil {
		t.Error(got)
	}
}
