// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// A draft is complete under this name (".port-map.cni-chain-new") until it gets its own. Runtimes read no conflist of
// such a name. One installer works in a directory at a time, so that the name can be fixed, and what a killed one left
// is found.
const draftPrefix, draftSuffix = ".", ".cni-chain-new"

// errKeep is the answer that a file stays as it is, without an error.
var errKeep = errors.New("it differs, and stays: --force replaces it")

// folder is a directory that is installed into, and ours alone among installers.
type folder struct {
	path   string
	dir    *os.File
	record record
	drafts []draft
	passed []Outcome
}

type draft struct {
	name, sum string
	what      What
}

// openFolder takes a directory for this process alone, waiting for another installer to be done with it. The lock is on
// the directory itself: an installer in a container has nothing else in common with others.
func openFolder(path string, create bool) (*folder, error) {
	if create {
		if err := os.MkdirAll(path, 0o755); err != nil {
			return nil, fmt.Errorf("make the directory: %w", err)
		}
	}
	dir, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, fmt.Errorf("open the directory: %w", err)
	}
	f := &folder{path: path, dir: dir}
	for err = unix.EINTR; errors.Is(err, unix.EINTR); {
		err = unix.Flock(int(dir.Fd()), unix.LOCK_EX)
	}
	if err != nil {
		err = fmt.Errorf("lock %s: %w", path, err)
	} else if err = f.sweep(); err == nil {
		f.record, err = readRecord(path)
	}
	if err != nil {
		_ = dir.Close()
		return nil, err
	}
	return f, nil
}

// close gives the directory back; what is not in place by now is dropped.
func (f *folder) close() {
	for _, d := range f.drafts {
		_ = os.Remove(f.draftPath(d.name))
	}
	_ = f.dir.Close()
}

// sweep removes the drafts of an installer that was killed.
func (f *folder) sweep() error {
	left, _ := filepath.Glob(filepath.Join(escape(f.path), draftPrefix+"*"+draftSuffix)) // fails for a bad pattern
	for _, path := range left {
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("remove what an interrupted installation left: %w", err)
		}
	}
	return nil
}

func (f *folder) draftPath(name string) string {
	return filepath.Join(f.path, draftPrefix+name+draftSuffix)
}

// pass takes note of a file that nothing happens to.
func (f *folder) pass(o Outcome) { f.passed = append(f.passed, o) }

// plan makes a draft of the file when the one in place is another. In that case it asks may, whose error says why not.
func (f *folder) plan(new file, may func() error) error {
	path := filepath.Join(f.path, new.name)
	what := Upgraded
	switch sum, err := sameFile(path, new); {
	case errors.Is(err, fs.ErrNotExist):
		what = Installed
	case err != nil:
		return err
	case sum != "":
		f.same(new.name, sum)
		return nil
	default:
		if err := may(); errors.Is(err, errKeep) {
			f.pass(Outcome{path, Kept, err.Error()})
			return nil
		} else if err != nil {
			return fmt.Errorf("replace %s: %w", path, err)
		}
	}
	sum, err := f.write(new)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	f.drafts = append(f.drafts, draft{new.name, sum, what})
	return nil
}

// same passes over a file that is in place, and does not claim it if somebody else has put it there.
func (f *folder) same(name, sum string) {
	o := Outcome{Path: filepath.Join(f.path, name), What: Same}
	if slices.Contains(f.record[name], sum) {
		f.record[name] = []string{sum}
	} else {
		o.Why = "somebody else has put it there, and --uninstall will leave it"
	}
	f.pass(o)
}

// write makes the file under its draft's name, and returns its checksum when it is on the disk.
func (f *folder) write(new file) (sum string, err error) {
	from, err := new.open()
	if err != nil {
		return "", err
	}
	defer from.Close()
	path := f.draftPath(new.name)
	to, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	defer func() {
		if err = errors.Join(err, to.Close()); err != nil {
			_ = os.Remove(path)
		}
	}()
	// With one write, so that the kernel takes large pages for it: four links written piece by piece, and started from the
	// page cache, take half a millisecond more for an ADD (ext4, Linux 6.18).
	data, err := io.ReadAll(from)
	if err != nil {
		return "", err
	}
	if _, err := to.Write(data); err != nil {
		return "", err
	}
	hash := sha256.Sum256(data)
	// The mode as a whole: the umask is the caller's, the file everybody's.
	if err := to.Chmod(new.mode); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash[:]), to.Sync()
}

// commit puts the drafts in place. The record knows old and new files until it is done: whenever this is interrupted,
// all that is in place is known to be ours.
func (f *folder) commit(report func(Outcome)) error {
	for _, d := range f.drafts {
		f.record.add(d.name, d.sum)
	}
	if len(f.drafts) > 0 {
		if err := f.save(); err != nil {
			return err
		}
	}
	for len(f.drafts) > 0 {
		d := f.drafts[0]
		path := filepath.Join(f.path, d.name)
		if err := os.Rename(f.draftPath(d.name), path); err != nil {
			return fmt.Errorf("put %s in place: %w", path, err)
		}
		f.drafts = f.drafts[1:]
		f.record[d.name] = []string{d.sum}
		report(Outcome{Path: path, What: d.what})
	}
	for _, o := range f.passed {
		report(o)
	}
	if err := f.dir.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", f.path, err)
	}
	return f.save()
}

// save writes the record, or removes an empty one.
func (f *folder) save() error {
	path := filepath.Join(f.path, recordName)
	if len(f.record) == 0 {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	new := f.record.file()
	if sum, err := sameFile(path, new); err == nil && sum != "" {
		return nil
	}
	_, err := f.write(new)
	if err == nil {
		err = os.Rename(f.draftPath(recordName), path)
	}
	if err == nil {
		err = f.dir.Sync()
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
