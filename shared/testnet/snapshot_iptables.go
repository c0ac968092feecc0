// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package testnet

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"regexp"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// legacyTables say, for each family, where the kernel lists the tables of iptables-legacy, and what prints them. To
// read that list makes no table; iptables-legacy-save without one would. Only the machine's real root may read it:
// unprivileged snapshots are without these tables.
var legacyTables = []struct{ family, list, save string }{
	{"ip", "/proc/thread-self/net/ip_tables_names", "iptables-legacy-save"},
	{"ip6", "/proc/thread-self/net/ip6_tables_names", "ip6tables-legacy-save"},
}

// counters are those of a chain or a rule, as iptables-save prints them.
var counters = regexp.MustCompile(`\s*\[\d+:\d+\]\s*`)

// collectIPTables lists the rules of iptables-legacy. Those of iptables-nft are in nftables.
func (c *collector) collectIPTables() error {
	for _, legacy := range legacyTables {
		names, err := os.ReadFile(legacy.list)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
			return err
		}
		if len(bytes.TrimSpace(names)) == 0 {
			continue
		}
		saved, err := exec.Command(legacy.save).Output()
		if err != nil {
			// At least the tables' names: they are there, whether or not we can read them.
			for name := range strings.FieldsSeq(string(names)) {
				c.add(Object{
					Section: IPTables, Key: fmt.Sprintf("table %s %s", legacy.family, name),
					Fields: fields("rules", "unknown, without "+legacy.save),
				})
			}
			continue
		}
		c.addSaved(legacy.family, string(saved))
	}
	return nil
}

// addSaved adds what iptables-save has printed: "*TABLE", ":CHAIN POLICY [counters]", "-A CHAIN rule".
func (c *collector) addSaved(family, saved string) {
	var table string
	chains := map[string]*Object{}
	var order []string
	for line := range strings.Lines(saved) {
		line = strings.TrimSpace(line)
		if !c.scope.Volatile {
			line = strings.TrimSpace(counters.ReplaceAllString(line, " "))
		}
		name, rest, _ := strings.Cut(strings.TrimLeft(line, "*:"), " ")
		switch {
		case strings.HasPrefix(line, "*"):
			table = family + " " + name
		case strings.HasPrefix(line, ":"):
			key := "chain " + table + " " + name
			chains[key] = &Object{Section: IPTables, Key: key, Fields: fields("policy", rest)}
			order = append(order, key)
		case strings.HasPrefix(line, "-A "):
			c.add(Object{Section: IPTables, Key: "rule " + table + ": " + line})
			chain, _, _ := strings.Cut(rest, " ")
			if object := chains["chain "+table+" "+chain]; object != nil {
				object.order = append(object.order, line)
			}
		}
	}
	for _, key := range order {
		c.add(*chains[key])
	}
}

// collectConntrack lists the tracked connections, by where they come from and go to, and what was made of that.
func (c *collector) collectConntrack() error {
	for _, family := range []netlink.InetFamily{unix.AF_INET, unix.AF_INET6} {
		var flows []*netlink.ConntrackFlow
		var err error
		for range maxDumps {
			flows, err = netlink.ConntrackTableList(netlink.ConntrackTable, family)
			if !errors.Is(err, netlink.ErrDumpInterrupted) {
				break
			}
		}
		if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EOPNOTSUPP) { // without conntrack
			return err
		}
		for _, flow := range flows {
			there, back := flow.Forward, flow.Reverse
			c.add(Object{
				Section: Conntrack,
				Key: fmt.Sprintf("proto %d %s:%d to %s:%d", there.Protocol, there.SrcIP, there.SrcPort,
					there.DstIP, there.DstPort),
				Fields: fields(
					"answered-by", fmt.Sprintf("%s:%d", back.SrcIP, back.SrcPort),
					"answered-to", fmt.Sprintf("%s:%d", back.DstIP, back.DstPort),
					"mark", nonZero(uint64(flow.Mark)),
					"zone", nonZero(uint64(flow.Zone)),
				),
			})
		}
	}
	return nil
}
