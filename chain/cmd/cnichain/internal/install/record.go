// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// recordName is the list of what was installed into a directory, in the form of sha256sum(1), so that
// "sha256sum -c .cni-chain.sha256" checks it. No runtime takes it for a plugin or a conflist.
const recordName = ".cni-chain.sha256"

// record has the checksums that a file may have and be ours: one, and while files are being replaced two.
type record map[string][]string

var recordLine = regexp.MustCompile(`^([0-9a-f]{64})  ([^/]+)$`)

func readRecord(dir string) (record, error) {
	path := filepath.Join(dir, recordName)
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read what is installed: %w", err)
	}
	r := record{}
	for i, line := range strings.Split(strings.TrimSuffix(string(data), "\n"), "\n") {
		m := recordLine.FindStringSubmatch(line)
		if m == nil && line != "" {
			return nil, fmt.Errorf("%s:%d: %q is no line of sha256sum: move the file away, and nothing in %s counts as installed by cnichain",
				path, i+1, line, dir)
		}
		if m != nil {
			r.add(m[2], m[1])
		}
	}
	return r, nil
}

func (r record) add(name, sum string) {
	if !slices.Contains(r[name], sum) {
		r[name] = append(r[name], sum)
	}
}

// names are the files, in order.
func (r record) names() []string { return slices.Sorted(maps.Keys(r)) }

func (r record) file() file {
	var text bytes.Buffer
	for _, name := range r.names() {
		for _, sum := range r[name] {
			fmt.Fprintf(&text, "%s  %s\n", sum, name)
		}
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text.Bytes())), nil }
	return file{recordName, 0o644, open}
}

// sumOf is the checksum of a regular file, and its mode; "" and the whole mode of a link, a directory or the like.
func sumOf(path string) (sum string, mode fs.FileMode, err error) {
	info, err := os.Lstat(path)
	if err != nil {
		return "", 0, err
	}
	if !info.Mode().IsRegular() {
		return "", info.Mode(), nil
	}
	in, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer in.Close()
	sum, err = sumFrom(in)
	return sum, info.Mode().Perm(), err
}

func sumFrom(r io.Reader) (string, error) {
	hash := sha256.New()
	if _, err := io.Copy(hash, r); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// sameFile is the checksum of the file in place if that is what would be written, its mode included, else "".
func sameFile(path string, new file) (sum string, err error) {
	have, mode, err := sumOf(path)
	if err != nil || mode != new.mode {
		return "", err
	}
	in, err := new.open()
	if err != nil {
		return "", err
	}
	defer in.Close()
	want, err := sumFrom(in)
	if err != nil || have != want {
		return "", err
	}
	return have, nil
}

// networkOf is the name of a conflist's or a configuration's network, "" if there is none.
func networkOf(data []byte) string {
	var network struct{ Name string }
	if json.Unmarshal(data, &network) != nil {
		return ""
	}
	return network.Name
}

// escape makes a path a pattern that matches only itself.
func escape(path string) string {
	return regexp.MustCompile(`[\\*?[]`).ReplaceAllString(path, `\$0`)
}
