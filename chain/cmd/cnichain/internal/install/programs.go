// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// program is one of ours, ready to be copied.
type program struct{ file }

// findPrograms finds the links and the tool in a directory by what Go has written into them, whatever else is there.
func findPrograms(dir, module string) ([]program, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("look for plugins: %w", err)
	}
	var list []program
	for _, entry := range entries {
		name := filepath.Join(dir, entry.Name())
		info, err := os.Stat(name) // of what a link leads to
		if err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
			continue
		}
		if path.Base(importPath(name, module)) != entry.Name() {
			continue // another's, or one of ours kept under another name
		}
		open := func() (io.ReadCloser, error) { return os.Open(name) }
		list = append(list, program{file{entry.Name(), info.Mode().Perm(), open}})
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s has no plugins of %s: name the directory that has them with --from", dir, module)
	}
	return list, nil
}

// replaceable says why a program in place must not be replaced: it is not one of ours, of whatever version.
func replaceable(name, module string) error {
	info, err := os.Lstat(name)
	switch {
	case err != nil:
		return err
	case info.Mode()&os.ModeSymlink != 0:
		return errors.New("it leads elsewhere, as what a package has installed may: remove it there, or replace it with --force")
	case !info.Mode().IsRegular() || importPath(name, module) == "":
		return errors.New("it is another program, no build of " + module + ": move it away, or replace it with --force")
	}
	return nil
}

// importPath is that of a link or a tool of the module, such as ".../plugins/port-map"; "" for any other file.
func importPath(name, module string) string {
	info, err := buildinfo.ReadFile(name)
	if err != nil {
		return ""
	}
	if strings.HasPrefix(info.Path, module+"/plugins/") || strings.HasPrefix(info.Path, module+"/chain/cmd/") {
		return info.Path
	}
	return ""
}
