// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/cni-chain/cni-chain/shared/testnet"
)

const (
	serverAddress = "192.0.2.53"
	answerAddress = "203.0.113.80"
	onlyName      = "web.pods.example"
)

// nameServer answers DNS questions for the address of one name, in a namespace of the tests.
type nameServer struct {
	conn net.PacketConn

	sync.Mutex
	asked []string
}

// serveNames starts the server in the namespace, on an address of its loopback interface, until the test ends.
func serveNames(t *testing.T, ns *testnet.NS) *nameServer {
	t.Helper()
	s := &nameServer{}
	err := ns.Do(func() (err error) {
		if err = testnet.Configure("lo", netip.MustParsePrefix(serverAddress+"/32")); err == nil {
			s.conn, err = net.ListenPacket("udp", serverAddress+":53")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.conn.Close() })
	go s.serve()
	return s
}

func (s *nameServer) serve() {
	question := make([]byte, 1500)
	for {
		n, from, err := s.conn.ReadFrom(question)
		if err != nil {
			return
		}
		if answer := s.answer(question[:n]); answer != nil {
			_, _ = s.conn.WriteTo(answer, from) // a lost answer is a failed look-up
		}
	}
}

// answer makes the answer to one question (RFC 1035, section 4).
func (s *nameServer) answer(question []byte) []byte {
	const headerLen, typeA = 12, 1
	if len(question) < headerLen {
		return nil
	}
	var labels []string
	rest := question[headerLen:]
	for len(rest) > 0 && rest[0] != 0 && len(rest) > int(rest[0]) {
		labels = append(labels, string(rest[1:1+rest[0]]))
		rest = rest[1+rest[0]:]
	}
	if len(rest) < 5 {
		return nil
	}
	name, kind := strings.Join(labels, "."), binary.BigEndian.Uint16(rest[1:])
	s.Lock()
	s.asked = append(s.asked, name)
	s.Unlock()
	answer := slices.Clone(question[:len(question)-len(rest)+5])
	copy(answer[2:], []byte{0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}) // an answer, to one question, with nothing yet
	switch {
	case name != onlyName:
		answer[3] |= 3 // no such name
	case kind == typeA:
		answer[7] = 1
		answer = append(answer, 0xc0, headerLen, 0, typeA, 0, 1, 0, 0, 0, 0, 0, 4)
		answer = append(answer, net.ParseIP(answerAddress).To4()...)
	}
	return answer
}

func (s *nameServer) wasAsked(name string) bool {
	s.Lock()
	defer s.Unlock()
	return slices.Contains(s.asked, name)
}

// program is the path of a program, or the test is skipped by its name.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		testnet.Lacks(t, "the program "+name)
	}
	return path
}

const dnsConf = `"dns": {"nameservers": ["` + serverAddress + `"], "search": ["pods.example"],
	"options": ["ndots:2", "attempts:1"]}`

// TestGlibcAsks: glibc's resolver, in a named namespace as "ip netns exec" enters it, asks the configured server, with
// the search domain.
func TestGlibcAsks(t *testing.T) {
	program(t, "getent")
	ns := testnet.NewNS(t)
	server := serveNames(t, ns)
	a := attachment{"net", "c1", "eth0", ns.Path, dnsConf}
	a.ok(t, "ADD")
	out, err := ns.Command("getent", "ahostsv4", "web").CombinedOutput()
	if err != nil || !strings.Contains(string(out), answerAddress) || !server.wasAsked(onlyName) {
		t.Errorf("getent: %s%v; asked %q", out, err, server.asked)
	}
	a.ok(t, "DEL")
	if out, err := ns.Command("getent", "ahostsv4", onlyName).CombinedOutput(); err == nil {
		t.Errorf("after DEL: %s", out)
	}
}

func TestIPNetNSExecShowsTheFile(t *testing.T) {
	program(t, "ip")
	ns := testnet.NewNS(t)
	a := attachment{"net", "c1", "eth0", ns.Path, dnsConf}
	a.ok(t, "ADD")
	out, err := exec.Command("ip", "netns", "exec", ns.Name, "cat", "/etc/resolv.conf").CombinedOutput()
	want := "\nnameserver " + serverAddress + "\nsearch pods.example\noptions ndots:2"
	if err != nil || !strings.Contains(string(out), want) {
		t.Errorf("%s%v", out, err)
	}
	a.ok(t, "DEL")
}

// TestContainerAsks: resolvers in a container with a root directory of its own and nothing else in it. busybox has a
// resolver of its own in nslookup; its wget uses the C library, as getent does, and crashes there in Debian's build.
func TestContainerAsks(t *testing.T) {
	for _, tc := range []struct {
		name string
		args []string
	}{
		{"busybox nslookup", []string{"busybox", "nslookup", "-type=a", onlyName}},
		{"busybox nslookup with the search domain", []string{"busybox", "nslookup", "-type=a", "web"}},
		{"glibc", []string{"getent", "ahostsv4", "web"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			root := t.TempDir()
			tc.args[0] = copyProgram(t, program(t, tc.args[0]), root)
			put(t, root+"/etc/nsswitch.conf", "hosts: dns\n")
			c, a := inContainer(t, root)
			server := serveNames(t, c.NS)
			a.conf = dnsConf
			a.ok(t, "ADD")
			cmd := exec.Command(tc.args[0], tc.args[1:]...)
			cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: fmt.Sprintf("/proc/%d/root", c.PID)}
			cmd.Dir = "/"
			var out []byte
			err := c.Do(func() (err error) {
				out, err = cmd.CombinedOutput()
				return err
			})
			if !strings.Contains(string(out), answerAddress) || !server.wasAsked(onlyName) {
				t.Errorf("%s%v; asked %q", out, err, server.asked)
			}
			a.ok(t, "DEL")
		})
	}
}

// copyProgram copies a program and the libraries that it needs to where they are in a root directory of their own.
func copyProgram(t *testing.T, path, root string) string {
	t.Helper()
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		t.Fatal(err)
	}
	files := []string{path}
	out, _ := exec.Command("ldd", path).Output() // an error: a static program
	for _, word := range strings.Fields(string(out)) {
		if filepath.IsAbs(word) {
			files = append(files, word)
		}
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		put(t, root+file, string(data))
		if err := os.Chmod(root+file, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return path
}
