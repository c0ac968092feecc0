// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/shared/owner"
)

// stateDir holds one record per attachment and one marker per directory that the link has made. It is in memory: after
// a reboot a part without a record is one whose attachment is gone.
const stateDir = "/run/cni-chain/resolv-conf"

// record says where an attachment's part is and what it says. It is written before any file and removed after all of
// them, so that DEL finds each file with nothing but the names, whatever moment a crash chose.
type record struct {
	Owner string `json:"owner"` // the tag
	// NetNS is CNI_NETNS of the ADD. A record with another one is of an earlier life of the same container.
	NetNS string  `json:"netns"`
	Files []entry `json:"files"`
}

// entry is one file, and what ADD wrote there.
type entry struct {
	place
	Part []string `json:"part"` // part.lines
}

// recordPath begins with the network, so that GC finds those of one.
func recordPath(tag string) string {
	network, _, _ := strings.Cut(tag, "/")
	return filepath.Join(stateDir, recordPrefix(network+"/")+hash(tag)+".json")
}

// recordPrefix begins the names of a network's records; the network is given by owner.NetworkPrefix.
func recordPrefix(network string) string { return owner.NetworkHash(network, 12) + "-" }

// hash stands for a tag or a path in a file name.
func hash(text string) string { return owner.NetworkHash(text, 24) }

// readRecord is the record of the owner, nil when there is none.
func readRecord(tag string) (*record, error) {
	r, err := loadRecord(recordPath(tag))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && r.Owner != tag {
		return nil, fmt.Errorf("read record %s: %w: it is of %q", recordPath(tag), errGarbled, r.Owner)
	}
	return r, err
}

// errGarbled: somebody has written to a record. Its owner is to be helped without it.
var errGarbled = errors.New("it is none of the link's")

func loadRecord(path string) (*record, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read record: %w", err)
	}
	r := &record{}
	if err := chain.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("read record %s: %w: %w", path, errGarbled, err)
	}
	return r, nil
}

// records are those of a network. What a killed ADD has not finished is removed: GC runs alone on its network. A record
// that cannot be read is an error beside the others; a garbled one is removed, so that it is one only once.
func records(network string) ([]*record, error) {
	names, err := list(stateDir)
	errs := []error{err}
	var all []*record
	for _, name := range names {
		if !strings.HasPrefix(name, recordPrefix(owner.NetworkPrefix(network))) {
			continue
		}
		path := filepath.Join(stateDir, name)
		if strings.HasSuffix(path, unfinished) {
			errs = append(errs, removeState(path))
			continue
		}
		r, err := loadRecord(path)
		if err == nil {
			all = append(all, r)
		}
		if errors.Is(err, errGarbled) {
			err = errors.Join(err, removeState(path))
		}
		errs = append(errs, err)
	}
	return all, errors.Join(errs...)
}

// write replaces the owner's record, as a whole or not at all. It is not synced: what a power failure takes, it takes
// from all of /run.
func (r *record) write() error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	path := recordPath(r.Owner)
	if err := writeState(path+unfinished, data); err != nil {
		return err
	}
	if err := os.Rename(path+unfinished, path); err != nil {
		return errors.Join(err, removeState(path+unfinished))
	}
	return nil
}

// unfinished ends the name of a record that is being written. No two processes work for one owner at once.
const unfinished = ".new"

// removeRecord forgets the owner.
func removeRecord(tag string) error {
	path := recordPath(tag)
	return errors.Join(removeState(path+unfinished), removeState(path))
}

// alive reports whether the owner of a tag has a record. Without one its DEL has been, or a reboot.
func alive(tag string) bool {
	_, err := os.Lstat(recordPath(tag))
	return !errors.Is(err, fs.ErrNotExist)
}

func markerPath(dir string) string { return filepath.Join(stateDir, hash(dir)+".dir") }

// mark says that the link is about to make the directory, and so is the one to remove it.
func mark(dir string) error { return writeState(markerPath(dir), []byte(dir+"\n")) }

func unmark(dir string) error { return removeState(markerPath(dir)) }

func marked(dir string) (bool, error) {
	_, err := os.Lstat(markerPath(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// writeState writes a file of the state directory, or leaves none.
func writeState(path string, data []byte) error {
	if err := os.MkdirAll(stateDir, 0o700); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err = errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, removeState(path))
	}
	return nil
}

func removeState(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
