// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cni-chain/cni-chain/chain"
)

// The words of writeTo that are no path.
const (
	toAuto   = "auto"
	toNetNS  = "netns"
	toRootFS = "rootfs"
	toNone   = "none"
)

// netnsFiles is where "ip netns exec NAME" takes the files of /etc from (ip-netns(8)).
const netnsFiles = "/etc/netns/{netns}/resolv.conf"

// A place is where a file is: Path leads from the directory Root, which is trusted, to the file, and nothing on the way
// may lead out of Root.
type place struct {
	Root string `json:"root"`
	Path string `json:"path"`
}

func (p place) String() string { return filepath.Join(p.Root, p.Path) }

// names fill the placeholders of a path.
type names map[string]string

// namesOf are those of an attachment; the namespace's is missing where it has none.
func namesOf(network, containerID, ifName, netns string) names {
	n := names{"network": network, "containerID": containerID, "ifname": ifName}
	if name, ok := netnsName(netns); ok {
		n["netns"] = name
	}
	return n
}

// netnsName is the name that ip-netns(8) knows the namespace by.
func netnsName(path string) (name string, ok bool) {
	dir, name := filepath.Split(filepath.Clean(path))
	if dir != "/run/netns/" && dir != "/var/run/netns/" {
		return "", false
	}
	// The name goes into records and messages.
	printable := utf8.ValidString(name) && !strings.ContainsFunc(name, unicode.IsControl)
	return name, printable && name != ""
}

// processOf is the process in /proc/PID/ns/net, the form in which runtimes give a namespace without a name.
func processOf(path string) (pid int, ok bool) {
	parts := strings.Split(filepath.Clean(path), "/")
	if len(parts) != 5 || parts[0] != "" || parts[1] != "proc" || parts[3] != "ns" || parts[4] != "net" {
		return 0, false
	}
	pid, err := strconv.Atoi(parts[2])
	if err != nil || pid <= 0 {
		return 0, false
	}
	return pid, true
}

// rootOf is the place in a container's own root directory.
func rootOf(pid int) place {
	return place{Root: fmt.Sprintf("/proc/%d/root", pid), Path: "etc/resolv.conf"}
}

// places turns writeTo into places. What "auto" finds no place for is said in notes and is no error.
func places(writeTo []string, netns string, n names) (found []place, notes []string, err error) {
	_, named := n["netns"]
	pid, process := processOf(netns)
	for i, to := range writeTo {
		if to == toNone {
			continue
		}
		if to == toAuto {
			switch {
			case named:
				to = toNetNS
			case process:
				to = toRootFS
			default:
				notes = append(notes, "the namespace "+netns+" has neither a name under /run/netns nor a process: "+
					"the name servers are in the result alone")
				continue
			}
		}
		p, err := placeOf(to, n, pid)
		if err != nil {
			return nil, nil, chain.Invalid(fmt.Sprintf("writeTo[%d]", i), to, "the namespace %s %v", netns, err)
		}
		found = append(found, p)
	}
	return unique(found), notes, nil
}

// placeOf is the place of one word or path. Its errors say what the namespace lacks for it.
func placeOf(to string, n names, pid int) (place, error) {
	switch {
	case to == toRootFS && pid == 0:
		return place{}, errors.New("is not of the form /proc/PID/ns/net")
	case to == toRootFS:
		return rootOf(pid), nil
	case to == toNetNS:
		to = netnsFiles
	}
	return expand(to, n)
}

// unique keeps the first of equal places: "auto" and "netns" are often the same.
func unique(all []place) []place {
	var kept []place
	for _, p := range all {
		if !slices.Contains(kept, p) {
			kept = append(kept, p)
		}
	}
	return kept
}

// expand fills the placeholders of a path.
func expand(pattern string, n names) (place, error) {
	root := fixedDir(pattern)
	path, missing := fill(pattern, n)
	if len(missing) > 0 {
		return place{}, errors.New("has no name under /run/netns")
	}
	path = strings.TrimPrefix(path, strings.TrimSuffix(root, "/")+"/")
	if !filepath.IsLocal(path) || filepath.Clean(path) != path {
		return place{}, fmt.Errorf("leads to %q, which does not stay below %s", path, root)
	}
	return place{Root: root, Path: path}, nil
}

// fixedDir is the directory that a pattern has before its first placeholder.
func fixedDir(pattern string) string {
	if pattern == netnsFiles {
		return "/" // /etc/netns may be missing, and is made like what is below it
	}
	literal, _, _ := strings.Cut(pattern, "{")
	return filepath.Dir(literal + "x")
}

// fill puts names into a pattern and says which are missing.
func fill(pattern string, n names) (path string, missing []string) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(pattern, "{")
		b.WriteString(before)
		key, after, closed := strings.Cut(rest, "}")
		if !found || !closed {
			b.WriteString(strings.TrimPrefix(pattern, before)) // a brace that nothing closes
			return b.String(), missing
		}
		name, ok := n[key]
		if !ok {
			missing = append(missing, key)
		}
		b.WriteString(name)
		pattern = after
	}
}

// checkPattern says what is wrong with a path of writeTo.
func checkPattern(pattern string) error {
	switch {
	case !filepath.IsAbs(pattern):
		return fmt.Errorf("one of auto, netns, rootfs, none, or an absolute path")
	case filepath.Clean(pattern) != pattern:
		return fmt.Errorf("the path is to be written as %s", filepath.Clean(pattern))
	case strings.ContainsAny(pattern, "*?[]\\") || strings.ContainsFunc(pattern, unicode.IsControl):
		return fmt.Errorf("a path without *, ?, [, ], \\ and control characters")
	case fixedDir(pattern) == "/":
		return fmt.Errorf("the path is to begin with a directory that has no placeholder in it")
	}
	all := names{"network": "a", "containerID": "a", "ifname": "a", "netns": "a"}
	path, unknown := fill(pattern, all)
	if len(unknown) > 0 {
		return fmt.Errorf("unknown placeholder {%s}: there are {network}, {containerID}, {ifname} and {netns}", unknown[0])
	}
	if strings.ContainsAny(path, "{}") {
		return errors.New("a brace that is no placeholder")
	}
	return nil
}

// search lists the places of a pattern that exist on the host, whatever the missing names may be.
func search(pattern string, n names) ([]place, error) {
	paths, err := glob(pattern, n)
	root := fixedDir(pattern)
	var found []place
	for _, path := range paths {
		found = append(found, place{Root: root, Path: strings.TrimPrefix(path, strings.TrimSuffix(root, "/")+"/")})
	}
	return found, err
}

// patterns are the paths that writeTo can come to on a host; "auto" may have been netns.
func patterns(writeTo []string) []string {
	var all []string
	for _, to := range writeTo {
		switch to {
		case toAuto, toNetNS:
			all = append(all, netnsFiles)
		case toRootFS, toNone:
		default:
			if checkPattern(to) == nil {
				all = append(all, to)
			}
		}
	}
	return all
}
