// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package dist

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// writeArchive packs the tree under a folder of the given name: in the order of names, all of root, all of one date.
func writeArchive(path, name, tree string, date time.Time) (err error) {
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	zip, _ := gzip.NewWriterLevel(out, gzip.BestCompression) // fails for an unknown level
	pack := tar.NewWriter(zip)
	err = filepath.WalkDir(tree, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		header := &tar.Header{
			Name: name + strings.TrimPrefix(path, tree), Mode: int64(info.Mode().Perm()), ModTime: date, Typeflag: tar.TypeReg,
			Size: info.Size(), Uname: "root", Gname: "root", Format: tar.FormatUSTAR,
		}
		if entry.IsDir() {
			header.Name, header.Size, header.Typeflag = header.Name+"/", 0, tar.TypeDir
		}
		if err := pack.WriteHeader(header); err != nil || entry.IsDir() {
			return err
		}
		return copyFrom(pack, path)
	})
	return errors.Join(err, pack.Close(), zip.Close())
}

func copyFrom(w io.Writer, path string) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	_, err = io.Copy(w, in)
	return err
}

// writeSums writes what "sha256sum -c" checks.
func writeSums(dir string, files []string) (string, error) {
	var text bytes.Buffer
	for _, path := range slices.Sorted(slices.Values(files)) {
		hash := sha256.New()
		if err := copyFrom(hash, path); err != nil {
			return "", err
		}
		fmt.Fprintf(&text, "%x  %s\n", hash.Sum(nil), filepath.Base(path))
	}
	path := filepath.Join(dir, "SHA256SUMS")
	return path, write(path, text.Bytes())
}
