// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package owner

import (
	"fmt"
	"strings"
	"testing"
)

func TestTagRoundTrip(t *testing.T) {
	for _, o := range []Owner{
		{"podnet", "abc", "eth0"},
		{"a.b-c_d", strings.Repeat("f", 64), "a/weird+name"},
	} {
		got, ok := Parse(o.Tag())
		if !ok || got != o {
			t.Errorf("Parse(%q) = %+v, %v; want %+v", o.Tag(), got, ok, o)
		}
	}
}

func TestTagIsShortAndDistinct(t *testing.T) {
	long := strings.Repeat("x", 300)
	seen := map[string]Owner{}
	for _, o := range []Owner{
		{long, long, "123456789012345"},
		{long + "y", long, "123456789012345"},
		{long, long + "y", "123456789012345"},
		{"n", "c", "eth0"}, {"n", "c", "eth1"}, {"n", "ce", "th0"},
	} {
		tag := o.Tag()
		if len(tag) > 127 {
			t.Errorf("tag of %d bytes: %s", len(tag), tag)
		}
		if was, dup := seen[tag]; dup {
			t.Errorf("%+v and %+v have one tag", was, o)
		}
		seen[tag] = o
		if !strings.HasPrefix(tag, NetworkPrefix(o.Network)) {
			t.Errorf("%s does not start with its network", tag)
		}
	}
}

func TestForeignTagsAreNotOurs(t *testing.T) {
	for _, tag := range []string{"", "eth0", "cni-chain:", "cni-chain:net", "cni-chain:net/c", "cni-chain://", "other:a/b/c"} {
		if o, ok := Parse(tag); ok {
			t.Errorf("Parse(%q) = %+v", tag, o)
		}
	}
}

func TestNamesAreStableAndDistinct(t *testing.T) {
	o := Owner{"podnet", "abc", "eth0"}
	if again := (Owner{"podnet", "abc", "eth0"}); o.HostVeth() != again.HostVeth() || len(o.HostVeth()) != 15 || !strings.HasPrefix(o.HostVeth(), "veth") {
		t.Errorf("host veth %q", o.HostVeth())
	}
	if mac := o.HostMAC(); mac[0]&3 != 2 {
		t.Errorf("%v is not a locally administered unicast address", mac)
	}
	seen := map[string]bool{}
	for i := range 20000 {
		name := Owner{"podnet", fmt.Sprint(i), "eth0"}.HostVeth()
		if seen[name] {
			t.Fatalf("%s twice", name)
		}
		seen[name] = true
	}
}

func TestMadeForTellsByNameAndMAC(t *testing.T) {
	o := Owner{"podnet", "abc", "eth0"}
	if !MadeFor("podnet", o.HostVeth(), o.HostMAC()) {
		t.Error("an own link is not recognised")
	}
	for _, c := range []struct {
		what, network, name string
		mac                 []byte
	}{
		{"another network", "podnet2", o.HostVeth(), o.HostMAC()},
		{"another attachment's MAC", "podnet", o.HostVeth(), Owner{"podnet", "abd", "eth0"}.HostMAC()},
		{"another name", "podnet", "veth0123456789a", o.HostMAC()},
		{"no MAC", "podnet", o.HostVeth(), nil},
	} {
		if MadeFor(c.network, c.name, c.mac) {
			t.Errorf("%s: taken for ours", c.what)
		}
	}
}
