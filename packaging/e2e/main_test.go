// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Package e2e installs what packaging makes as people do, each time into a root of its own: from an archive, a package
// of Debian's and an RPM, by cnichain, and as a pod of the DaemonSet. It attaches containers to a chain of what is
// installed, also while it is being upgraded, and removes it.
package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/e2e/harness"
	"github.com/cni-chain/cni-chain/packaging/dist"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

func TestMain(m *testing.M) { testnet.Main(cleaned{m}) }

// cleaned removes in the end what all tests have used.
type cleaned struct{ tests interface{ Run() int } }

func (c cleaned) Run() int {
	code := c.tests.Run()
	if workshop != "" {
		_ = os.RemoveAll(workshop)
	}
	return code
}

// release is all that was made of a commit for this machine's architecture.
type release struct {
	version, dir string
	// tree is the archive, unpacked.
	tree string
}

// file is the one whose name ends so.
func (r release) file(t *testing.T, suffix string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(r.dir, "*"+suffix))
	if err != nil || len(found) != 1 {
		t.Fatalf("%v (%v) for %s", found, err, suffix)
	}
	return found[0]
}

func (r release) bin() string { return filepath.Join(r.tree, "bin") }

var (
	workshop string
	// releases are version 0.1.0, the same made once more elsewhere, and version 0.2.0.
	releases = sync.OnceValues(makeReleases)
)

func made(t *testing.T) (first, again, second release) {
	t.Helper()
	testnet.Need(t)
	list, err := releases()
	if err != nil {
		t.Fatal(err)
	}
	return list[0], list[1], list[2]
}

// makeReleases copies the repository as it is, makes it a commit of its own there, and that what is published.
func makeReleases() (list []release, err error) {
	if workshop, err = os.MkdirTemp("", "packaging"); err != nil {
		return nil, err
	}
	for i, c := range []struct {
		version, date string
		umask         int
	}{
		{"0.1.0", "2026-01-02T03:04:05Z", 0o022},
		{"0.1.0", "2026-01-02T03:04:05Z", 0o077},
		{"0.2.0", "2026-02-03T04:05:06Z", 0o022},
	} {
		source := filepath.Join(workshop, strings.Repeat("deeper/", i)+"source")
		umask := unix.Umask(c.umask)
		r, err := makeRelease(source, c.version, c.date)
		unix.Umask(umask)
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}

func makeRelease(source, version, date string) (release, error) {
	r := release{version: version, dir: filepath.Join(source, "bin/dist"), tree: filepath.Join(source, "bin/tree")}
	if err := commit(source, "v"+version, date); err != nil {
		return r, err
	}
	man := filepath.Join(source, "bin/man")
	if err := os.MkdirAll(man, 0o755); err != nil {
		return r, err
	}
	for _, page := range []string{"cnichain.8", "port-map.8"} {
		if err := os.WriteFile(filepath.Join(man, page), []byte(".TH a page\n"), 0o600); err != nil {
			return r, err
		}
	}
	o := dist.Options{Root: source, Man: man, Out: r.dir, Arches: []string{runtime.GOARCH}}
	files, err := dist.Make(o)
	if err == nil {
		err = os.Mkdir(r.tree, 0o755)
	}
	if err == nil {
		err = command(source, "tar", "-xzf", files[0], "-C", r.tree, "--strip-components=1")
	}
	return r, err
}

// commit copies the files of the repository, those that are new too, and makes a commit that is the same wherever it is
// made.
func commit(source, tag, date string) error {
	if err := os.MkdirAll(source, 0o755); err != nil {
		return err
	}
	if err := command(harness.Root(), "sh", "-c",
		`git ls-files -z --cached --others --exclude-standard | xargs -0 ls -d 2>/dev/null | tar -cf - -T - | tar -xf - -C "$0"`,
		source); err != nil {
		return err
	}
	git := func(args ...string) error {
		return command(source, "env", append([]string{"GIT_AUTHOR_DATE=" + date, "GIT_COMMITTER_DATE=" + date, "git",
			"-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "core.hooksPath=/dev/null"}, args...)...)
	}
	for _, args := range [][]string{
		{"init", "-q"}, {"add", "-A"}, {"commit", "-q", "-m", "test"}, {"tag", tag},
	} {
		if err := git(args...); err != nil {
			return err
		}
	}
	return nil
}

// command runs a program; its error has what it said.
func command(dir, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %.60q: %w\n%s", name, args, err, &out)
	}
	return nil
}

// run is command for a test.
func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if err := command("", name, args...); err != nil {
		t.Fatal(err)
	}
}

// need skips the test where a program is not installed.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			testnet.Lacks(t, "the program "+program)
		}
	}
}
