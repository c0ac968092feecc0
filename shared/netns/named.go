// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Dir is where named namespaces are mounted: NETNS_RUN_DIR of iproute2, so that "ip netns" and we see the same names.
const Dir = "/run/netns"

// Path is where the namespace of that name is mounted.
func Path(name string) string {
	return filepath.Join(Dir, name)
}

// Create makes a namespace and mounts it under its name. It is an error when the name is taken. The caller closes the
// file; the namespace lives until Delete and until its last process ends.
func Create(name string) (ns *os.File, err error) {
	if name == "" || name == "." || name == ".." || strings.Contains(name, "/") {
		return nil, fmt.Errorf("make network namespace %q: not a file name", name)
	}
	if err := os.MkdirAll(Dir, 0o755); err != nil {
		return nil, fmt.Errorf("make network namespace %q: %w", name, err)
	}
	path := Path(name)
	point, err := os.OpenFile(path, os.O_RDONLY|os.O_CREATE|os.O_EXCL|unix.O_CLOEXEC, 0o444)
	if err != nil {
		return nil, fmt.Errorf("make network namespace %q: %w", name, err)
	}
	point.Close()
	defer func() {
		if err != nil {
			os.Remove(path)
		}
	}()
	unnamed, err := New()
	if err != nil {
		return nil, fmt.Errorf("make network namespace %q: %w", name, err)
	}
	defer unnamed.Close()
	source := fmt.Sprintf("/proc/self/fd/%d", unnamed.Fd())
	if err := unix.Mount(source, path, "", unix.MS_BIND, ""); err != nil {
		return nil, fmt.Errorf("mount network namespace %q: %w", name, err)
	}
	return Open(path)
}

// Delete unmounts the namespace of that name and frees the name. The namespace itself goes when nothing uses it any
// more. A name that is not there is no error.
func Delete(name string) error {
	path := Path(name)
	// EINVAL: not a mount point, as after a Create that was killed half way.
	err := unix.Unmount(path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
	if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("unmount network namespace %q: %w", name, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove network namespace %q: %w", name, err)
	}
	return nil
}
