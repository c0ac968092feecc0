// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package dist

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/deb" // registers itself
	"github.com/goreleaser/nfpm/v2/files"
	_ "github.com/goreleaser/nfpm/v2/rpm"
)

// pluginDirs are where a distribution's own runtimes look beside, or instead of, /opt/cni/bin: Debian's containerd only
// in /usr/lib/cni. There are links to the plugins.
var pluginDirs = map[string]string{"deb": "/usr/lib/cni", "rpm": "/usr/libexec/cni"}

const binDir = "/opt/cni/bin"

// packages makes a package of the tree for each family of distributions, as packaging/nfpm.yaml says.
func (r *release) packages(o Options, tree string) ([]string, error) {
	var paths []string
	for _, format := range []string{"deb", "rpm"} {
		path, err := r.packageAs(o, tree, format)
		if err != nil {
			return nil, fmt.Errorf("make a package (%s): %w", format, err)
		}
		paths = append(paths, path)
	}
	return paths, nil
}

func (r *release) packageAs(o Options, tree, format string) (path string, err error) {
	config, err := nfpm.ParseFileWithEnvMapping(filepath.Join(o.Root, "packaging/nfpm.yaml"), func(name string) string {
		return map[string]string{"TREE": tree}[name]
	})
	if err != nil {
		return "", err
	}
	info, err := config.Get(format)
	if err != nil {
		return "", err
	}
	info.Version, info.MTime = packageVersion(r.version), r.date
	info.Arch = map[string]string{"arm": "arm7"}[r.arch] // as GOARM in levels
	if info.Arch == "" {
		info.Arch = r.arch
	}
	for _, p := range r.programs {
		link := filepath.Join(pluginDirs[format], p.name)
		if p.name == "cnichain" {
			link = "/usr/bin/cnichain"
		}
		info.Contents = append(info.Contents, &files.Content{
			Source: filepath.Join(binDir, p.name), Destination: link, Type: files.TypeSymlink,
			FileInfo: &files.ContentFileInfo{MTime: r.date},
		})
	}
	if err := nfpm.PrepareForPackager(info, format); err != nil {
		return "", err
	}
	packager, err := nfpm.Get(format)
	if err != nil {
		return "", err
	}
	path = filepath.Join(o.Out, packager.ConventionalFileName(info))
	out, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	return path, packager.Package(info, out)
}

// packageVersion is a version of Go's as both package managers order it: what comes before a release, or between two,
// follows a tilde, and a hyphen is not of a version.
func packageVersion(version string) string {
	release, rest, before := strings.Cut(strings.TrimPrefix(version, "v"), "-")
	if !before {
		return release
	}
	return release + "~" + strings.ReplaceAll(rest, "-", ".")
}
