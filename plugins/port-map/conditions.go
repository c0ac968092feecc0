// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/shared/nft"
)

// condition is one match that a packet must pass to be mapped.
type condition struct {
	what       conditionKind
	not        bool
	prefix     netip.Prefix // of source and destination
	link       string       // with a "*" at its end: all whose names start so
	mark, mask uint32
}

type conditionKind string

const (
	condSource      conditionKind = "source address"
	condDestination conditionKind = "destination address"
	condLink        conditionKind = "interface"
	condMark        conditionKind = "mark"
)

// supported is what the errors say.
const supported = "supported are: ip|ip6 saddr|daddr [!=] PREFIX, iifname|iif [!=] NAME, meta mark [!=] NUMBER " +
	"(nft); [!] -s|-d PREFIX, [!] -i NAME, -m mark [!] --mark NUMBER[/MASK] (iptables)"

var errConditionEnd = errors.New("ends in the middle; " + supported)

// parseConditions reads matches in the words of nft or of iptables. Each family has its own.
func parseConditions(f family, words []string) ([]condition, error) {
	var all []condition
	// A configuration may have "ip saddr 10.0.0.0/8" as one string or as three.
	words = strings.Fields(strings.Join(words, " "))
	read := readNFT
	if iptablesWords(words) {
		read = readIPTables
	}
	for len(words) > 0 {
		c, rest, err := read(words)
		if err != nil {
			return nil, err
		}
		if c.prefix.IsValid() && familyOf(c.prefix.Addr()) != f {
			return nil, fmt.Errorf("%s is no IPv%d address", c.prefix, f)
		}
		if c.what != "" {
			all = append(all, c)
		}
		words = rest
	}
	return all, nil
}

// iptablesWords says whether the matches are in the words of iptables, as upstream's portmap decides it.
func iptablesWords(words []string) bool {
	return len(words) > 0 && (strings.HasPrefix(words[0], "-") || strings.HasPrefix(words[0], "!"))
}

// nftField is what a field looks at in the words of nft, or "" when that is not supported.
func nftField(field string) conditionKind {
	switch field {
	case "ip saddr", "ip6 saddr":
		return condSource
	case "ip daddr", "ip6 daddr":
		return condDestination
	case "iif", "iifname", "meta iif", "meta iifname":
		return condLink
	case "meta mark":
		return condMark
	}
	return ""
}

// readNFT reads the first match in the words of nft.
func readNFT(words []string) (c condition, rest []string, err error) {
	field := words[0]
	rest = words[1:]
	if field == "ip" || field == "ip6" || field == "meta" {
		if len(rest) == 0 {
			return c, nil, errConditionEnd
		}
		field, rest = field+" "+rest[0], rest[1:]
	}
	if c.what = nftField(field); c.what == "" {
		return c, nil, fmt.Errorf("%q is not supported; %s", field, supported)
	}
	if len(rest) > 0 && (rest[0] == "!=" || rest[0] == "==") {
		c.not, rest = rest[0] == "!=", rest[1:]
	}
	if len(rest) == 0 {
		return c, nil, errConditionEnd
	}
	return c, rest[1:], c.value(strings.Trim(rest[0], `"`))
}

// readIPTables reads the first match in the words of iptables.
func readIPTables(words []string) (c condition, rest []string, err error) {
	if words[0] == "!" {
		c.not, words = true, words[1:]
	}
	if len(words) < 2 {
		return c, nil, errConditionEnd
	}
	switch words[0] {
	case "-s", "--source", "--src":
		c.what = condSource
	case "-d", "--destination", "--dst":
		c.what = condDestination
	case "-i", "--in-interface":
		c.what = condLink
	case "--mark":
		c.what = condMark
	case "-m", "--match":
		if words[1] == "mark" {
			return condition{}, words[2:], nil
		}
		return c, nil, fmt.Errorf("%q is not supported; %s", "-m "+words[1], supported)
	default:
		return c, nil, fmt.Errorf("%q is not supported; %s", words[0], supported)
	}
	value := words[1]
	if c.what == condLink && strings.HasSuffix(value, "+") {
		value = strings.TrimSuffix(value, "+") + "*"
	}
	return c, words[2:], c.value(value)
}

// value reads what the packet is compared with.
func (c *condition) value(text string) (err error) {
	switch c.what {
	case condLink:
		c.link = text
		if text == "" || text == "*" || len(text) >= unix.IFNAMSIZ {
			return fmt.Errorf("%q is no interface name", text)
		}
	case condMark:
		number, mask, _ := strings.Cut(text, "/")
		c.mark, err = parseMark(number, 0)
		if err == nil {
			c.mask, err = parseMark(mask, 0xffffffff)
		}
	default:
		c.prefix, err = netip.ParsePrefix(text)
		if addr, err2 := netip.ParseAddr(text); err2 == nil {
			c.prefix, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil {
			return fmt.Errorf("%q is no address or prefix; lists and sets are not supported", text)
		}
		c.prefix = c.prefix.Masked()
	}
	return err
}

func parseMark(text string, unset uint32) (uint32, error) {
	if text == "" {
		return unset, nil
	}
	n, err := strconv.ParseUint(text, 0, 32)
	if err != nil {
		return 0, fmt.Errorf("%q is no packet mark", text)
	}
	return uint32(n), nil
}

// exprs is the match for nftables.
func (c condition) exprs(f family) []nft.Expr {
	compare := nft.Is
	if c.not {
		compare = nft.IsNot
	}
	switch c.what {
	case condLink:
		if prefix, ok := strings.CutSuffix(c.link, "*"); ok {
			return compare(nft.InputName, []byte(prefix)) // compares as many bytes as it is given
		}
		return compare(nft.InputName, nft.Name(c.link))
	case condMark:
		return nft.Masked(nft.PacketMark, nft.Native(c.mask), nft.Native(c.mark), c.not)
	}
	field := f.source()
	if c.what == condDestination {
		field = f.destination()
	}
	return inPrefix(field, c.prefix, c.not)
}

// inPrefix matches packets whose address is in the prefix, or is not.
func inPrefix(field nft.Field, p netip.Prefix, not bool) []nft.Expr {
	switch {
	case p.IsSingleIP() && not:
		return nft.IsNot(field, nft.Addr(p.Addr()))
	case p.IsSingleIP():
		return nft.Is(field, nft.Addr(p.Addr()))
	}
	return nft.Masked(field, maskOf(p), nft.Addr(p.Masked().Addr()), not)
}

// args is the match for iptables.
func (c condition) args() []string {
	var args []string
	not := func(words ...string) []string {
		if c.not {
			words = append([]string{"!"}, words...)
		}
		return words
	}
	switch c.what {
	case condSource:
		args = not("-s", c.prefix.String())
	case condDestination:
		args = not("-d", c.prefix.String())
	case condLink:
		name := c.link
		if prefix, ok := strings.CutSuffix(name, "*"); ok {
			name = prefix + "+"
		}
		args = not("-i", name)
	case condMark:
		args = append([]string{"-m", "mark"}, not("--mark", fmt.Sprintf("%#x/%#x", c.mark, c.mask))...)
	}
	return args
}

// conditionText is the list as iptables would write it, the same for all ways to write it.
func conditionText(list []condition) string {
	var words []string
	for _, c := range list {
		words = append(words, c.args()...)
	}
	return strings.Join(words, " ")
}

// maskOf is the prefix length as a mask of the address's size.
func maskOf(p netip.Prefix) []byte {
	mask := make([]byte, p.Addr().BitLen()/8)
	for i := range p.Bits() {
		mask[i/8] |= 0x80 >> (i % 8)
	}
	return mask
}
