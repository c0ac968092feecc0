// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/cni-chain/cni-chain/shared/testnet"
)

// record is an element in which a link remembers what an attachment has: a hash and a number.
var record = regexp.MustCompile(`^\S+ [a-z2-7]{15} \. \d+$`)

// serving are sets of port-map that only serve those of the ports.
var serving = regexp.MustCompile(`^ports-(used|users|hairpin|behind|local|guard)`)

// nft takes "element inet cni-chain masq-net-10.7.0.0/24 10.7.0.2" apart.
func (d *describer) nft(change *Change, c testnet.Change) {
	change.Kind = "nftables"
	o := c.Object()
	parts := append(strings.SplitN(o.Key, " ", 4), "", "", "")
	kind, where, rest := parts[0], "table "+parts[1]+" "+parts[2], parts[3]
	ours := parts[2] == "cni-chain"
	switch kind {
	case "table":
		change.What = where
	case "element":
		set, key, _ := strings.Cut(rest, " ")
		change.What = "element " + protocol(key)
		if data := field(o, "data"); data != "" {
			change.What += " -> " + data
		}
		change.Detail = suffixed(fmt.Sprintf("set %s of %s", set, where), change.Detail)
		change.Minor = ours && (record.MatchString(rest) || serving.MatchString(set))
		return
	case "rule":
		chain, text, _ := strings.Cut(rest, ": ")
		change.What, change.Detail = "rule "+ruleText(text), fmt.Sprintf("chain %s of %s", chain, where)
	default: // chain, set, object
		change.What = strings.TrimSpace(kind + " " + rest)
		change.Detail = suffixed("of "+where, change.Detail)
		change.Minor = kind == "object"
	}
	if ours && change.Sign != "~" {
		change.Minor = true
		d.tally(change.Sign, o.Place, where, kind)
	}
}

func suffixed(text, more string) string {
	if more == "" {
		return text
	}
	return text + ", " + more
}

// ruleText is a rule's comment, or else its expressions.
func ruleText(text string) string {
	if _, comment, ok := strings.Cut(text, ` comment "`); ok {
		return `"` + comment
	}
	return text
}

var protocolNumbers = regexp.MustCompile(`\b(6|17|132) \. (\d+)$`)

// protocol writes the number of a protocol before a port as its name.
func protocol(key string) string {
	return protocolNumbers.ReplaceAllStringFunc(key, func(text string) string {
		number, port, _ := strings.Cut(text, " . ")
		return map[string]string{"6": "tcp", "17": "udp", "132": "sctp"}[number] + " . " + port
	})
}

// table counts what all attachments share in a table of ours: a line for all of it.
type table struct {
	change Change
	counts map[string]int
}

func (d *describer) tally(sign, place, where, kind string) {
	key := sign + place + where
	if d.tables[key] == nil {
		d.tables[key] = &table{Change{Sign: sign, Place: place, Kind: "nftables", What: "in " + where}, map[string]int{}}
	}
	if kind == "table" {
		d.tables[key].change.What = where
	}
	d.tables[key].counts[kind]++
}

// sumUp puts the lines about tables before what else there is of nftables.
func (d *describer) sumUp() {
	for _, key := range slices.Backward(slices.Sorted(maps.Keys(d.tables))) {
		change := d.tables[key].sum()
		at := slices.IndexFunc(d.list, func(c Change) bool { return c.Kind == change.Kind && c.Place == change.Place })
		d.list = slices.Insert(d.list, at, change)
	}
}

func (t *table) sum() Change {
	var parts []string
	for _, kind := range []struct{ of, one string }{{"chain", "chain"}, {"rule", "rule"}, {"set", "set"}, {"object", "counter"}} {
		switch n := t.counts[kind.of]; {
		case n == 1:
			parts = append(parts, "1 "+kind.one)
		case n > 1:
			parts = append(parts, fmt.Sprintf("%d %ss", n, kind.one))
		}
	}
	t.change.Detail = strings.Join(parts, ", ")
	return t.change
}
