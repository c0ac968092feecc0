// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package dist

import (
	"debug/buildinfo"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// release is what was built: the programs of one architecture, and what Go has written into them.
type release struct {
	arch, version string
	// date is that of the commit.
	date time.Time
	// folders are where the programs come from ("./plugins/port-map").
	folders  []string
	programs []program
}

type program struct {
	name string
	info *buildinfo.BuildInfo
}

// levels are the oldest processors that the programs run on: Go's own choice, whatever the environment says.
var levels = []string{
	"GOAMD64=v1", "GOARM64=v8.0", "GOARM=7", "GOPPC64=power8", "GORISCV64=rva20u64",
	"CGO_ENABLED=0", "GOOS=linux", "GOFLAGS=", "GOEXPERIMENT=", "GOWORK=off",
}

// environment is that of the go command.
func environment(arch string) []string {
	return append(append(os.Environ(), levels...), "GOARCH="+arch)
}

// build builds every link and tool into a directory.
func build(root, bin, arch string) (*release, error) {
	var folders []string
	for _, pattern := range []string{"plugins/*/main.go", "chain/cmd/*/main.go"} { // as in the Makefile
		mains, _ := fs.Glob(os.DirFS(root), pattern) // fails for a bad pattern
		if len(mains) == 0 {
			return nil, fmt.Errorf("%q is not the repository: it has no %s", root, pattern)
		}
		for _, name := range mains {
			folders = append(folders, "./"+path.Dir(name))
		}
	}
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-buildvcs=true", "-mod=readonly", "-o", bin+"/")
	cmd.Args = append(cmd.Args, folders...)
	cmd.Dir = root
	cmd.Env = environment(arch)
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build (in a git clone, so that the programs say their commit): %w\n%s", err, out)
	}
	r := &release{arch: arch, folders: folders}
	for _, folder := range folders {
		name := filepath.Base(folder)
		info, err := buildinfo.ReadFile(filepath.Join(bin, name))
		if err != nil {
			return nil, err
		}
		r.programs = append(r.programs, program{name, info})
	}
	slices.SortFunc(r.programs, func(a, b program) int { return strings.Compare(a.name, b.name) })
	return r, r.identify(r.programs[0].info)
}

// identify takes version and date from one of the programs.
func (r *release) identify(info *debug.BuildInfo) (err error) {
	r.version = info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.time" {
			r.date, err = time.Parse(time.RFC3339, s.Value)
			return err
		}
	}
	return errors.New("the programs do not say from which commit they were built")
}

// modules are all that the programs are made of, each once, ordered by path.
func (r *release) modules() []*debug.Module {
	var list []*debug.Module
	for _, p := range r.programs {
		for _, m := range p.info.Deps {
			if m.Replace != nil {
				m = m.Replace
			}
			list = append(list, m)
		}
	}
	slices.SortFunc(list, func(a, b *debug.Module) int { return strings.Compare(a.Path, b.Path) })
	return slices.CompactFunc(list, func(a, b *debug.Module) bool { return a.Path == b.Path })
}
