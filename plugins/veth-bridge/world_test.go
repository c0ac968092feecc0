// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	current "github.com/containernetworking/cni/pkg/types/100"
	"github.com/vishvananda/netlink"

	"github.com/cni-chain/cni-chain/chain/chaintest"
	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/nft"
	"github.com/cni-chain/cni-chain/shared/nl"
	"github.com/cni-chain/cni-chain/shared/nlsock"
	"github.com/cni-chain/cni-chain/shared/owner"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

func TestMain(m *testing.M) { testnet.Main(m) }

// container is an attachment to be made: a namespace, and the three names.
type container struct {
	ns                  *testnet.NS
	network, id, ifName string
}

// newContainer makes a namespace, and lets the host be without links and rules of ours when the test ends.
func newContainer(t *testing.T) container {
	t.Helper()
	ns := testnet.NewNS(t)
	t.Cleanup(func() { clearHost(t) })
	return container{ns: ns, network: "net", id: "id-" + ns.Name, ifName: "eth0"}
}

// clearHost deletes all links but lo, and the table of macspoofchk.
func clearHost(t *testing.T) {
	t.Helper()
	links, err := netlink.LinkList()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		if l.Attrs().Name != "lo" {
			_ = netlink.LinkDel(l) // the other end of one before has gone with it
		}
	}
	c, err := nft.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	tx := c.Begin(nft.Bridge)
	tx.AddTable()
	tx.DeleteTable()
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}

func (c container) owner() owner.Owner {
	return owner.Owner{Network: c.network, ContainerID: c.id, IfName: c.ifName}
}

// call is a call for the container; keys are what its configuration has besides the protocol's, as JSON members.
func (c container) call(cmd, keys string) chaintest.Call {
	conf := fmt.Sprintf(`{"cniVersion": "1.1.0", "name": %q, "type": "veth-bridge"`, c.network)
	if keys != "" {
		conf += ", " + keys
	}
	call := chaintest.Call{Command: cmd, Config: conf + "}", ContainerID: c.id, IfName: c.ifName}
	if c.ns != nil {
		call.NetNS = c.ns.Path
	}
	return call
}

func (c container) run(t *testing.T, cmd, keys string) chaintest.Outcome {
	t.Helper()
	return chaintest.Run(t, plugin, c.call(cmd, keys))
}

// add makes the attachment and returns its result.
func (c container) add(t *testing.T, keys string) *current.Result {
	t.Helper()
	result := &current.Result{}
	c.run(t, "ADD", keys).Result(t, result)
	return result
}

// check runs CHECK with the result as prevResult.
func (c container) check(t *testing.T, keys string, result *current.Result) chaintest.Outcome {
	t.Helper()
	prev, err := json.Marshal(result)
	if err != nil {
		t.Fatal(err)
	}
	return c.run(t, "CHECK", with(keys, `"prevResult": `+string(prev)))
}

func (c container) del(t *testing.T, keys string) {
	t.Helper()
	c.run(t, "DEL", keys).OK(t)
}

// try is run for a goroutine of its own, which may not end the test: it returns what the call printed.
func (c container) try(t *testing.T, cmd, keys string) (stdout string, err error) {
	o := c.run(t, cmd, keys)
	if o.Err != nil {
		return "", o.Err
	}
	return o.Stdout, nil
}

// with joins members of a JSON object.
func with(keys ...string) string {
	var some []string
	for _, k := range keys {
		if k != "" {
			some = append(some, k)
		}
	}
	return strings.Join(some, ", ")
}

