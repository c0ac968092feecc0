// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package testnet

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// layers is where the layers over other directories are kept, until /run is mounted a second time.
const layers = "/run/layers"

// furnish turns fresh namespaces into a machine with nothing set up.
func furnish() error {
	// Without this, mounts made here would appear on the machine wherever its mounts are shared (systemd's default).
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("private mounts: %w", err)
	}
	if err := privateFiles(); err != nil {
		return err
	}
	return privateNetwork()
}

// privateFiles empties /run, and puts layers over /etc and /var/lib that take whatever is written there. The layers are
// in a first tmpfs on /run, which the second hides from everybody but the kernel.
func privateFiles() error {
	resolvers := resolversInRun()
	if err := mountTmpfs("/run"); err != nil {
		return err
	}
	for _, dir := range []string{"/etc", "/var/lib"} {
		if err := layer(dir, filepath.Join(layers, dir)); err != nil {
			return err
		}
	}
	if err := mountTmpfs("/run"); err != nil {
		return err
	}
	for path, content := range resolvers {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return err
		}
	}
	// Absent on a machine with nothing set up, and then they stay absent here.
	for _, dir := range []string{"/etc/netns", "/var/lib/cni"} {
		if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := mountTmpfs(dir); err != nil {
			return err
		}
	}
	return nil
}

// resolversInRun reads what of /run a machine's /etc/resolv.conf needs: where it leads, and the real servers that
// systemd-resolved keeps beside its stub (systemd-resolved.service(8)).
func resolversInRun() map[string][]byte {
	files := map[string][]byte{}
	target, _ := filepath.EvalSymlinks("/etc/resolv.conf")
	for _, path := range []string{target, "/run/systemd/resolve/resolv.conf"} {
		if content, err := os.ReadFile(path); err == nil && strings.HasPrefix(path, "/run/") {
			files[path] = content
		}
	}
	return files
}

func mountTmpfs(dir string) error {
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755"); err != nil {
		return fmt.Errorf("tmpfs on %s: %w", dir, err)
	}
	return nil
}

// layer mounts an overlay over dir, with what is written kept under store. What the test needs from beneath dir as it
// really is (a work tree in /var/lib/jenkins, say, where profiles are to be written) is mounted back.
func layer(dir, store string) error {
	upper, work := filepath.Join(store, "upper"), filepath.Join(store, "work")
	for _, made := range []string{upper, work} {
		if err := os.MkdirAll(made, 0o755); err != nil {
			return err
		}
	}
	below, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer below.Close()
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", dir, upper, work)
	err = unix.Mount("overlay", dir, "overlay", 0, options)
	if err != nil && isLayer(dir) {
		// Inside another testnet, and the kernel stacks only two (FILESYSTEM_MAX_STACK_DEPTH; Docker's root is one).
		return nil
	}
	if err != nil {
		return fmt.Errorf("overlayfs on %s: %w", dir, err)
	}
	for _, name := range inUse(dir) {
		source := fmt.Sprintf("/proc/self/fd/%d/%s", below.Fd(), name)
		if err := unix.Mount(source, filepath.Join(dir, name), "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return fmt.Errorf("keep %s/%s: %w", dir, name, err)
		}
	}
	return nil
}

// isLayer reports whether an outer testnet has put its layer over dir.
func isLayer(dir string) bool {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	return err == nil && strings.Contains(string(mounts), "upperdir="+filepath.Join(layers, dir, "upper"))
}

// inUse lists the entries of dir that hold the working directory, the home or the place for temporary files.
func inUse(dir string) []string {
	var names []string
	workDir, _ := os.Getwd()
	home, _ := os.UserHomeDir()
	for _, path := range []string{workDir, home, os.TempDir()} {
		rest, ok := strings.CutPrefix(path, dir+"/")
		name, _, _ := strings.Cut(rest, "/")
		if ok && name != "" && name != "netns" && name != "cni" {
			names = append(names, name)
		}
	}
	return names
}

// privateNetwork brings the loopback interface up and switches forwarding off: a new namespace takes that over from
// the machine (net.core.devconf_inherit_init_net), and whether a link switches it on is something to test.
func privateNetwork() error {
	// A container runtime mounts /proc/sys read-only; who may make namespaces may also undo that.
	if unix.Access("/proc/sys/net/ipv4/ip_forward", unix.W_OK) != nil {
		_ = unix.Mount("", "/proc/sys", "", unix.MS_REMOUNT|unix.MS_BIND, "")
	}
	for _, name := range []string{"ipv4/ip_forward", "ipv6/conf/all/forwarding"} {
		err := os.WriteFile(filepath.Join("/proc/sys/net", name), []byte("0"), 0)
		if err != nil && !(errors.Is(err, fs.ErrNotExist) && strings.HasPrefix(name, "ipv6/")) {
			return fmt.Errorf("writable /proc/sys/net: %w", err)
		}
	}
	return setUp("lo")
}
