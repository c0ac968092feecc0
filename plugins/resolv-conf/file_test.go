// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/cni-chain/cni-chain/shared/resolv"
)

const (
	tagA = "cni-chain:a/c1/eth0"
	tagB = "cni-chain:b/c1/eth1"
)

var sameContent = []cmp.Option{cmp.AllowUnexported(content{}, part{}, original{}), cmpopts.EquateEmpty()}

func TestFileText(t *testing.T) {
	a := part{tag: tagA, said: resolv.Config{Servers: []string{"192.0.2.1", "192.0.2.2"}, Search: []string{"a.example"}},
		inherited: resolv.Config{Options: []string{"ndots:2"}, Other: []string{"sortlist 192.0.2.0"}}}
	b := part{tag: tagB, said: resolv.Config{Servers: []string{"192.0.2.2", "198.51.100.1", "198.51.100.2"},
		Domain: "b.example", Options: []string{"ndots:5"}}}
	nothing := part{tag: tagB}
	for _, tc := range []struct {
		name      string
		content   content
		want, cut string
	}{
		{"one part", content{parts: []part{a}}, `# cni-chain:a/c1/eth0 nameserver 192.0.2.1
# cni-chain:a/c1/eth0 nameserver 192.0.2.2
# cni-chain:a/c1/eth0 search a.example
# cni-chain:a/c1/eth0 inherited options ndots:2
# cni-chain:a/c1/eth0 inherited sortlist 192.0.2.0
nameserver 192.0.2.1
nameserver 192.0.2.2
search a.example
options ndots:2
sortlist 192.0.2.0
`, ""},
		{"two parts: what is said wins over what is inherited", content{parts: []part{a, b}},
			`# cni-chain:a/c1/eth0 nameserver 192.0.2.1
# cni-chain:a/c1/eth0 nameserver 192.0.2.2
# cni-chain:a/c1/eth0 search a.example
# cni-chain:a/c1/eth0 inherited options ndots:2
# cni-chain:a/c1/eth0 inherited sortlist 192.0.2.0
# cni-chain:b/c1/eth1 nameserver 192.0.2.2
# cni-chain:b/c1/eth1 nameserver 198.51.100.1
# cni-chain:b/c1/eth1 nameserver 198.51.100.2
# cni-chain:b/c1/eth1 domain b.example
# cni-chain:b/c1/eth1 options ndots:5
nameserver 192.0.2.1
nameserver 192.0.2.2
nameserver 198.51.100.1
search a.example b.example
options ndots:5
sortlist 192.0.2.0
`, "198.51.100.2"},
		{"a part that says nothing", content{parts: []part{nothing}}, "# cni-chain:b/c1/eth1\n", ""},
		{"a file was there", content{parts: []part{nothing}, was: &original{text: "# x\n\nnameserver 1.1.1.1\n"}},
			"# cni-chain:b/c1/eth1\n# was: # x\n# was: \n# was: nameserver 1.1.1.1\n", ""},
		{"an empty file was there", content{parts: []part{nothing}, was: &original{}},
			"# cni-chain:b/c1/eth1\n# was-end: \n", ""},
		{"a file without its last line break", content{parts: []part{nothing}, was: &original{text: "a\nb"}},
			"# cni-chain:b/c1/eth1\n# was: a\n# was-end: b\n", ""},
		{"a link was there", content{parts: []part{nothing}, was: &original{link: true, text: "../run/a\nb"}},
			"# cni-chain:b/c1/eth1\n# was-link: \"../run/a\\nb\"\n", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			data, cut := tc.content.bytes()
			if diff := cmp.Diff("# "+headline+"\n"+tc.want, string(data)); diff != "" {
				t.Errorf("file (-want +got):\n%s", diff)
			}
			if !strings.Contains(strings.Join(cut, "\n"), tc.cut) || (len(cut) > 0) != (tc.cut != "") {
				t.Errorf("cut %q, want %q", cut, tc.cut)
			}
			got, ours := parse(data)
			if diff := cmp.Diff(tc.content, got, sameContent...); !ours || diff != "" {
				t.Errorf("parsed, ours %v (-want +got):\n%s", ours, diff)
			}
		})
	}
}

func TestForeignFilesAreNotOurs(t *testing.T) {
	for _, text := range []string{
		"", "nameserver 192.0.2.1\n", "# " + headline + "\n", "#" + tagA + "\n", "# x " + tagA + "\n", tagA + "\n",
		"# cni-chain:\n", "# was: " + tagA + "\n", "# cni-chain:a/b\n",
	} {
		if c, ours := parse([]byte(text)); ours {
			t.Errorf("%q is ours: %+v", text, c)
		}
	}
}

