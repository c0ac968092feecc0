// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// The page is written between these; what stands behind is by hand and stays.
const (
	pageBegin = "<!-- written by make bench -->"
	pageEnd   = "<!-- end of what make bench writes -->"
)

// page writes docs/benchmarks.md.
func page(dir string, r *results) error {
	file := filepath.Join(dir, "benchmarks.md")
	before, after := "# Benchmarks\n\n", "\n"
	if old, err := os.ReadFile(file); err == nil {
		head, rest, ok := strings.Cut(string(old), pageBegin)
		_, tail, ended := strings.Cut(rest, pageEnd)
		if !ok || !ended {
			return fmt.Errorf("%s has no %q and %q", file, pageBegin, pageEnd)
		}
		before, after = head, tail
	}
	var b strings.Builder
	b.WriteString(before + pageBegin + "\n")
	for _, section := range []func(*strings.Builder, *results){machineText, goals, cycleTable, linkTable, portTable,
		parallelTable, connectionTable, startupTable} {
		section(&b, r)
	}
	b.WriteString(pageEnd + after)
	return os.WriteFile(file, []byte(b.String()), 0o644)
}

func machineText(b *strings.Builder, r *results) {
	kind := "`make bench`"
	if r.Quick {
		kind = "`make bench QUICK=1`"
	}
	fmt.Fprintf(b, "\n%s on %s: Linux %s, %d cores, %s. Medians of calls through libcni, process start included; the "+
		"contenders take turns\ncall by call, each on a machine of its own made of namespaces. Use the ratios: the "+
		"milliseconds are this machine's. All of\nthem share one kernel, so that the attachments of all are a load "+
		"to each; %d of a contender's share a bridge, and the measured\nattachment joins the last of them.\n",
		kind, r.Date, r.Kernel, r.Cores, r.Go, r.PerBridge)
}

// find is the measurement with the given properties, or the zero one.
func find(list []cycleResult, who string, live, ports int, proto string) cycleResult {
	for _, c := range list {
		if c.Who == who && c.Live == live && c.Ports == ports && c.Proto == proto {
			return c
		}
	}
	return cycleResult{}
}

func ratio(a, b time.Duration) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

func cycleTable(b *strings.Builder, r *results) {
	fmt.Fprintf(b, "\n## One attachment with one port, beside live ones\n\nThe floor is one program that asks the "+
		"kernel for the same by netlink: no process, no libcni, no check.\nIt has as many live attachments as the "+
		"others.\n\n| live | | ADD, ms | CHECK, ms | DEL, ms |\n|---|---|---|---|---|\n")
	for _, c := range r.Cycles {
		fmt.Fprintf(b, "| %d | %s | %.1f | %.1f | %.1f |\n", c.Live, c.Who, ms(c.Add), ms(c.Check), ms(c.Del))
	}
	fmt.Fprintf(b, "\n![ADD against live attachments](bench-add-live.svg) "+
		"![DEL against live attachments](bench-del-live.svg)\n")
}

// linkTable splits the first and the last row of ours by link.
func linkTable(b *strings.Builder, r *results) {
	fmt.Fprintf(b, "\n## What each link takes\n\nThe parts of the calls above, start of the process included; what is "+
		"missing from their sum is libcni's.\n\n| live | | ADD, ms | CHECK, ms | DEL, ms |\n|---|---|---|---|---|\n")
	for _, c := range r.Cycles {
		if c.Who != ours {
			continue
		}
		for _, link := range []string{"veth-bridge", "ip-config", "resolv-conf", "port-map"} {
			fmt.Fprintf(b, "| %d | %s | %.1f | %.1f | %.1f |\n", c.Live, link,
				ms(c.Spent[link+" ADD"]), ms(c.Spent[link+" CHECK"]), ms(c.Spent[link+" DEL"]))
		}
	}
}

func portTable(b *strings.Builder, r *results) {
	fmt.Fprintf(b, "\n## Ports\n\nUpstream is left out where one call takes seconds.\n\n"+
		"| ports | | ADD, ms | CHECK, ms | DEL, ms |\n|---|---|---|---|---|\n")
	for _, c := range r.Ports {
		fmt.Fprintf(b, "| %d %s | %s | %.1f | %.1f | %.1f |\n", c.Ports, c.Proto, c.Who, ms(c.Add), ms(c.Check), ms(c.Del))
	}
	fmt.Fprintf(b, "\n![ADD against ports](bench-add-ports.svg) ![DEL against ports](bench-del-ports.svg)\n")
}

func parallelTable(b *strings.Builder, r *results) {
	fmt.Fprintf(b, "\n## In parallel\n\nMedians of rounds.\n\n"+
		"| | attachments | at a time | a second | p50 of an ADD, ms |\n|---|---|---|---|---|\n")
	for _, p := range r.Parallel {
		fmt.Fprintf(b, "| %s | %d | %d | %.1f | %.0f |\n", p.Who, p.Count, p.Jobs, p.Rate, ms(p.P50))
	}
}

func connectionTable(b *strings.Builder, r *results) {
	fmt.Fprintf(b, "\n## Connections through a mapped port\n\nTCP connections a second from another machine, one after "+
		"the other, opened and closed; medians of short rounds in turn.\n\n| | connections a second |\n|---|---|\n")
	for _, c := range r.Connections {
		fmt.Fprintf(b, "| %s | %.0f |\n", c.What, c.Rate)
	}
}

func startupTable(b *strings.Builder, r *results) {
	fmt.Fprintf(b, "\n## Processes\n\nVERSION, and the largest resident size.\n\n"+
		"| program | start, ms | times hello-world | size, MB | peak in VERSION, MB | peak in ADD to DEL, MB |\n"+
		"|---|---|---|---|---|---|\n")
	for _, s := range r.Startup {
		fmt.Fprintf(b, "| %s | %.2f | %.2f | %.1f | %.1f | %s |\n", s.Program, ms(s.Median), s.Ratio, float64(s.Size)/1e6,
			float64(s.PeakKiB)/1024, mib(r.Peak[s.Program]))
	}
	b.WriteString("\n")
}

func mib(kib int64) string {
	if kib == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f", float64(kib)/1024)
}
