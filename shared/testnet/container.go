// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package testnet

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Container is a process in network and mount namespaces of its own, as a container runtime makes it: its network
// namespace has no name, only /proc/PID/ns/net. Its loopback interface is up.
type Container struct {
	*NS
	// Root is the container's root directory as the host sees it; "" when it has the host's.
	Root string
	PID  int
}

// StartContainer starts a container. With root "", it has the host's files; otherwise root is its root directory, which
// may be empty. It ends with Close, or with the process that started it. It is this program started once more, so the
// program has to call Isolate or Main first thing.
func StartContainer(name, root string) (*Container, error) {
	cmd := childCommand(childSleep, root)
	// Without the Unshareflags, mounts would be shared with the host; Go makes them private in the child with them.
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Unshareflags: unix.CLONE_NEWNS}
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start container %q: %w", name, err)
	}
	end := func() error {
		_ = stdin.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed: always an error
		return nil
	}
	if _, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		_ = end()
		if errors.Is(err, io.EOF) {
			err = errors.New("it has ended, see stderr")
		}
		return nil, fmt.Errorf("start container %q: %w", name, err)
	}
	ns, err := Open(name, fmt.Sprintf("/proc/%d/ns/net", cmd.Process.Pid))
	if err != nil {
		_ = end()
		return nil, err
	}
	ns.close = end
	return &Container{NS: ns, Root: root, PID: cmd.Process.Pid}, nil
}

// NewContainer starts a container with the given root directory ("" = the host's), until the test ends.
func NewContainer(t T, root string) *Container {
	t.Helper()
	Need(t)
	container, err := StartContainer(fmt.Sprintf("container%d", count.Add(1)), root)
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { closeNS(t, container.NS) })
	return container
}
