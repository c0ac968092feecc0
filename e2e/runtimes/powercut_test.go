// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package runtimes

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// powerCut takes what the chains have in memory: namespaces, bridges, rules, and files in /run.
func (m *machine) powerCut(t *testing.T) {
	t.Helper()
	for _, pattern := range []string{"cni-*", "netns-*"} { // containerd's, podman's
		names, err := filepath.Glob("/run/netns/" + pattern)
		must(t, "list namespaces", err)
		for _, name := range names {
			must(t, "lose "+name, errors.Join(unix.Unmount(name, unix.MNT_DETACH), os.Remove(name)))
		}
	}
	var links []netlink.Link
	eventually(t, "list links", func() (err error) { // namespaces are being taken down, which interrupts it
		links, err = netlink.LinkList()
		return err
	})
	for _, link := range links {
		if link.Type() == "bridge" || strings.HasPrefix(link.Attrs().Name, "bwp") { // bandwidth's
			must(t, "lose "+link.Attrs().Name, netlink.LinkDel(link))
		}
	}
	run(t, exec.Command("nft", "flush", "ruleset"))
	must(t, "lose the leases", os.RemoveAll("/run/cni-chain"))
}

// empty removes what is in a folder.
func empty(dir string) error {
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	for _, name := range names {
		err = errors.Join(err, os.RemoveAll(name))
	}
	return err
}

// parent is the process that has started another.
func parent(t *testing.T, pid int) (ppid int) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	must(t, "read the status of a process", err)
	_, rest, _ := strings.Cut(string(status), "\nPPid:")
	_, err = fmt.Sscan(rest, &ppid)
	must(t, "find its parent", err)
	return ppid
}

// children are the processes that a process has started.
func children(t *testing.T, pid int) (pids []int) {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	must(t, "list its threads", err)
	for _, file := range files {
		list, err := os.ReadFile(file)
		must(t, "read its children", err)
		for _, field := range strings.Fields(string(list)) {
			child, err := strconv.Atoi(field)
			must(t, "read "+field, err)
			pids = append(pids, child)
		}
	}
	return pids
}
