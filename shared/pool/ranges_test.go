// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRangesAreFilledIn(t *testing.T) {
	for name, c := range map[string]struct {
		in      Range
		want    string
		gateway string
	}{
		"IPv4 subnet": {Range{Subnet: "10.0.0.0/24"}, "10.0.0.1-10.0.0.254", "10.0.0.1"},
		"IPv6 subnet": {
			Range{Subnet: "fd00::/64"},
			"fd00::1-fd00::ffff:ffff:ffff:ffff", "fd00::1",
		},
		"smallest with network address": {Range{Subnet: "10.0.0.4/30"}, "10.0.0.5-10.0.0.6", "10.0.0.5"},
		"/31 is a link of two hosts":    {Range{Subnet: "10.0.0.4/31"}, "10.0.0.4-10.0.0.5", "10.0.0.4"},
		"/127 too":                      {Range{Subnet: "fd00::4/127"}, "fd00::4-fd00::5", "fd00::4"},
		"/126 has no broadcast":         {Range{Subnet: "fd00::4/126"}, "fd00::5-fd00::7", "fd00::5"},
		"/32 is a host":                 {Range{Subnet: "10.0.0.4/32"}, "10.0.0.4-10.0.0.4", "invalid IP"},
		"/128 too":                      {Range{Subnet: "fd00::4/128"}, "fd00::4-fd00::4", "invalid IP"},
		"all of IPv4":                   {Range{Subnet: "0.0.0.0/0"}, "0.0.0.1-255.255.255.254", "0.0.0.1"},
		"start and end": {
			Range{"10.0.0.0/8", "10.1.0.0", "10.1.255.255", ""},
			"10.1.0.0-10.1.255.255", "10.0.0.1",
		},
		"network and broadcast cut off": {
			Range{"10.0.0.0/24", "10.0.0.0", "10.0.0.255", ""},
			"10.0.0.1-10.0.0.254", "10.0.0.1",
		},
		"single address": {
			Range{"10.0.0.0/24", "10.0.0.9", "10.0.0.9", ""},
			"10.0.0.9-10.0.0.9", "10.0.0.1",
		},
		"gateway of the user's": {
			Range{Subnet: "10.0.0.0/24", Gateway: "10.0.0.254"},
			"10.0.0.1-10.0.0.254", "10.0.0.254",
		},
		"gateway beyond the subnet": {
			Range{Subnet: "10.0.0.0/24", Gateway: "169.254.1.1"},
			"10.0.0.1-10.0.0.254", "169.254.1.1",
		},
		"/32 with a gateway": {
			Range{Subnet: "10.0.0.4/32", Gateway: "169.254.1.1"},
			"10.0.0.4-10.0.0.4", "169.254.1.1",
		},
		"IPv4 in the form of IPv6": {
			Range{"10.0.0.0/24", "::ffff:10.0.0.9", "", ""},
			"10.0.0.9-10.0.0.254", "10.0.0.1",
		},
		"prefix not on a byte's border":  {Range{Subnet: "10.0.16.0/20"}, "10.0.16.1-10.0.31.254", "10.0.16.1"},
		"address not in its short form ": {Range{Subnet: "fd00:0:0:0::/120"}, "fd00::1-fd00::ff", "fd00::1"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := c.in.resolve("")
			if err != nil {
				t.Fatal(err)
			}
			if got := s.String(); got != c.want || s.gateway.String() != c.gateway {
				t.Errorf("%s with gateway %s, want %s with %s", got, s.gateway, c.want, c.gateway)
			}
		})
	}
}

