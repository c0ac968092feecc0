// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
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

// compare measures any two conflists.
func compare(o *options) error {
	f := &fleet{o: o}
	defer f.close()
	if err := f.start(o.a, o.b); err != nil {
		return err
	}
	for _, name := range []string{o.a, o.b} {
		if _, err := f.machines[name].do(order{Do: "fill", Live: o.live}); err != nil {
			return err
		}
	}
	list, err := f.cycles(o.samples, order{Ports: o.ports, Proto: "tcp"}, o.a, o.b)
	if err != nil {
		return err
	}
	fmt.Printf("%-40s %10s %10s %10s\n", "medians, ms", "ADD", "CHECK", "DEL")
	for _, c := range list {
		fmt.Printf("%-40s %10.2f %10.2f %10.2f\n", c.Who, ms(c.Add), ms(c.Check), ms(c.Del))
	}
	return nil
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
