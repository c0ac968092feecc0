// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"
)

// goals holds the run to what issue 7 asks, and says plainly where it is missed.
func goals(b *strings.Builder, r *results) {
	fmt.Fprintf(b, "\n## Goals\n\n| what | goal | this run | |\n|---|---|---|---|\n")
	row := func(what, goal string, met bool, format string, args ...any) {
		verdict := "**missed**"
		if met {
			verdict = "met"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", what, goal, fmt.Sprintf(format, args...), verdict)
	}
	cycleGoals(r, row)
	for _, proto := range []string{"tcp", "udp"} {
		x := ratio(find(r.Ports, ours, 1000, proto).Add, find(r.Ports, ours, 1, proto).Add)
		row("ADD with 1,000 "+proto+" ports, against one", "under 2 times", x > 0 && x < 2, "%.2f times", x)
	}
	rates := map[string]float64{}
	for _, p := range r.Parallel {
		rates[p.Who] = p.Rate
	}
	x := rates[ours] / rates[byNFTables]
	row("attachments in parallel, against bridge + portmap by nftables", "10 times the throughput", x >= 10,
		"%.1f times; "+bound+" %.1f", x, rates[idle]/rates[byNFTables])
	processGoals(r, row)
	if len(r.Connections) > 2 {
		one, many, straight := r.Connections[1].Rate, r.Connections[2].Rate, r.Connections[0].Rate
		row("connections a second, many mappings against one", "within 3 %", many >= 0.97*one, "%+.1f %%", 100*(many/one-1))
		row("... against none at all", "within 5 %", many >= 0.95*straight, "%+.1f %%", 100*(many/straight-1))
	}
}

// bound introduces what four processes cost at the least.
const bound = "four programs that do nothing"

// rowFunc writes a row: what is measured, what is to be reached, whether it is, and what came of it.
type rowFunc func(what, goal string, met bool, format string, args ...any)

// cycleGoals are those for one attachment.
func cycleGoals(r *results, row rowFunc) {
	at := func(who string) cycleResult { return find(r.Cycles, who, 1, "tcp") }
	first := at(ours)
	x := ratio(first.Add, at(bare).Add)
	row("ADD of the whole chain, against bare bridge + host-local", "1.0 times", x < 1.005, "%.2f times; "+bound+" %.2f",
		x, ratio(at(idle).Add, at(bare).Add))
	x = ratio(at(byIPTables).Add, first.Add)
	row("... against bridge + portmap by iptables", "5 times faster", x >= 5, "%.1f times faster", x)
	x = ratio(at(byNFTables).Add, first.Add)
	row("... against bridge + portmap by nftables", "8 times faster", x >= 8, "%.1f times faster", x)
	growthGoals(r, row)
	x = ratio(first.Del, at(floor).Del)
	row("DEL, against the floor", "within 25 %", x <= 1.25, "%.2f times", x)
	x = ratio(first.Check, at(byIPTables).Check)
	row("CHECK, against bridge + portmap by iptables", "0.45 times (9 ms of 20)", x <= 0.45,
		"%.2f times, %.1f ms; "+bound+" %.2f, %.1f ms", x, ms(first.Check),
		ratio(at(idle).Check, at(byIPTables).Check), ms(at(idle).Check))
}

// growthGoals are those for an attachment beside live ones.
func growthGoals(r *results, row rowFunc) {
	for _, g := range r.Growth {
		if g.Full.Who != ours || g.Full.Live == 0 {
			continue
		}
		x := againstFirst(r, ours, g.Full.Live)
		row(fmt.Sprintf("ADD with %d live attachments, against the first", g.Full.Live), "within 15 %", x <= 1.15,
			"%.2f times; against an empty machine beside it %.2f; the floor %.2f, bare %.2f", x,
			ratio(g.Full.Add, g.Empty.Add), againstFirst(r, floor, g.Full.Live), againstFirst(r, bare, g.Full.Live))
	}
}

// againstFirst is a contender's ADD beside so many live attachments, against its ADD beside none.
func againstFirst(r *results, who string, live int) float64 {
	return ratio(grown(r, who, live).Full.Add, grown(r, who, 0).Full.Add)
}

// grown is the measurement of a contender beside so many live attachments, or the zero one.
func grown(r *results, who string, live int) growthResult {
	for _, g := range r.Growth {
		if g.Full.Who == who && g.Full.Live == live {
			return g
		}
	}
	return growthResult{}
}

// processGoals are those for the programs.
func processGoals(r *results, row rowFunc) {
	worst, size, peak := 0.0, int64(0), int64(0)
	for _, s := range r.Startup {
		if strings.Contains(s.Program, "-") && s.Program != helloName {
			worst, size = max(worst, s.Ratio), max(size, s.Size)
		}
	}
	for plugin, kib := range r.Peak {
		if strings.Contains(plugin, "-") && plugin != "host-local" {
			peak = max(peak, kib)
		}
	}
	row("process start, against a Go hello-world", "at most 1.25 times", worst <= 1.25, "%.2f times at most", worst)
	row("stripped size of a link", "4 MB", size <= 4e6, "%.2f MB at most", float64(size)/1e6)
	row("peak memory of a link", "10 MB", peak <= 10<<10, "%.1f MB at most", float64(peak)/1024)
}
