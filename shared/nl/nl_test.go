// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package nl

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/netns"
	"github.com/cni-chain/cni-chain/shared/nlsock"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

func TestMain(m *testing.M) { testnet.Main(m) }

func host(t *testing.T) *Conn {
	t.Helper()
	testnet.Need(t)
	c, err := Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// addVeth makes a veth on the host with its other end in the namespace.
func addVeth(t *testing.T, name, inside string, ns *testnet.NS) {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	veth := netlink.NewVeth(attrs)
	veth.PeerName, veth.PeerNamespace = inside, netlink.NsFd(ns.File().Fd())
	if err := netlink.LinkAdd(veth); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = netlink.LinkDel(veth) })
}

func TestLinks(t *testing.T) {
	c, ns := host(t), testnet.NewNS(t)
	addVeth(t, "out0", "in0", ns)
	links, err := c.Links(Which{Name: "out0"}, Which{Name: "nosuch"}, Which{Index: 4711}, Which{AltName: "nosuch"})
	if err != nil {
		t.Fatal(err)
	}
	if links[0] == nil || links[1] != nil || links[2] != nil || links[3] != nil {
		t.Fatalf("got %v, want the first one alone", links)
	}
	out := links[0]
	id, err := c.NSID(ns.File())
	if err != nil || id != out.PeerNS || id < 0 {
		t.Errorf("the namespace is %d (%v), the peer's %d", id, err, out.PeerNS)
	}
	in, err := c.Link(out.OtherEnd())
	if err != nil || in == nil {
		t.Fatalf("the other end: %v, %v", in, err)
	}
	if in.Name != "in0" || in.Kind != "veth" || in.Peer != out.Index || len(in.MAC) != 6 || in.MTU != 1500 {
		t.Errorf("the other end is %+v", in)
	}
	if ra, ok := out.Setting6(3); !ok || ra != 1 { // DEVCONF_ACCEPT_RA
		t.Errorf("accept_ra is %d, %v", ra, ok)
	}
	if _, ok := out.Setting6(10000); ok {
		t.Error("a setting that does not exist is there")
	}
}

// TestLinkInANamespaceThatIsGone: while the kernel takes a namespace down, links still name it that it has no ID for.
func TestLinkInANamespaceThatIsGone(t *testing.T) {
	link, err := host(t).Link(Which{Index: 2, Elsewhere: true, NSID: 4711})
	if link != nil || err != nil {
		t.Errorf("got %v, %v, want nothing", link, err)
	}
}

func TestNSIDOfStranger(t *testing.T) {
	c := host(t)
	ns, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	if id, err := c.NSID(ns); err != nil || id != -1 {
		t.Errorf("got %d, %v, want -1", id, err)
	}
}

func TestDo(t *testing.T) {
	c := host(t)
	add := Message{Kind: unix.RTM_NEWLINK, Flags: unix.NLM_F_CREATE | unix.NLM_F_EXCL,
		Head: IfInfo(0, unix.IFF_UP, unix.IFF_UP),
		Attrs: func(w *nlsock.Writer) {
			w.Text(unix.IFLA_IFNAME, "do0")
			info := w.Nest(unix.IFLA_LINKINFO)
			w.Text(unix.IFLA_INFO_KIND, "bridge")
			w.CloseNest(info)
		}}
	if err := c.Do(add); err != nil {
		t.Fatal(err)
	}
	if err := c.Do(add); !errors.Is(err, unix.EEXIST) {
		t.Errorf("again: %v, want EEXIST", err)
	}
	l, err := c.Link(Which{Name: "do0"})
	if err != nil || l == nil || l.Kind != "bridge" || !l.Up() || l.Promisc() || l.Bridge.ForwardDelay == 0 {
		t.Fatalf("got %+v, %v", l, err)
	}
	remove := Message{Kind: unix.RTM_DELLINK, Head: IfInfo(l.Index, 0, 0)}
	if err := c.Do(remove); err != nil {
		t.Fatal(err)
	}
	if err := c.Do(remove); !IsGone(err) {
		t.Errorf("again: %v, want gone", err)
	}
}

func TestListLinks(t *testing.T) {
	c, ns := host(t), testnet.NewNS(t)
	addVeth(t, "list0", "in0", ns)
	names, err := List(c, ListLinks(nil), func(body []byte) []string { return []string{ParseLink(body).Name} })
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"lo", "list0"}, names); diff != "" {
		t.Errorf("links (-want +got):\n%s", diff)
	}
}

// TestSpoiltListsAreReadAgain is containernetworking/plugins#1121: a list that changed while it was read is no answer.
func TestSpoiltListsAreReadAgain(t *testing.T) {
	reads := 0
	got, err := whole(func() ([]int, error) {
		if reads++; reads < 3 {
			return []int{1}, unix.EINTR
		}
		return []int{1, 2}, nil
	})
	if err != nil || len(got) != 2 {
		t.Errorf("got %v, %v", got, err)
	}
	got, err = whole(func() ([]int, error) { return []int{1}, unix.EINTR })
	if got != nil || !errors.Is(err, unix.EAGAIN) {
		t.Errorf("got %v, %v, want no list and EAGAIN", got, err)
	}
	if _, err := whole(func() ([]int, error) { return nil, unix.EPERM }); !errors.Is(err, unix.EPERM) {
		t.Errorf("got %v, want EPERM", err)
	}
}

// TestBrokenMessages: what the kernel never sends does no harm.
func TestBrokenMessages(t *testing.T) {
	for _, body := range [][]byte{
		nil, make([]byte, 15), append(IfInfo(7, 0, 0), 1), append(IfInfo(7, 0, 0), 200, 0, 3, 0),
	} {
		if l := ParseLink(body); l.Name != "" || l.PeerNS != -1 {
			t.Errorf("ParseLink(%x) = %+v", body, l)
		}
	}
	for _, c := range []struct {
		v    []byte
		want uint32
	}{
		{nil, 0}, {[]byte{7}, 7}, {binary.NativeEndian.AppendUint16(nil, 700), 700},
		{binary.NativeEndian.AppendUint32(nil, 70000), 70000},
	} {
		if got := Number(c.v); got != c.want {
			t.Errorf("Number(%x) = %d, want %d", c.v, got, c.want)
		}
	}
}

func FuzzParseLink(f *testing.F) {
	f.Add([]byte{})
	f.Add(IfInfo(1, unix.IFF_UP, 0))
	var w nlsock.Writer
	ListLinks(func(w *nlsock.Writer) {
		info := w.Nest(unix.IFLA_LINKINFO)
		w.Text(unix.IFLA_INFO_KIND, "bridge")
		data := w.Nest(unix.IFLA_INFO_DATA)
		w.Bytes(unix.IFLA_BR_VLAN_FILTERING, []byte{1})
		w.CloseNest(data)
		w.CloseNest(info)
	}).Write(&w, 1)
	f.Add(w.Buf[unix.NLMSG_HDRLEN:])
	f.Fuzz(func(t *testing.T, body []byte) {
		if ParseLink(body) == nil {
			t.Error("no link")
		}
	})
}
