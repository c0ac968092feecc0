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
	for _, section := range []func(*strings.Builder, *results){machineText, goals, cycleTable, growthTable, linkTable,
		portTable, parallelTable, connectionTable, startupTable} {
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
	fmt.Fprintf(b, "\n%s on %s: Linux %s, %d cores, %s. Medians of calls through libcni, process start included;\n"+
		"each contender is on a machine of its own made of namespaces. They take turns call by call; only beside live\n"+
		"attachments, each is alone in the kernel. Use the ratios: the milliseconds are this machine's.\n",
		kind, r.Date, r.Kernel, r.Cores, r.Go)
}

// find is the measurement with the given properties, or the zero one.
func find(list []cycleResult, who string, ports int, proto string) cycleResult {
	for _, c := range list {
		if c.Who == who && c.Ports == ports && c.Proto == proto {
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
	fmt.Fprintf(b, "\n## One attachment with one port\n\nNo other attachment is there; all take turns.\n\n- *%s*: "+
		"what libcni and a chain of four Go programs cost, each of which reads its\n  configuration, answers with a "+
		"constant and ends.\n- *%s*: one program that asks the kernel for the same by netlink: no process, no libcni, "+
		"no check.\n\n| | ADD, ms | CHECK, ms | DEL, ms |\n|---|---|---|---|\n", idle, floor)
	for _, c := range r.Cycles {
		fmt.Fprintf(b, "| %s | %s |\n", c.Who, times(c))
	}
}

// times are the cells of a table for ADD, CHECK and DEL.
func times(c cycleResult) string {
	return fmt.Sprintf("%.1f | %.1f | %.1f", ms(c.Add), ms(c.Check), ms(c.Del))
}

func growthTable(b *strings.Builder, r *results) {
	upstream := fmt.Sprintf("Upstream with portmap is filled to %d at most; further takes minutes.", slowFill)
	if r.Quick {
		upstream = "The short run leaves out upstream with portmap."
	}
	fmt.Fprintf(b, "\n## Beside live attachments\n\nOne contender at a time is in the kernel, on two machines that take "+
		"turns. One is filled, and its times are in the table;\nthe other stays empty. All namespaces of a contender "+
		"are gone before the next one starts. %d attachments share a bridge,\nand the measured one joins the last of "+
		"them. %s\n\n- *against the first*: as a user sees it, against the ADD of the same contender before the fill, "+
		"when the kernel had\n  nothing else.\n- *against the empty machine*: what grows with the attachments of the "+
		"own host; the rest is what the kernel has to do for\n  so many namespaces, whoever asks.\n\n"+
		"| live | | ADD, ms | CHECK, ms | DEL, ms | ADD against the first | ADD against the empty machine |\n"+
		"|---|---|---|---|---|---|---|\n", r.PerBridge, upstream)
	for _, g := range r.Growth {
		fmt.Fprintf(b, "| %d | %s | %s | %.2f | %.2f |\n", g.Full.Live, g.Full.Who, times(g.Full),
			againstFirst(r, g.Full.Who, g.Full.Live), ratio(g.Full.Add, g.Empty.Add))
	}
	fmt.Fprintf(b, "\n![ADD against live attachments](bench-add-live.svg) "+
		"![DEL against live attachments](bench-del-live.svg)\n")
}

// linkTable splits the rows of ours by link.
func linkTable(b *strings.Builder, r *results) {
	fmt.Fprintf(b, "\n## What each link takes\n\nThe parts of the calls beside live attachments, start of the process "+
		"included; what is missing from their sum is libcni's.\n\n| live | | ADD, ms | CHECK, ms | DEL, ms |\n"+
		"|---|---|---|---|---|\n")
	for _, g := range r.Growth {
		if g.Full.Who != ours {
			continue
		}
		for _, link := range []string{"veth-bridge", "ip-config", "resolv-conf", "port-map"} {
			spent := g.Full.Spent
			fmt.Fprintf(b, "| %d | %s | %.1f | %.1f | %.1f |\n", g.Full.Live, link,
				ms(spent[link+" ADD"]), ms(spent[link+" CHECK"]), ms(spent[link+" DEL"]))
		}
	}
}

func portTable(b *strings.Builder, r *results) {
	fmt.Fprintf(b, "\n## Ports\n\nUpstream is left out where one call takes seconds.\n\n"+
		"| ports | | ADD, ms | CHECK, ms | DEL, ms |\n|---|---|---|---|---|\n")
	for _, c := range r.Ports {
		fmt.Fprintf(b, "| %d %s | %s | %s |\n", c.Ports, c.Proto, c.Who, times(c))
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
