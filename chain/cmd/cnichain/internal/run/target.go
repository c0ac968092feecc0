// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package run

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/containernetworking/cni/pkg/utils"

	"github.com/cni-chain/cni-chain/shared/netns"
)

// Target is the network namespace that a verb is about.
type Target struct {
	// Name is the namespace's name, or its path when it has none.
	Name string
	Path string
}

// ParseTarget takes what a person types: a name as "ip netns" knows it, or a path. /var/run and /run are one place.
func ParseTarget(text string) (Target, error) {
	if text == "" || text == "." || text == ".." {
		return Target{}, fmt.Errorf("network namespace %q: give a name of \"ip netns list\", "+
			"or a path like /proc/PID/ns/net", text)
	}
	if !strings.Contains(text, "/") {
		return Target{Name: text, Path: netns.Path(text)}, nil
	}
	path, err := filepath.Abs(text)
	if err != nil {
		return Target{}, fmt.Errorf("network namespace %q: %w", text, err)
	}
	if rest, ok := strings.CutPrefix(path, "/var/run/netns/"); ok {
		path = netns.Path(rest)
	}
	if filepath.Dir(path) == netns.Dir {
		return Target{Name: filepath.Base(path), Path: path}, nil
	}
	return Target{Name: path, Path: path}, nil
}

// ContainerID is the container ID for a namespace without one: its name, or else a hash of what it is called. It is the
// same each time, so that del finds what add made.
func (t Target) ContainerID() string {
	if t.Name != t.Path && utils.ValidateContainerID(t.Name) == nil {
		return t.Name
	}
	sum := sha256.Sum256([]byte(t.Path))
	return "netns-" + hex.EncodeToString(sum[:6])
}

// Open makes sure that the namespace is there before anything is done.
func (t Target) Open() error {
	ns, err := netns.Open(t.Path)
	if errors.Is(err, fs.ErrNotExist) && t.Name != t.Path {
		return fmt.Errorf("there is no network namespace %q: make it with \"ip netns add %s\"", t.Name, t.Name)
	}
	if err != nil {
		return err
	}
	return ns.Close()
}
