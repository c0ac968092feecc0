// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// openSandbox opens and checks CNI_NETNS before the link runs: an interface made in the wrong namespace is made on the
// host. On DEL a namespace that is gone, or that never was one, is none: what the link made on the host goes all the
// same.
func (r *Request[C]) openSandbox(cmd, override string) error {
	if cmd == "GC" || cmd == "STATUS" || r.NetNS == "" {
		r.NetNS = ""
		return nil
	}
	file, err := openNetNS(r.NetNS, override == "1" || strings.EqualFold(override, "true"))
	if err == nil {
		r.sandbox = file
		return nil
	}
	if cmd != "DEL" {
		return err
	}
	r.Log.Info("DEL goes on without a namespace", "netns", r.NetNS, "err", err)
	r.NetNS = ""
	return nil
}

// openNetNS opens a network namespace that is not the process' own, unless that is allowed (CNI_NETNS_OVERRIDE, which
// libcni's tools use).
func openNetNS(path string, allowOwn bool) (*os.File, error) {
	// O_NONBLOCK: a FIFO must not hang the plugin.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, Errorf(CodeNetNS, "open CNI_NETNS: %w: the runtime makes the namespace before ADD", err)
	}
	// The kernel names a namespace's file by kind and inode (ns_dname in fs/nsfs.c): "net:[4026531840]".
	kind, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", file.Fd()))
	if err == nil && strings.HasPrefix(kind, "net:[") {
		own, err := os.Readlink("/proc/self/ns/net")
		if err == nil && (kind != own || allowOwn) {
			return file, nil
		}
		_ = file.Close()
		if err != nil {
			return nil, Errorf(CodeNetNS, "read the plugin's own network namespace: %w", err)
		}
		return nil, Errorf(CodeNetNS, "CNI_NETNS %s is the host's own network namespace, where the plugin itself runs: "+
			"give the container's", path)
	}
	_ = file.Close()
	if err != nil {
		return nil, Errorf(CodeNetNS, "read what CNI_NETNS %s is: %w", path, err)
	}
	return nil, Errorf(CodeNetNS, "CNI_NETNS %s is no network namespace: give a path like /run/netns/NAME or "+
		"/proc/PID/ns/net", path)
}
