// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package resolv

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCheck(t *testing.T) {
	long := strings.Repeat("a", 63)
	for _, tc := range []struct {
		name     string
		check    func(string) error
		ok, fail []string
	}{
		{"server", CheckServer,
			[]string{"192.0.2.1", "2001:db8::1", "fe80::1%eth0", "fe80::1", "::1", "127.0.0.1", "::ffff:192.0.2.1"},
			[]string{"", "192.0.2", "192.0.2.1/24", "192.0.2.1:53", "[::1]", "dns.example", " 192.0.2.1", "192.0.2.1\n",
				"192.0.2.1 192.0.2.2", "fe80::1%", "fe80::1%a b", "fe80::1%a\nnameserver 192.0.2.1", "fe80::1%a/b",
				"fe80::1%0123456789abcdef", "2001:db8::1%eth0", "192.0.2.1%eth0", "010.0.0.1"}},
		{"domain", CheckDomain,
			[]string{".", "a", "a.example", "a.example.", "_tcp.example", "xn--bcher-kva.example", "10.in-addr.arpa", long,
				strings.Repeat("a.", 126) + "a"},
			[]string{"", "..", ".a", "a..b", "-a", "a-", "a b", "a\n", "a\nsearch b", "b\u00fccher.example", "a#b", "a;",
				long + "a", strings.Repeat("a.", 126) + "aa", "a\x00", "*.example", "~example"}},
		{"option", CheckOption,
			[]string{"ndots:5", "rotate", "single-request-reopen", "timeout:1"},
			[]string{"", "a b", "a\n", "a\nnameserver 1.1.1.1", "a#", ";a", "a\tb", "\u00fc", "a\x7f",
				strings.Repeat("a", 65)}},
		{"other", checkOther,
			[]string{"sortlist 192.0.2.0/24 198.51.100.0", "lookup file bind"},
			[]string{"", "# x", " sortlist 1", "nameserver 192.0.2.1", "search a", "domain a", "options a",
				"sortlist a\nnameserver b", "sortlist \x00"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, v := range tc.ok {
				if err := tc.check(v); err != nil {
					t.Errorf("%q: %v", v, err)
				}
			}
			for _, v := range tc.fail {
				if tc.check(v) == nil {
					t.Errorf("%q is accepted", v)
				}
			}
		})
	}
}

func TestCleanAndValidate(t *testing.T) {
	c := Config{Servers: []string{"x", "192.0.2.1"}, Domain: "a b", Search: []string{"-"}, Options: []string{"a b", "c"},
		Other: []string{"nameserver x"}}
	clean, refused := c.Clean()
	want := Config{Servers: []string{"192.0.2.1"}, Search: []string{}, Options: []string{"c"}, Other: []string{}}
	if diff := cmp.Diff(want, clean); diff != "" || len(refused) != 5 {
		t.Errorf("Clean refused %q (-want +got):\n%s", refused, diff)
	}
	err := c.Validate()
	if err == nil || !strings.Contains(err.Error(), `"x"`) || !strings.Contains(err.Error(), `"a b"`) {
		t.Errorf("Validate() = %v", err)
	}
	if err := clean.Validate(); err != nil {
		t.Errorf("Validate() of what Clean left = %v", err)
	}
	if err := (Config{}).Validate(); err != nil {
		t.Errorf("Validate() of nothing = %v", err)
	}
}

// FuzzParse holds that a file nobody set anything in is written back as it was, that what was read can be written and
// read again, and that no value that passes Clean adds a line or a word.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "\n", "nameserver 192.0.2.1\nsearch a b\noptions ndots:5\nsortlist 192.0.2.0/24\n# c\n", "search .",
		"domain a\r\nsearch b\r\n", "nameserver fe80::1%eth0#x\n\n\n;",
		"\x00\xff\nsearch \xff\n", "options\v\fa\n nameserver 1",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file := Parse(data)
		if got := file.Bytes(); string(got) != string(data) {
			t.Fatalf("Parse(%q).Bytes() = %q", data, got)
		}
		before := comments(file)
		clean, _ := file.Config().Clean()
		file.Set(clean)
		got := Parse(file.Bytes())
		if diff := cmp.Diff(normal(clean), normal(got.Config())); diff != "" {
			t.Fatalf("%q: read back (-set +got):\n%s", data, diff)
		}
		if diff := cmp.Diff(before, comments(got)); diff != "" {
			t.Fatalf("%q: comments (-before +after):\n%s", data, diff)
		}
		file.Set(Config{})
		if diff := cmp.Diff(Config{}, file.Config()); diff != "" {
			t.Fatalf("%q: after Set of nothing:\n%s", data, diff)
		}
	})
}

// FuzzSet holds that what Validate accepts is read back as it was set.
func FuzzSet(f *testing.F) {
	f.Add("192.0.2.1", "a.example", "b", "ndots:5", "sortlist 1")
	f.Add("fe80::1%a\nnameserver 192.0.2.1", "a\nsearch b", "b\n#", "a\noptions b", "x\ny")
	f.Fuzz(func(t *testing.T, server, domain, search, option, other string) {
		c := Config{Servers: []string{server}, Search: []string{search}, Options: []string{option}, Other: []string{other}}
		for _, c := range []Config{c, {Servers: c.Servers, Domain: domain}, {Search: c.Search}, {Options: c.Options},
			{Other: c.Other}} {
			if c.Validate() != nil {
				continue
			}
			file := &File{}
			file.Set(c)
			for i := range c.Other {
				c.Other[i] = strings.TrimRight(c.Other[i], blanks)
			}
			if diff := cmp.Diff(normal(c), normal(Parse(file.Bytes()).Config())); diff != "" {
				t.Fatalf("read back (-set +got):\n%s", diff)
			}
		}
	})
}

// normal has nil for lists that say nothing, as a file cannot tell them from empty ones.
func normal(c Config) Config {
	for _, list := range []*[]string{&c.Servers, &c.Search, &c.Options, &c.Other} {
		if len(*list) == 0 {
			*list = nil
		}
	}
	return c
}

// comments is the file without what it says.
func comments(file *File) string {
	rest := Parse(file.Bytes())
	rest.Set(Config{})
	return string(rest.Bytes())
}
