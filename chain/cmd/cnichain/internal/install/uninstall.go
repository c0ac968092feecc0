// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// ErrLeft says that something was left because it is not what Install wrote.
var ErrLeft = errors.New("some files are not as they were installed, and were left")

// ErrNothing says that there is no record of an installation: there was none, or it has been removed.
var ErrNothing = errors.New("nothing there was installed by cnichain (there is no " + recordName +
	"): what a package or make has installed, it removes")

// Uninstall removes what Install has put into the directories: conflists first, so that no runtime uses a network whose
// plugins are gone. A file that has been changed since is somebody else's and stays; then the error is ErrLeft. The
// directories stay too. Where there is nothing to remove, the error is ErrNothing.
func Uninstall(binDir, confDir string, report func(Outcome)) error {
	known, left := 0, false
	for _, dir := range []string{confDir, binDir} {
		if dir == "" {
			continue
		}
		f, err := openFolder(dir, false)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		known += len(f.record)
		some, err := f.remove(report)
		f.close()
		if err != nil {
			return err
		}
		left = left || some
	}
	switch {
	case known == 0:
		return ErrNothing
	case left:
		return ErrLeft
	}
	return nil
}

// remove removes what the record knows, and tells whether something stayed.
func (f *folder) remove(report func(Outcome)) (left bool, err error) {
	for _, name := range f.record.names() {
		path := filepath.Join(f.path, name)
		switch sum, _, err := sumOf(path); {
		case errors.Is(err, fs.ErrNotExist):
			report(Outcome{Path: path, What: Gone})
		case err != nil:
			return left, err
		case !slices.Contains(f.record[name], sum):
			left = true
			report(Outcome{path, Left, "it was changed after it was installed"})
			continue
		default:
			if err := os.Remove(path); err != nil {
				return left, err
			}
			report(Outcome{Path: path, What: Removed})
		}
		delete(f.record, name)
	}
	if err := f.dir.Sync(); err != nil {
		return left, fmt.Errorf("sync %s: %w", f.path, err)
	}
	return left, f.save()
}