func TestValuesOfAFileAreJudged(t *testing.T) {
	text := "# " + tagA + " nameserver evil\n# " + tagA + " nameserver 192.0.2.1 192.0.2.2\n# " + tagA + " search a b\n" +
		"# " + tagA + " inherited options x y\n# " + tagA + " nameserver 192.0.2.3\n"
	c, _ := parse([]byte(text))
	config, _ := c.effective()
	if diff := cmp.Diff(resolv.Config{Servers: []string{"192.0.2.3"}}, config, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPartsComeAndGo(t *testing.T) {
	a, b := part{tag: tagA, said: resolv.Config{Servers: []string{"192.0.2.1"}}}, part{tag: tagB}
	both := content{was: &original{text: "x"}}.with(a).with(b)
	again := part{tag: tagA, said: resolv.Config{Servers: []string{"192.0.2.9"}}}
	if got := both.with(again); len(got.parts) != 2 || got.find(tagA) != 0 || got.parts[0].said.Servers[0] != "192.0.2.9" {
		t.Errorf("a part of the same owner: %+v", got)
	}
	if both.parts[0].said.Servers[0] != "192.0.2.1" {
		t.Error("with changes what it is called on")
	}
	if got := both.without(func(tag string) bool { return tag == tagA }); got.find(tagA) >= 0 || got.find(tagB) < 0 {
		t.Errorf("without A: %+v", got)
	}
}

func TestUnion(t *testing.T) {
	config := func(domain string, search ...string) resolv.Config {
		return resolv.Config{Domain: domain, Search: search}
	}
	for _, tc := range []struct {
		name string
		in   []resolv.Config
		want resolv.Config
	}{
		{"one domain stays one", []resolv.Config{{}, config("a")}, config("a")},
		{"a domain beside a search list", []resolv.Config{config("a"), config("", "b")}, config("", "a", "b")},
		{"a search list wins over its own domain", []resolv.Config{config("a", "b")}, config("", "b")},
		{"no search list beside one", []resolv.Config{config("", "."), config("", "b")}, config("", "b")},
		{"no search list alone", []resolv.Config{config("", ".")}, config("", ".")},
		{"the first of options with one name",
			[]resolv.Config{{Options: []string{"ndots:1", "edns0"}}, {Options: []string{"ndots:2"}}},
			resolv.Config{Options: []string{"ndots:1", "edns0"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, union(tc.in), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// FuzzKeep holds that whatever was there comes back, and that it can add nothing to what the parts say.
func FuzzKeep(f *testing.F) {
	for _, seed := range []string{
		"", "\n", "a", "nameserver 1.1.1.1\n\n# was: x\n", "# " + tagA + " nameserver 1.1.1.1\n", "\r\n\x00\xff",
	} {
		f.Add(seed, false)
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, text string, link bool) {
		a := part{tag: tagB, said: resolv.Config{Servers: []string{"192.0.2.1"}}}
		c := content{was: &original{link: link, text: text}}.with(a)
		data, _ := c.bytes()
		got, ours := parse(data)
		if diff := cmp.Diff(c, got, sameContent...); !ours || diff != "" {
			t.Fatalf("parsed, ours %v (-want +got):\n%s", ours, diff)
		}
		if diff := cmp.Diff(a.said, resolv.Parse(data).Config()); diff != "" {
			t.Fatalf("the resolver reads (-want +got):\n%s", diff)
		}
	})
}

// FuzzParse holds that any file can be read, that what it is read as is written and read again, and that no value in it
// gets into a line that a resolver reads without being what its place asks for.
func FuzzParse(f *testing.F) {
	f.Add([]byte("# " + tagA + " nameserver 192.0.2.1\n# was: x\n# was-end: \n# was-link: \"a\"\n"))
	f.Add([]byte("# " + tagA + " inherited search a b\n# " + tagB + "\n# " + tagA + " sortlist\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, ours := parse(data)
		if !ours {
			return
		}
		first, _ := c.bytes()
		again, ours := parse(first)
		second, _ := again.bytes()
		if diff := cmp.Diff(string(first), string(second)); !ours || diff != "" {
			t.Fatalf("%q: ours %v (-first +second):\n%s", data, ours, diff)
		}
		if err := resolv.Parse(first).Config().Validate(); err != nil {
			t.Fatalf("%q: %v", data, err)
		}
	})
}