func TestBadConfigurationIsSaidWithItsPath(t *testing.T) {
	for name, c := range map[string]struct{ conf, path, reason string }{
		"no prefix":            {`{"subnet": "10.0.0.0"}`, "subnet", "a prefix is needed"},
		"start without subnet": {`{"rangeStart": "10.0.0.5"}`, "subnet", "needs its subnet"},
		"host bits": {
			`{"ranges": [[{"subnet": "10.0.0.1/24"}]]}`,
			"ranges[0][0].subnet", "the network is 10.0.0.0/24",
		},
		"mapped subnet": {`{"subnet": "::ffff:10.0.0.0/120"}`, "subnet", "write it as IPv4"},
		"start outside": {
			`{"ranges": [[{"subnet": "10.0.0.0/24", "rangeStart": "10.0.1.1"}]]}`,
			"ranges[0][0].rangeStart", "not in 10.0.0.0/24",
		},
		"end of the other family": {
			`{"ranges": [[{"subnet": "10.0.0.0/24", "rangeEnd": "fd00::1"}]]}`,
			"ranges[0][0].rangeEnd", "not in 10.0.0.0/24",
		},
		"end no address": {
			`{"ranges": [[{"subnet": "10.0.0.0/24", "rangeEnd": "x"}]]}`,
			"ranges[0][0].rangeEnd", "an IP address is needed",
		},
		"end with a zone": {
			`{"ranges": [[{"subnet": "fe80::/64", "rangeEnd": "fe80::9%eth0"}]]}`,
			"ranges[0][0].rangeEnd", "an IP address",
		},
		"end before start": {
			`{"subnet": "10.0.0.0/24", "rangeStart": "10.0.0.9", "rangeEnd": "10.0.0.8"}`,
			"rangeEnd", "before the range's start",
		},
		"only the network address": {
			`{"subnet": "10.0.0.0/24", "rangeStart": "10.0.0.0", "rangeEnd": "10.0.0.0"}`,
			"subnet", "no address to lease",
		},
		"only the gateway": {
			`{"subnet": "10.0.0.0/24", "rangeEnd": "10.0.0.1"}`,
			"subnet", "no address to lease",
		},
		"gateway no address": {
			`{"subnet": "10.0.0.0/24", "gateway": "10.0.0.1/24"}`,
			"gateway", "an IP address is needed",
		},
		"gateway of other family": {`{"subnet": "10.0.0.0/24", "gateway": "fd00::1"}`, "gateway", "address family"},
		"empty set":               {`{"ranges": [[{"subnet": "10.0.0.0/24"}], []]}`, "ranges[1]", "needs a range"},
		"families mixed in a set": {
			`{"ranges": [[{"subnet": "10.0.0.0/24"}, {"subnet": "fd00::/64"}]]}`,
			"ranges[0][1].subnet", "a set of its own",
		},
		"overlap in a set": {
			`{"ranges": [[{"subnet": "10.0.0.0/24"}, {"subnet": "10.0.0.0/16"}]]}`,
			"ranges[0][1].subnet", "overlaps ranges[0][0]",
		},
		"overlap of sets": {
			`{"ranges": [[{"subnet": "10.0.1.0/24"}], [{"subnet": "10.0.0.0/16"}]]}`,
			"ranges[0][0].subnet", "overlaps ranges[1][0], 10.0.0.1-10.0.255.254",
		},
		"overlap with short form": {
			`{"subnet": "10.0.0.0/16", "ranges": [[{"subnet": "10.0.9.0/24"}]]}`,
			"ranges[0][0].subnet", "overlaps subnet",
		},
		"route without destination": {`{"routes": [{"gw": "10.0.0.1"}]}`, "routes[0].dst", "a prefix"},
		"route with host bits": {
			`{"routes": [{"dst": "0.0.0.0/0"}, {"dst": "10.0.0.1/8"}]}`,
			"routes[1].dst", "10.0.0.0/8",
		},
		"route over other family": {
			`{"routes": [{"dst": "0.0.0.0/0", "gw": "fd00::1"}]}`,
			"routes[0].gw", "address family",
		},
		"route with negative mtu": {
			`{"routes": [{"dst": "0.0.0.0/0", "mtu": -1}]}`,
			"routes[0].mtu", "not below 0",
		},
		"relative data directory": {`{"dataDir": "pool"}`, "dataDir", "absolute"},
		"relative import":         {`{"importFrom": "../networks"}`, "importFrom", "absolute"},
		"relative resolv.conf":    {`{"resolvConf": "resolv.conf"}`, "resolvConf", "absolute"},
	} {
		t.Run(name, func(t *testing.T) {
			var conf Config
			if err := json.Unmarshal([]byte(c.conf), &conf); err != nil {
				t.Fatal(err)
			}
			err := conf.Validate()
			var bad *ConfigError
			if !errors.As(err, &bad) {
				t.Fatalf("got %v, want a ConfigError", err)
			}
			if bad.Path != c.path || !strings.Contains(bad.Reason, c.reason) {
				t.Errorf("got %v; want path %s and %q", err, c.path, c.reason)
			}
		})
	}
}