// hostLink reads a link of the host as the plugin does; it is nil when there is none.
func hostLink(t *testing.T, name string) netlink.Link {
	t.Helper()
	l, err := netlink.LinkByName(name)
	if _, absent := err.(netlink.LinkNotFoundError); absent { //nolint:errorlint // never wrapped
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func mustHave(t *testing.T, name string) netlink.Link {
	t.Helper()
	l := hostLink(t, name)
	if l == nil {
		t.Fatalf("the host has no interface %s", name)
	}
	return l
}

func mustNotHave(t *testing.T, name string) {
	t.Helper()
	if hostLink(t, name) != nil {
		t.Errorf("the host has an interface %s", name)
	}
}

// inside reads a link in the container's namespace; it is nil when there is none.
func (c container) inside(t *testing.T, name string) (l netlink.Link) {
	t.Helper()
	if err := c.ns.Do(func() error { l = hostLink(t, name); return nil }); err != nil {
		t.Fatal(err)
	}
	return l
}

// addBridge makes a bridge that is not ours. It has a MAC of its own, as otherwise the kernel gives it that of a
// port, and zeros when the last port goes.
func addBridge(t *testing.T, name string, mtu int, up bool) netlink.Link {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	attrs.HardwareAddr = net.HardwareAddr{2, 0xb, 0, 0, 0, byte(len(name))}
	if mtu != 0 {
		attrs.MTU = mtu
	}
	return addLink(t, &netlink.Bridge{LinkAttrs: attrs}, up)
}

// addVeth makes a veth of two ends on the host, the second named with a "p" behind.
func addVeth(t *testing.T, name string) netlink.Link {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	veth := netlink.NewVeth(attrs)
	veth.PeerName = name + "p"
	return addLink(t, veth, true)
}

func addLink(t *testing.T, l netlink.Link, up bool) netlink.Link {
	t.Helper()
	if err := netlink.LinkAdd(l); err != nil {
		t.Fatalf("add %s: %v", l.Attrs().Name, err)
	}
	if up {
		must(t, netlink.LinkSetUp(l))
	}
	return mustHave(t, l.Attrs().Name)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// same fails the test unless the host and the namespaces are what they were.
func same(t *testing.T, before *testnet.Snapshot, namespaces ...*testnet.NS) {
	t.Helper()
	if diff := testnet.Diff(before, testnet.Take(t, namespaces...)); diff != "" {
		t.Errorf("the machine is not what it was:\n%s", diff)
	}
}

func runCall(t *testing.T, call chaintest.Call) chaintest.Outcome {
	t.Helper()
	return chaintest.Run(t, plugin, call)
}

// address gives the container's interface an address.
func (c container) address(t *testing.T, prefix string) {
	t.Helper()
	must(t, c.ns.Do(func() error { return testnet.Configure(c.ifName, netip.MustParsePrefix(prefix)) }))
}

// silence is how long to wait for an answer that should not come.
const silence = 300 * time.Millisecond

// reach tests whether a program in one container gets an answer from one in another, as it should or should not.
func reach(t *testing.T, from, to container, address string, should bool) {
	t.Helper()
	port := to.ns.StartServer(t, "udp", netip.AddrPortFrom(netip.MustParseAddr(address), 0).String())
	ctx, cancel := t.Context(), func() {}
	if !should {
		ctx, cancel = context.WithTimeout(ctx, silence)
	}
	defer cancel()
	if _, err := from.ns.Ask(ctx, "udp", fmt.Sprintf("%s:%d", address, port)); (err == nil) != should {
		t.Errorf("%s asks %s: %v, want an answer: %v", from.id, to.id, err, should)
	}
}

// setBridgeNumbers sets attributes of a bridge for which the library has no name.
func setBridgeNumbers(bridge netlink.Link, numbers map[uint16]uint32) error {
	c, err := dial()
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	head := nl.IfInfo(bridge.Attrs().Index, 0, 0)
	return c.Do(nl.Message{Kind: unix.RTM_NEWLINK, Head: head, Attrs: func(w *nlsock.Writer) {
		info := w.Nest(unix.IFLA_LINKINFO)
		w.Text(unix.IFLA_INFO_KIND, "bridge")
		data := w.Nest(unix.IFLA_INFO_DATA)
		for kind, n := range numbers {
			nl.Native(w, kind, n)
		}
		w.CloseNest(data)
		w.CloseNest(info)
	}})
}

// waitUntil polls until the condition holds.
func waitUntil(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not so after 10 s: %s", what)
		}
	}
}
