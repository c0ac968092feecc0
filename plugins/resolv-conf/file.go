// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/cni-chain/cni-chain/shared/owner"
	"github.com/cni-chain/cni-chain/shared/resolv"
)

// A file of ours holds all that is needed to take any part out again and to put back what was there before, in comment
// lines that no resolver reads, followed by the lines that all the parts come to:
//
//	# Written by cni-chain resolv-conf: ...
//	# cni-chain:podnet/c1/eth0 nameserver 10.0.0.53
//	# cni-chain:podnet/c1/eth0 inherited search example.org
//	# was: nameserver 192.0.2.1
//	nameserver 10.0.0.53
//	search example.org
//
// So one rename puts a file aside and replaces it, and there is no moment at which a crash could lose either. A line
// of a part has one value: a resolver that reads a long line in pieces never finds a keyword and a value in one.
const (
	headline  = "Written by cni-chain resolv-conf: a line per part and owner, then what they come to. Edits do not last."
	inherited = "inherited "
	wasLine   = "was:"
	wasEnd    = "was-end:"  // the last line, of a file that had no line break at its end
	wasLink   = "was-link:" // a symbolic link, its target quoted
)

// part is what one attachment contributes to a file.
type part struct {
	tag string
	// said comes from the runtime, the configuration or a previous link.
	said resolv.Config
	// inherited comes from the host, and gives way to what any part says.
	inherited resolv.Config
}

// original is what stood in a file's place before: a text or a symbolic link.
type original struct {
	link bool
	text string
}

// content is what a file of ours says.
type content struct {
	parts []part
	was   *original // nil: there was nothing
}

// parse takes a file apart; ours is false when no line carries a tag. Its values are judged again, as whoever runs in a
// container can write to the container's file.
func parse(data []byte) (c content, ours bool) {
	var was strings.Builder
	kept := false
	index := map[string]int{} // by tag: the file may be hostile, and a search per line is too much for a long one
	for line := range strings.SplitSeq(string(data), "\n") {
		text, ok := strings.CutPrefix(line, "# ")
		if !ok {
			continue
		}
		word, rest, _ := strings.Cut(text, " ")
		switch {
		case word == wasLine:
			was.WriteString(rest + "\n")
			kept = true
		case word == wasEnd:
			was.WriteString(rest)
			kept = true
		case word == wasLink:
			if target, err := strconv.Unquote(rest); err == nil {
				c.was = &original{link: true, text: target}
			}
		default:
			if _, ok := owner.Parse(word); !ok {
				continue
			}
			i, known := index[word]
			if !known {
				i = len(c.parts)
				index[word] = i
				c.parts = append(c.parts, part{tag: word})
			}
			c.parts[i].add(rest)
		}
	}
	if kept {
		c.was = &original{text: was.String()}
	}
	for i := range c.parts {
		p := &c.parts[i]
		p.said, _ = p.said.Clean()
		p.inherited, _ = p.inherited.Clean()
	}
	return c, len(c.parts) > 0
}

// add reads one line of a part.
func (p *part) add(text string) {
	config := &p.said
	if rest, ok := strings.CutPrefix(text, inherited); ok {
		config, text = &p.inherited, rest
	}
	keyword, value, _ := strings.Cut(text, " ")
	switch keyword {
	case "":
	case "nameserver":
		config.Servers = append(config.Servers, value)
	case "domain":
		config.Domain = value
	case "search":
		config.Search = append(config.Search, value)
	case "options":
		config.Options = append(config.Options, value)
	default:
		config.Other = append(config.Other, text)
	}
}

// find is the index of the owner's part, or -1.
func (c *content) find(tag string) int {
	return slices.IndexFunc(c.parts, func(p part) bool { return p.tag == tag })
}

// with is c with the part in place of one of the same owner, or at the end.
func (c content) with(p part) content {
	c.parts = slices.Clone(c.parts)
	if i := c.find(p.tag); i >= 0 {
		c.parts[i] = p
	} else {
		c.parts = append(c.parts, p)
	}
	return c
}

