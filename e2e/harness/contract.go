// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"fmt"
	"net"
	"testing"

	"github.com/vishvananda/netlink"
)

// CheckContract holds a result to what the plugins after ours and the runtimes rely on: the bridge, the host's end and
// the container's interface in this order, with the kernel's own MACs and MTUs, and every address with its interface.
func CheckContract(t *testing.T, a *Attachment) {
	t.Helper()
	r, container := a.Result, -1
	for i, iface := range r.Interfaces {
		if iface.Name == a.Runtime.IfName && iface.Sandbox == a.Runtime.NetNS {
			container = i
		}
	}
	if container < 0 {
		t.Fatalf("the result does not have %s in %s: %v", a.Runtime.IfName, a.Runtime.NetNS, r.Interfaces)
	}
	for i, ip := range r.IPs {
		if ip.Interface == nil || *ip.Interface != container {
			t.Errorf("ips[%d] does not belong to interfaces[%d]: %v", i, container, ip)
		}
	}
	if !a.Net.Has("veth-bridge") {
		return
	}
	if container != 2 || r.Interfaces[0].Sandbox != "" || r.Interfaces[1].Sandbox != "" {
		t.Errorf("interfaces are not [bridge, host veth, container interface]: %v", r.Interfaces)
	}
	if want, ok := a.Net.Value("bridge").(string); ok && r.Interfaces[0].Name != want {
		t.Errorf("interfaces[0] is %q, want the bridge %q", r.Interfaces[0].Name, want)
	}
	for i, iface := range r.Interfaces[:2] {
		checkLink(t, fmt.Sprintf("interfaces[%d]", i), iface.Name, iface.Mac, iface.Mtu, nil)
	}
	c := r.Interfaces[container]
	checkLink(t, "the container's interface", c.Name, c.Mac, c.Mtu, a)
}

// checkLink compares what the result says of a link with the kernel's own; inside is nil for the host.
func checkLink(t *testing.T, what, name, mac string, mtu int, inside *Attachment) {
	t.Helper()
	attrs, err := link(name, inside)
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	if attrs.HardwareAddr.String() != mac {
		t.Errorf("%s: the result says MAC %q, the kernel %s", what, mac, attrs.HardwareAddr)
	}
	// The MTU is in results of 1.1 only; the cache and this result are of the conflist's version.
	if attrs.MTU != mtu && (mtu != 0 || inside != nil && inside.Net.AtLeast("1.1.0")) {
		t.Errorf("%s: the result says MTU %d, the kernel %d", what, mtu, attrs.MTU)
	}
}

func link(name string, inside *Attachment) (attrs netlink.LinkAttrs, err error) {
	find := func() error {
		l, err := netlink.LinkByName(name)
		if err == nil {
			attrs = *l.Attrs()
		}
		return err
	}
	if inside == nil {
		return attrs, find()
	}
	err = inside.NS.Do(find)
	return attrs, err
}

// MAC is that of the container's interface.
func MAC(t testing.TB, a *Attachment) string {
	t.Helper()
	attrs, err := link(a.Runtime.IfName, a)
	if err != nil {
		t.Fatal(err)
	}
	return attrs.HardwareAddr.String()
}

// WithBits writes an address with its prefix length.
func WithBits(ip []byte, bits int) string {
	return (&net.IPNet{IP: ip, Mask: net.CIDRMask(bits, 8*len(ip))}).String()
}
