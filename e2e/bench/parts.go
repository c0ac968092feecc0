// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"time"
)

// runPairs measures one attachment where there is no other: all contenders in turn.
func runPairs(o *options, r *results) (err error) {
	f := &fleet{o: o}
	defer f.close()
	names := []string{ours, bare, byIPTables, byNFTables, idle, floor}
	if err := f.start(names...); err != nil {
		return err
	}
	if r.Cycles, err = f.cycles(o.samples, order{Ports: 1, Proto: "tcp"}, names...); err != nil {
		return err
	}
	for _, name := range names {
		if err := r.peak(o, name, f.machines[name]); err != nil {
			return err
		}
	}
	return nil
}

// peak measures memory: it takes another parent for the plugins, and so is apart from the times.
func (r *results) peak(o *options, name string, m *machine) error {
	if name != ours && name != byNFTables {
		return nil
	}
	for range 3 {
		got, err := m.do(order{Do: "cycle", Ports: 1, Proto: "tcp", Launcher: o.launcher})
		if err != nil {
			return err
		}
		for plugin, kib := range got.Peak {
			r.Peak[plugin] = max(r.Peak[plugin], kib)
		}
	}
	return nil
}

// runPorts measures with more and more ports; upstream as far as a call takes at most a few seconds.
func runPorts(o *options, r *results) error {
	f := &fleet{o: o}
	defer f.close()
	if err := f.start(ours, byIPTables, byNFTables); err != nil {
		return err
	}
	for _, proto := range []string{"tcp", "udp"} {
		for _, ports := range o.ports {
			names, samples := []string{ours, byIPTables, byNFTables}, max(3, o.samples/(2*max(1, ports)))
			switch {
			case ports == 100 && o.quick:
				names = []string{ours, byNFTables}
			case ports > 100 && (o.quick || proto == "udp"):
				names = []string{ours}
			case ports > 100:
				names = []string{ours, byNFTables}
			}
			if len(names) == 1 {
				samples = max(3, o.samples/4)
			}
			list, err := f.cycles(samples, order{Ports: ports, Proto: proto}, names...)
			if err != nil {
				return err
			}
			r.Ports = append(r.Ports, list...)
		}
	}
	return nil
}

// runParallel attaches and detaches batches, in rounds in which the contenders take turns.
func runParallel(o *options, r *results) error {
	f := &fleet{o: o}
	defer f.close()
	names := []string{ours, byIPTables, byNFTables, idle}
	if err := f.start(names...); err != nil {
		return err
	}
	rounds := map[bool]int{false: 3, true: 1}[o.quick]
	rates, p50s := map[string][]float64{}, map[string][]time.Duration{}
	for range rounds {
		for _, name := range names {
			got, err := f.machines[name].do(order{Do: "parallel", Live: o.batch, Ports: 1, Jobs: o.jobs})
			if err != nil {
				return err
			}
			rates[name], p50s[name] = append(rates[name], got.Rate), append(p50s[name], got.P50)
		}
	}
	for _, name := range names {
		slices.Sort(rates[name])
		r.Parallel = append(r.Parallel,
			parallelResult{name, o.batch, o.jobs, rates[name][rounds/2], median(p50s[name])})
	}
	return nil
}
