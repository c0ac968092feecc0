// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// route is a way for connections: through the first of so many mapped ports of a contender, or straight.
type route struct {
	what     string
	who      string
	mappings int
	straight bool
}

// runConnections opens connections by each route in turn, in short rounds.
func runConnections(o *options, r *results) error {
	many, iptables, rounds := 5000, 500, 15
	if o.quick {
		many, iptables, rounds = 1000, 100, 5
	}
	routes := []route{
		{"cni-chain, straight to the container", ours, 1, true},
		{"cni-chain, 1 mapping", ours, 1, false},
		{fmt.Sprintf("cni-chain, %d mappings", many), ours, many, false},
		{"portmap, nftables, 1 mapping", byNFTables, 1, false},
		{fmt.Sprintf("portmap, nftables, %d mappings", many), byNFTables, many, false},
		{"portmap, iptables, 1 mapping", byIPTables, 1, false},
		{fmt.Sprintf("portmap, iptables, %d mappings", iptables), byIPTables, iptables, false},
	}
	machines, err := serveRoutes(o, routes)
	defer func() {
		for _, m := range machines {
			m.close()
		}
	}()
	if err != nil {
		return err
	}
	rates := make([][]float64, len(routes))
	for round := range rounds + 1 {
		for i, way := range routes {
			got, err := machines[i].do(order{Do: "connect", For: 400 * time.Millisecond, Straight: way.straight})
			if err != nil {
				return fmt.Errorf("%s: %w", way.what, err)
			}
			if round > 0 {
				rates[i] = append(rates[i], got.Rate)
			}
		}
	}
	for i, way := range routes {
		slices.Sort(rates[i])
		r.Connections = append(r.Connections, connectionResult{way.what, rates[i][len(rates[i])/2]})
	}
	return nil
}

func serveRoutes(o *options, routes []route) (machines []*machine, err error) {
	for _, way := range routes {
		m, err := newMachine(o.bin, way.who)
		if err != nil {
			return machines, err
		}
		machines = append(machines, m)
		if _, err := m.do(order{Do: "serve", Ports: way.mappings, Proto: "tcp"}); err != nil {
			return machines, err
		}
	}
	return machines, nil
}

// compare measures any two conflists, or one with two sets of plugins.
func compare(o *options) error {
	f := &fleet{o: o, machines: map[string]*machine{}}
	defer f.close()
	names := []string{"a: " + o.a, "b: " + o.b}
	for i, dir := range []string{o.bin, cmp.Or(o.binB, o.bin)} {
		dir, err := filepath.Abs(dir)
		if err != nil {
			return err
		}
		if f.machines[names[i]], err = newMachine(dir, []string{o.a, o.b}[i]); err != nil {
			return err
		}
	}
	for _, live := range o.live {
		if err := f.fill(live, names...); err != nil {
			return err
		}
		for _, ports := range o.ports {
			list, err := f.cycles(o.samples, order{Ports: ports, Proto: "tcp"}, names...)
			if err != nil {
				return err
			}
			title := fmt.Sprintf("medians in ms, %d live, %d ports", live, ports)
			fmt.Printf("%-40s %10s %10s %10s\n", title, "ADD", "CHECK", "DEL")
			for _, c := range list {
				fmt.Printf("%-40s %10.2f %10.2f %10.2f\n", c.Who, ms(c.Add), ms(c.Check), ms(c.Del))
				printParts(c.Spent)
			}
		}
	}
	return nil
}

// printParts prints what each plugin takes, in the columns of compare.
func printParts(spent map[string]time.Duration) {
	columns := map[string][3]float64{}
	for part, took := range spent {
		plugin, command, _ := strings.Cut(part, " ")
		row := columns[plugin]
		row[slices.Index([]string{"ADD", "CHECK", "DEL"}, command)] = ms(took)
		columns[plugin] = row
	}
	for _, plugin := range slices.Sorted(maps.Keys(columns)) {
		row := columns[plugin]
		fmt.Printf("  %-38s %10.2f %10.2f %10.2f\n", plugin, row[0], row[1], row[2])
	}
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