func TestImportFromThePoolsOwnDirectory(t *testing.T) {
	for _, from := range []string{"/var/lib/cni/networks", "/var/lib/cni/networks/podnet/"} {
		conf := Config{Subnet: "10.0.0.0/24", DataDir: "/var/lib/cni/networks/", ImportFrom: from}
		fails(t, conf.Validate(), "the pool's own directory")
	}
}

func TestRangesThatTouchDoNotOverlap(t *testing.T) {
	conf := Config{Ranges: [][]Range{
		{{"10.0.0.0/24", "10.0.0.10", "10.0.0.19", ""}, {"10.0.0.0/24", "10.0.0.20", "10.0.0.29", ""}},
		{{"10.0.0.0/24", "10.0.0.30", "10.0.0.39", ""}},
		{{Subnet: "fd00::/64"}},
	}}
	if err := conf.Validate(); err != nil {
		t.Error(err)
	}
}

func TestBlocksAreCutByTheAddress(t *testing.T) {
	for _, c := range []struct {
		address, base string
		i             int
	}{
		{"10.0.0.5", "10.0.0.0", 5},
		{"10.0.127.255", "10.0.0.0", 32767},
		{"10.0.128.0", "10.0.128.0", 0},
		{"fd00::1:8001", "fd00::1:8000", 1},
		{"255.255.255.255", "255.255.128.0", 32767},
	} {
		a := netip.MustParseAddr(c.address)
		base, i := blockOf(a)
		if base.String() != c.base || i != c.i || inBlock(base, i) != a {
			t.Errorf("%s is number %d of %s, back again %s; want %d of %s", a, i, base, inBlock(base, i), c.i, c.base)
		}
	}
}

func TestTourEndsAtThePosition(t *testing.T) {
	conf := Config{Ranges: [][]Range{{{Subnet: "10.0.0.0/29"}, {Subnet: "10.1.0.0/29"}, {Subnet: "10.2.0.0/29"}}}}
	sets, err := conf.sets(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ at, want string }{
		"no position":  {"", "10.0.0.1-10.0.0.6 10.1.0.1-10.1.0.6 10.2.0.1-10.2.0.6"},
		"in a range":   {"10.1.0.3", "10.1.0.4-10.1.0.6 10.2.0.1-10.2.0.6 10.0.0.1-10.0.0.6 10.1.0.1-10.1.0.3"},
		"at an end":    {"10.1.0.6", "10.2.0.1-10.2.0.6 10.0.0.1-10.0.0.6 10.1.0.1-10.1.0.6"},
		"in another":   {"10.9.0.6", "10.0.0.1-10.0.0.6 10.1.0.1-10.1.0.6 10.2.0.1-10.2.0.6"},
		"at the start": {"10.0.0.1", "10.0.0.2-10.0.0.6 10.1.0.1-10.1.0.6 10.2.0.1-10.2.0.6 10.0.0.1-10.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			var pos position
			if c.at != "" {
				pos = position{netip.MustParseAddr("fd00::1"), netip.MustParseAddr(c.at)}
			}
			var got []string
			for _, s := range sets[0].tour(pos) {
				got = append(got, s.first.String()+"-"+s.last.String())
			}
			if diff := cmp.Diff(c.want, strings.Join(got, " ")); diff != "" {
				t.Error(diff)
			}
		})
	}
}