// without is c without the parts that gone says.
func (c content) without(gone func(tag string) bool) content {
	c.parts = slices.DeleteFunc(slices.Clone(c.parts), func(p part) bool { return gone(p.tag) })
	return c
}

// bytes is the file, and what of the parts no resolver would read.
func (c content) bytes() (data []byte, cut []string) {
	var b bytes.Buffer
	comment := func(words ...string) { b.WriteString("# " + strings.Join(words, " ") + "\n") }
	comment(headline)
	for _, p := range c.parts {
		lines := p.lines()
		for _, line := range lines {
			comment(p.tag, line)
		}
		if len(lines) == 0 {
			comment(p.tag)
		}
	}
	if c.was != nil {
		c.was.comment(comment)
	}
	config, cut := c.effective()
	file := &resolv.File{}
	file.Set(config)
	b.Write(file.Bytes())
	return b.Bytes(), cut
}

// comment writes the lines that keep the original.
func (o *original) comment(write func(words ...string)) {
	if o.link {
		write(wasLink, strconv.Quote(o.text))
		return
	}
	lines := strings.Split(o.text, "\n")
	last := len(lines) - 1
	for _, line := range lines[:last] {
		write(wasLine, line)
	}
	if lines[last] != "" || last == 0 {
		write(wasEnd, lines[last])
	}
}

// lines are the part's values, one a line.
func (p part) lines() []string {
	return append(valueLines(p.said, ""), valueLines(p.inherited, inherited)...)
}

func valueLines(c resolv.Config, prefix string) []string {
	var lines []string
	add := func(keyword string, values ...string) {
		for _, value := range values {
			lines = append(lines, prefix+keyword+value)
		}
	}
	add("nameserver ", c.Servers...)
	if c.Domain != "" {
		add("domain ", c.Domain)
	}
	add("search ", c.Search...)
	add("options ", c.Options...)
	add("", c.Other...)
	return lines
}

// effective is what the parts come to, as far as resolvers read it: per field what any of them says, in the order in
// which they came, or else what they inherited.
func (c content) effective() (config resolv.Config, cut []string) {
	var said, inherited []resolv.Config
	for _, p := range c.parts {
		said = append(said, p.said)
		inherited = append(inherited, p.inherited)
	}
	config, rest := union(said), union(inherited)
	if len(config.Servers) == 0 {
		config.Servers = rest.Servers
	}
	if len(config.Search) == 0 && config.Domain == "" {
		config.Search, config.Domain = rest.Search, rest.Domain
	}
	if len(config.Options) == 0 {
		config.Options = rest.Options
	}
	config.Other = append(config.Other, rest.Other...)
	return config.Limit()
}

// union is what the configurations say together, the first before the others. Where more than one names domains, a
// local domain counts as a search list of one, which is what it is to resolvers.
func union(configs []resolv.Config) resolv.Config {
	var u resolv.Config
	domains := 0
	for _, c := range configs {
		u.Servers = append(u.Servers, c.Servers...)
		u.Options = append(u.Options, c.Options...)
		u.Other = append(u.Other, c.Other...)
		switch {
		case len(c.Search) > 0:
			u.Search = append(u.Search, c.Search...)
			domains++
		case c.Domain != "":
			u.Domain = c.Domain
			u.Search = append(u.Search, c.Domain)
			domains++
		}
	}
	if domains == 1 && u.Domain != "" {
		u.Search = nil
	}
	if domains > 1 {
		u.Domain = ""
	}
	return tidy(u)
}

// tidy leaves the first of options with one name, and "no search list" only where there is none.
func tidy(c resolv.Config) resolv.Config {
	seen := map[string]bool{}
	c.Options = slices.DeleteFunc(slices.Clone(c.Options), func(option string) bool {
		name := resolv.OptionName(option)
		defer func() { seen[name] = true }()
		return seen[name]
	})
	if slices.ContainsFunc(c.Search, func(domain string) bool { return domain != "." }) {
		c.Search = slices.DeleteFunc(slices.Clone(c.Search), func(domain string) bool { return domain == "." })
	}
	return c
}
