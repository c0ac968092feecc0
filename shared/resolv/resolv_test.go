// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package resolv

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestConfigReadsAsResolversDo(t *testing.T) {
	for _, tc := range []struct {
		name, file string
		want       Config
	}{
		{"empty", "", Config{}},
		{"everything", "# by hand\nnameserver 192.0.2.1\nnameserver 2001:db8::1\ndomain a.example\n" +
			"options ndots:1 ndots:2 rotate\noptions edns0\noptions rotate\nsortlist 192.0.2.0/24\n",
			Config{Servers: []string{"192.0.2.1", "2001:db8::1"}, Domain: "a.example",
				Options: []string{"ndots:2", "edns0", "rotate"}, Other: []string{"sortlist 192.0.2.0/24"}}},
		{"last of domain and search wins: search", "domain a\nsearch b c\n", Config{Search: []string{"b", "c"}}},
		{"last of domain and search wins: domain", "search b c\ndomain a\n", Config{Domain: "a"}},
		{"last search wins", "search a b\nsearch c\n", Config{Search: []string{"c"}}},
		{"search nothing", "search .\n", Config{Search: []string{"."}}},
		{"search without a word says nothing", "search a\nsearch\nsearch \n", Config{Search: []string{"a"}}},
		{"tabs, carriage returns, no final line break", "nameserver\t192.0.2.1\r\nsearch\ta \t b\r",
			Config{Servers: []string{"192.0.2.1"}, Search: []string{"a", "b"}}},
		{"comments behind values", "nameserver 192.0.2.1 # one\nsearch a ; b\nnameserver 192.0.2.2#x\nnameserver #\n",
			Config{Servers: []string{"192.0.2.1", "192.0.2.2"}, Search: []string{"a"}}},
		{"indented and commented lines do not count", " nameserver 192.0.2.1\n\tsearch a\n#nameserver 192.0.2.2\n;search b\n",
			Config{}},
		{"keywords are words", "nameservers 192.0.2.1\nnameserver192.0.2.1\n",
			Config{Other: []string{"nameservers 192.0.2.1", "nameserver192.0.2.1"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			file := Parse([]byte(tc.file))
			if diff := cmp.Diff(tc.want, file.Config()); diff != "" {
				t.Errorf("Config (-want +got):\n%s", diff)
			}
			if got := string(file.Bytes()); got != tc.file {
				t.Errorf("Bytes() = %q, want %q", got, tc.file)
			}
		})
	}
}

func TestSetKeepsComments(t *testing.T) {
	file := Parse([]byte("# head\nnameserver 192.0.2.1\n\n; between\nsearch a b\n" +
		"sortlist 192.0.2.0\n  indented\noptions x"))
	file.Set(Config{Servers: []string{"192.0.2.9"}, Domain: "d", Search: []string{"s"}, Options: []string{"ndots:1"}})
	want := "# head\n\n; between\n  indented\nnameserver 192.0.2.9\nsearch s\noptions ndots:1\n"
	if diff := cmp.Diff(want, string(file.Bytes())); diff != "" {
		t.Errorf("Bytes (-want +got):\n%s", diff)
	}
}

func TestLongOptionsStayReadable(t *testing.T) {
	var want []string
	for i := range 40 {
		want = append(want, strings.Repeat("o", 20+i))
	}
	file := &File{}
	file.Set(Config{Options: want})
	for line := range strings.Lines(string(file.Bytes())) {
		if len(line) > maxLine+1 {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
	if diff := cmp.Diff(want, file.Config().Options); diff != "" {
		t.Errorf("Options (-want +got):\n%s", diff)
	}
}

func TestLimit(t *testing.T) {
	words := func(format string, n int) (list []string) {
		for i := range n {
			list = append(list, strings.ReplaceAll(format, "N", string(rune('a'+i))))
		}
		return list
	}
	for _, tc := range []struct {
		name     string
		in, want Config
		cut      []string // each a part of one sentence
	}{
		{"nothing", Config{}, Config{}, nil},
		{"empty lists stay empty", Config{Search: []string{}}, Config{Search: []string{}}, nil},
		{"four servers", Config{Servers: []string{"1.1.1.1", "2.2.2.2", "1.1.1.1", "3.3.3.3", "4.4.4.4"}},
			Config{Servers: []string{"1.1.1.1", "2.2.2.2", "3.3.3.3"}}, []string{"4.4.4.4"}},
		{"eight domains", Config{Search: words("N.example", 8)}, Config{Search: words("N.example", 6)},
			[]string{"g.example, h.example"}},
		{"domains too long together", Config{Search: words("N"+strings.Repeat("x", 60)+".example", 5)},
			Config{Search: words("N"+strings.Repeat("x", 60)+".example", 3)}, []string{"dxxx"}},
		{"repeated options keep their meaning", Config{Options: []string{"ndots:1", "ndots:2", "ndots:1"}},
			Config{Options: []string{"ndots:1", "ndots:2", "ndots:1"}}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, cut := tc.in.Limit()
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("Limit (-want +got):\n%s", diff)
			}
			if len(cut) != len(tc.cut) {
				t.Fatalf("cut %q, want %d sentences", cut, len(tc.cut))
			}
			for i, part := range tc.cut {
				if !strings.Contains(cut[i], part) {
					t.Errorf("cut %q does not name %q", cut[i], part)
				}
			}
		})
	}
}

func TestLimitedFileFitsEveryResolver(t *testing.T) {
	c, cut := Config{Search: []string{strings.Repeat("a.", 125) + "aa", "b"}}.Limit()
	if len(cut) == 0 || len(c.Search) != 0 {
		t.Errorf("a domain of 252 characters leaves %q, cut %q", c.Search, cut)
	}
	c, _ = Config{Search: []string{strings.Repeat("a.", 122) + "aaa", "b"}}.Limit()
	file := &File{}
	file.Set(c)
	if content := file.Bytes(); len(content) != 255 || !slices.Equal(file.Config().Search, c.Search) {
		t.Errorf("%d bytes, search %q", len(content), c.Search)
	}
}
