// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Place is where a network namespace is found.
type Place struct {
	// Name is how people call it: the name that it is mounted under, or its first process.
	Name string
	Path string
}

// Find lists the network namespaces of this host, the calling process' own left out: those that are mounted somewhere,
// as "ip netns" and container runtimes do, and those that a process is in. Without privileges it finds fewer: whoever
// may not look at a process does not see its namespace.
func Find() ([]Place, error) {
	f := &finder{seen: map[string]bool{}}
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return nil, fmt.Errorf("look for network namespaces: %w", err)
	}
	f.seen[own] = true
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("look for network namespaces: %w", err)
	}
	f.mounted(string(mounts))
	f.running("/proc")
	slices.SortFunc(f.places, func(a, b Place) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Path, b.Path))
	})
	return f.places, nil
}

type finder struct {
	// seen are the namespaces by what /proc calls them: "net:[4026531833]".
	seen   map[string]bool
	places []Place
}

func (f *finder) add(id string, place Place) {
	if strings.HasPrefix(id, "net:[") && !f.seen[id] {
		f.seen[id] = true
		f.places = append(f.places, place)
	}
}

// mounted reads mountinfo, whose fields are described in proc_pid_mountinfo(5): the fourth is what is mounted, the
// fifth where.
func (f *finder) mounted(mountinfo string) {
	for line := range strings.Lines(mountinfo) {
		mount, filesystem, _ := strings.Cut(line, " - ")
		fields := strings.Fields(mount)
		if len(fields) > 4 && strings.HasPrefix(filesystem, "nsfs ") {
			path := unescape(fields[4])
			f.add(fields[3], Place{Name: filepath.Base(path), Path: path})
		}
	}
}

// unescape takes back what the kernel writes as octal numbers: blanks and backslashes.
func unescape(path string) string {
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		if path[i] == '\\' && i+3 < len(path) {
			if n, err := strconv.ParseUint(path[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(path[i])
	}
	return b.String()
}

// running looks at every process; one that ends meanwhile, or may not be looked at, is none.
func (f *finder) running(proc string) {
	dirs, _ := filepath.Glob(proc + "/[0-9]*") // the pattern is right
	slices.SortFunc(dirs, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	for _, dir := range dirs {
		path := dir + "/ns/net"
		id, err := os.Readlink(path)
		if err != nil || f.seen[id] {
			continue
		}
		name, _ := os.ReadFile(dir + "/comm") // without a name there is its number
		f.add(id, Place{Name: fmt.Sprintf("%s (%s)", strings.TrimSpace(string(name)), filepath.Base(dir)), Path: path})
	}
}
