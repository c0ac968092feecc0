// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/live"
	"github.com/cni-chain/cni-chain/shared/pool"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// host runs cnichain with the links of this repository.
type host struct {
	t            *testing.T
	links, cache string
}

func newHost(t *testing.T) *host {
	t.Helper()
	testnet.NewOutside(t)
	h := &host{t, build(t), t.TempDir()}
	if err := os.RemoveAll(pool.DefaultDataDir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.forget() })
	return h
}

// forget takes away what a network leaves on purpose, so that the next test finds a fresh host.
func (h *host) forget() {
	for _, name := range []string{"cni0", "cni-dual", "cni-full"} {
		if link, err := netlink.LinkByName(name); err == nil {
			_ = netlink.LinkDel(link)
		}
	}
	for _, name := range []string{"ipv4/ip_forward", "ipv6/conf/all/forwarding"} {
		if err := os.WriteFile("/proc/sys/net/"+name, []byte("0"), 0o600); err != nil {
			h.t.Error(err)
		}
	}
}

// run runs a command that succeeds.
func (h *host) run(args ...string) string {
	h.t.Helper()
	var out, errs strings.Builder
	if code := execute(context.Background(), args, nil, &out, &errs); code != 0 || errs.Len() > 0 {
		h.t.Fatalf("%v: exit status %d\n%s%s", args, code, &out, &errs)
	}
	return out.String()
}

// chain runs a command on a conflist; after "trace" the first argument is the command.
func (h *host) chain(command, conflist string, args ...string) string {
	h.t.Helper()
	conflist = "../../../conflists/" + conflist
	if command == "trace" {
		args = append([]string{command, args[0], conflist}, args[1:]...)
	} else {
		args = append([]string{command, conflist}, args...)
	}
	return h.run(append(args, "--plugin-path", h.links, "--cache-dir", h.cache)...)
}

// What the commands about this host say of two networks, one of whose containers has ended.
func TestHost(t *testing.T) {
	h := newHost(t)
	blue, red := testnet.NamedNS(t, "blue"), testnet.NamedNS(t, "red")
	h.chain("add", "bridge.conflist", "blue", "--port", "8080:80")
	h.chain("add", "dual-stack.conflist", "red", "--container-id", "0123456789abcdef0123456789")
	t.Run("ls", func(t *testing.T) {
		contains(t, h.run("ls"),
			"bridge      blue          eth0  10.88.1.2/24                   tcp 8080 ",
			"dual-stack  0123456789ab  eth0  10.88.2.2/24, fd00:88:2::2/64 ", " healthy\n")
		if got := h.run("ls", "--network", "bridge"); strings.Contains(got, "dual-stack") {
			t.Error(got)
		}
		contains(t, h.run("ls", "-l"), "0123456789abcdef0123456789")
	})
	t.Run("show", func(t *testing.T) {
		contains(t, h.run("show", "blue"), "eth0 of container blue on network bridge: healthy",
			"tcp 8080 -> 10.88.1.2:80", "set masq-bridge-10.88.1.0/24 of table inet cni-chain", "/etc/netns/blue/resolv.conf")
		var found []live.Attachment
		if err := json.Unmarshal([]byte(h.run("show", "0123", "-o", "json")), &found); err != nil {
			t.Fatal(err)
		}
		if len(found) != 1 || found[0].Network != "dual-stack" || !found[0].Healthy || found[0].NetNS != red.Path {
			t.Errorf("%+v", found)
		}
	})
	t.Run("graph", func(t *testing.T) { drawn(t, h) })
	if err := blue.Close(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); strings.Contains(h.run("show", "blue"), "  host "); {
		if time.Now().After(deadline) {
			t.Fatal("the veth does not go with its namespace")
		}
	}
	t.Run("gc", func(t *testing.T) {
		contains(t, h.run("ls"), "broken", "! the network namespace /run/netns/blue is gone: the container has ended without a DEL")
		before := testnet.Take(t)
		contains(t, h.chain("gc", "bridge.conflist", "--dry-run"), "of network bridge would be removed:",
			"eth0 of container blue  on record", "lease        10.88.1.2", "port         tcp 8080 -> 10.88.1.2:80")
		if diff := testnet.Diff(before, testnet.Take(t)); diff != "" {
			t.Errorf("it changed the host:\n%s", diff)
		}
		if got := h.chain("gc", "bridge.conflist", "-n", "--keep", "blue/eth0"); !strings.Contains(got, "nothing to remove") {
			t.Error(got)
		}
		h.chain("gc", "bridge.conflist")
		if got := h.run("ls"); strings.Contains(got, "blue") || !strings.Contains(got, "dual-stack") {
			t.Error(got)
		}
	})
	h.chain("del", "dual-stack.conflist", "red", "--container-id", "0123456789abcdef0123456789")
	if got := h.run("ls"); got != "no attachments\n" {
		t.Error(got)
	}
}

func drawn(t *testing.T, h *host) {
	contains(t, h.run("graph"), "cni0  10.88.1.1/24  (bridge, network bridge)", "─ blue ─", "─ red ─", "─ outside0 ─",
		"port  tcp 8080 ──► 10.88.1.2:80 (blue)")
	contains(t, h.run("graph", "-f", "tree"), "blue: eth0  10.88.1.2/24")
	contains(t, h.run("graph", "-f", "dot"), `[label="cni0 (bridge)\n10.88.1.1/24"`)
	svg := h.run("graph", "--format", "svg")
	for decoder := xml.NewDecoder(strings.NewReader(svg)); ; {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("no XML: %v\n%s", err, svg)
		}
	}
	if got := h.run("graph", "--network", "bridge"); strings.Contains(got, "─ red ─") || !strings.Contains(got, "─ blue ─") {
		t.Error(got)
	}
}

// A killed ADD may leave an interface that has no tag yet.
func TestDryGCFindsTheHalfMade(t *testing.T) {
	h := newHost(t)
	ns := testnet.NamedNS(t, "blue")
	h.chain("add", "bridge.conflist", "blue")
	var all []live.Attachment
	if err := json.Unmarshal([]byte(h.run("ls", "-o", "json")), &all); err != nil {
		t.Fatal(err)
	}
	name := all[0].Host.Name
	link, err := netlink.LinkByName(name)
	if err == nil {
		err = netlink.LinkSetAlias(link, "")
	}
	if err != nil {
		t.Fatal(err)
	}
	var got garbage
	if err := json.Unmarshal([]byte(h.chain("gc", "bridge.conflist", "-n", "-o", "json")), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{name}, got.HalfMade); diff != "" {
		t.Error(diff)
	}
	h.chain("del", "bridge.conflist", ns.Name)
}

func contains(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(text, word) {
			t.Errorf("it does not say %q:\n%.4000s", word, text)
		}
	}
}
