// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRequestsFindTheirSet(t *testing.T) {
	conf := Config{Subnet: "10.0.0.0/24", Ranges: [][]Range{
		{{Subnet: "10.1.0.0/24"}, {Subnet: "10.2.0.0/24"}},
		{{Subnet: "fd00::/64"}},
	}}
	for name, c := range map[string]struct {
		ips          []string
		want, reason string
	}{
		"nothing":              {nil, "any any any", ""},
		"one":                  {[]string{"10.0.0.5"}, "10.0.0.5 any any", ""},
		"with prefix length":   {[]string{"10.2.0.5/24"}, "any 10.2.0.5 any", ""},
		"all, in any order":    {[]string{"fd00:0::5/64", "10.1.0.5", "10.0.0.5"}, "10.0.0.5 10.1.0.5 fd00::5", ""},
		"twice the same":       {[]string{"10.0.0.5", "10.0.0.5/16"}, "10.0.0.5 any any", ""},
		"mapped":               {[]string{"::ffff:10.0.0.5"}, "10.0.0.5 any any", ""},
		"two of one set":       {[]string{"10.1.0.5", "10.2.0.5"}, "", `ips[1]: "10.2.0.5": a second address of`},
		"in no range":          {[]string{"10.3.0.5"}, "", "not in the ranges 10.0.0.1-10.0.0.254, 10.1.0.1"},
		"the gateway":          {[]string{"10.1.0.1"}, "", "is a gateway"},
		"the network":          {[]string{"10.1.0.0"}, "", "not in the ranges"},
		"broadcast":            {[]string{"10.1.0.255/24"}, "", "not in the ranges"},
		"no address":           {[]string{"10.0.0.5", "ten"}, "", `ips[1]: "ten": an IP address is needed`},
		"no prefix length":     {[]string{"10.0.0.5/"}, "", "an IP address is needed"},
		"prefix length beyond": {[]string{"10.0.0.5/33"}, "", "an IP address is needed"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := conf.plan(Request{IPs: c.ips})
			if c.reason != "" {
				if err == nil || !strings.Contains(err.Error(), c.reason) {
					t.Fatalf("got %v, want %q", err, c.reason)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, a := range p.wanted {
				got = append(got, strings.Replace(a.String(), "invalid IP", "any", 1))
			}
			if diff := cmp.Diff(c.want, strings.Join(got, " ")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRequestedRangesComeFirst(t *testing.T) {
	conf := Config{Subnet: "10.0.0.0/24", Ranges: [][]Range{{{Subnet: "10.1.0.0/24"}}}}
	p, err := conf.plan(Request{Ranges: [][]Range{{{Subnet: "10.2.0.0/24"}}}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range p.sets {
		got = append(got, s.spans[0].first.String())
	}
	if diff := cmp.Diff([]string{"10.2.0.1", "10.0.0.1", "10.1.0.1"}, got); diff != "" {
		t.Error(diff)
	}
	_, err = conf.plan(Request{Ranges: [][]Range{{{Subnet: "10.2.0.0/24"}, {Subnet: "10.2.0.9/24"}}}})
	if err == nil || !strings.Contains(err.Error(), "ipRanges[0][1].subnet") {
		t.Errorf("got %v", err)
	}
	if _, err = (&Config{}).plan(Request{}); err == nil || !strings.Contains(err.Error(), "no range to lease from") {
		t.Errorf("got %v", err)
	}
}
