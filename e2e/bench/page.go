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
	for _, section := range []func(*strings.Builder, *results){machineText, goals, cycleTable, portTable, parallelTable,
		connectionTable, startupTable} {
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
		"milliseconds are this machine's.\n", kind, r.Date, r.Kernel, r.Cores, r.Go)
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

// goals holds the run to what issue 7 asks, and says plainly where it is missed.
func goals(b *strings.Builder, r *results) {
	fmt.Fprintf(b, "\n## Goals\n\n| what | goal | this run | |\n|---|---|---|---|\n")
	row := func(what, goal string, met bool, format string, args ...any) {
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", what, goal, fmt.Sprintf(format, args...), map[bool]string{true: "met", false: "**missed**"}[met])
	}
	at := func(who string) cycleResult { return find(r.Cycles, who, 0, 1, "tcp") }
	x := ratio(at(ours).Add, at(bare).Add)
	row("ADD of the whole chain, against bare bridge + host-local", "1.0 times", x <= 1.05, "%.2f times", x)
	x = ratio(at(byIPTables).Add, at(ours).Add)
	row("... against bridge + portmap by iptables", "5 times faster", x >= 5, "%.1f times faster", x)
	x = ratio(at(byNFTables).Add, at(ours).Add)
	row("... against bridge + portmap by nftables", "8 times faster", x >= 8, "%.1f times faster", x)
	for _, live := range []int{100, 500, 2000} {
		if c := find(r.Cycles, ours, live, 1, "tcp"); c.Who != "" {
			x = ratio(c.Add, at(ours).Add)
			row(fmt.Sprintf("ADD with %d live attachments, against the first", live), "within 15 %", x <= 1.15, "%.2f times", x)
		}
	}
	x = ratio(at(ours).Del, at(floor).Del)
	row("DEL, against the floor", "within 25 %", x <= 1.25, "%.2f times", x)
	x = ratio(at(ours).Check, at(byIPTables).Check)
	row("CHECK, against bridge + portmap by iptables", "0.45 times (9 ms of 20)", x <= 0.45, "%.2f times, %.1f ms", x, ms(at(ours).Check))
	for _, proto := range []string{"tcp", "udp"} {
		x = ratio(find(r.Ports, ours, 0, 1000, proto).Add, find(r.Ports, ours, 0, 1, proto).Add)
		row("ADD with 1,000 "+proto+" ports, against one", "under 2 times", x < 2, "%.2f times", x)
	}
	rates := map[string]float64{}
	for _, p := range r.Parallel {
		rates[p.Who] = p.Rate
	}
	x = rates[ours] / rates[byNFTables]
	row("attachments in parallel, against bridge + portmap by nftables", "10 times the throughput", x >= 10, "%.1f times", x)
	worst, size, peak := 0.0, int64(0), int64(0)
	for _, s := range r.Startup[1:6] {
		worst, size = max(worst, s.Ratio), max(size, s.Size)
	}
	for plugin, kib := range r.Peak {
		if plugin != "bridge" && plugin != "portmap" && plugin != "host-local" {
			peak = max(peak, kib)
		}
	}
	row("process start, against a Go hello-world", "at most 1.25 times", worst <= 1.25, "%.2f times at most", worst)
	row("stripped size of a link", "4 MB", size <= 4<<20, "%.1f MB at most", float64(size)/1e6)
	row("peak memory of a link", "10 MB", peak <= 10<<10, "%.1f MB", float64(peak)/1024)
	if len(r.Connections) > 2 {
		one, many, straight := r.Connections[1].Rate, r.Connections[2].Rate, r.Connections[0].Rate
		row("connections a second, many mappings against one", "within 3 %", many >= 0.97*one, "%+.1f %%", 100*(many/one-1))
		row("... against none at all", "within 5 %", many >= 0.95*straight, "%+.1f %%", 100*(many/straight-1))
	}
}

func cycleTable(b *strings.Builder, r *results) {
	fmt.Fprintf(b, "\n## One attachment with one port, beside live ones\n\nThe floor is one program that asks the kernel "+
		"for the same by netlink: no process, no libcni, no check.\n\n| live | | ADD, ms | CHECK, ms | DEL, ms |\n|---|---|---|---|---|\n")
	for _, c := range r.Cycles {
		fmt.Fprintf(b, "| %d | %s | %.1f | %.1f | %.1f |\n", c.Live, c.Who, ms(c.Add), ms(c.Check), ms(c.Del))
	}
	fmt.Fprintf(b, "\n![ADD against live attachments](bench-add-live.svg) ![DEL against live attachments](bench-del-live.svg)\n")
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
	fmt.Fprintf(b, "\n## In parallel\n\n| | attachments | at a time | a second | p50 of an ADD, ms |\n|---|---|---|---|---|\n")
	for _, p := range r.Parallel {
		fmt.Fprintf(b, "| %s | %d | %d | %.1f | %.0f |\n", p.Who, p.Count, p.Jobs, p.Rate, ms(p.P50))
	}
}

func connectionTable(b *strings.Builder, r *results) {
	fmt.Fprintf(b, "\n## Connections through a mapped port\n\nTCP connections a second from another machine, one after the "+
		"other, opened and closed; medians of short rounds in turn.\n\n| | connections a second |\n|---|---|\n")
	for _, c := range r.Connections {
		fmt.Fprintf(b, "| %s | %.0f |\n", c.What, c.Rate)
	}
}

func startupTable(b *strings.Builder, r *results) {
	fmt.Fprintf(b, "\n## Processes\n\nVERSION, and the largest resident size.\n\n"+
		"| program | start, ms | times hello-world | size, MB | peak in VERSION, MB | peak in ADD to DEL, MB |\n|---|---|---|---|---|---|\n")
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
