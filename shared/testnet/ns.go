// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package testnet

import (
	"fmt"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/netns"
)

// NS is a network namespace.
type NS struct {
	// Name is how people call it; for a namespace made here, its name in /run/netns.
	Name string
	// Path is what a runtime would pass as CNI_NETNS.
	Path string

	file  *os.File
	close func() error
}

// count numbers the namespaces of this process.
var count atomic.Int32

// Create makes a namespace under /run/netns, as "ip netns add" does: its loopback interface is down.
func Create(name string) (*NS, error) {
	file, err := netns.Create(name)
	if err != nil {
		return nil, err
	}
	return &NS{Name: name, Path: netns.Path(name), file: file, close: func() error { return netns.Delete(name) }}, nil
}

// Open opens a namespace that somebody else has made and will delete. The name is for people.
func Open(name, path string) (*NS, error) {
	file, err := netns.Open(path)
	if err != nil {
		return nil, err
	}
	return &NS{Name: name, Path: path, file: file}, nil
}

// Host opens the namespace of this process: the host, for plugins.
func Host() (*NS, error) {
	return Open("host", fmt.Sprintf("/proc/%d/ns/net", os.Getpid()))
}

// NewNS makes a namespace with a name of its own, until the test ends.
func NewNS(t T) *NS {
	t.Helper()
	return NamedNS(t, fmt.Sprintf("ns%d", count.Add(1)))
}

// NamedNS makes a namespace of the given name, until the test ends.
func NamedNS(t T, name string) *NS {
	t.Helper()
	Need(t)
	ns, err := Create(name)
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { closeNS(t, ns) })
	return ns
}

// HostNS is the host, until the test ends.
func HostNS(t T) *NS {
	t.Helper()
	Need(t)
	ns, err := Host()
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { closeNS(t, ns) })
	return ns
}

func closeNS(t T, ns *NS) {
	if err := ns.Close(); err != nil {
		t.Logf("%v", err)
	}
}

// Close lets go of the namespace, and deletes its name if Create has made it. Doing it twice is fine.
func (n *NS) Close() error {
	_ = n.file.Close()
	if n.close != nil {
		return n.close()
	}
	return nil
}

// File is the open namespace; it stays the same whatever happens to the name.
func (n *NS) File() *os.File { return n.file }

// Do runs fn in the namespace, see netns.Do. A command is run in it by ns.Do(cmd.Run).
func (n *NS) Do(fn func() error) error {
	return netns.Do(n.file, fn)
}

// Up brings interfaces of the namespace up, "lo" for one.
func (n *NS) Up(links ...string) error {
	return n.Do(func() error { return setUp(links...) })
}

// Command is a command that will run in the named namespace as "ip netns exec" runs it: with the files of
// /etc/netns/NAME in place of those in /etc. It must be a namespace under /run/netns. As it starts this program once
// more, the program has to call Isolate or Main first thing.
func (n *NS) Command(name string, args ...string) *exec.Cmd {
	cmd := childCommand(childExec, n.Name, name)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
	cmd.Args = append(cmd.Args, args...)
	return cmd
}

// setUp brings interfaces up in the namespace of the calling thread.
func setUp(names ...string) error {
	for _, name := range names {
		link, err := netlink.LinkByName(name)
		if err != nil {
			return fmt.Errorf("find interface %q: %w", name, err)
		}
		if err := netlink.LinkSetUp(link); err != nil {
			return fmt.Errorf("bring interface %q up: %w", name, err)
		}
	}
	return nil
}
