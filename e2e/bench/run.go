// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// results are everything that a run has found; benchmarks.json is this.
type results struct {
	Date, Kernel, Go string
	Cores            int
	Quick            bool
	// Cycles are ADD, CHECK and DEL of one attachment with one port, by contender and live attachments.
	Cycles []cycleResult
	// Ports are ADD and DEL by contender, protocol and number of ports.
	Ports       []cycleResult
	Parallel    []parallelResult
	Connections []connectionResult
	Startup     []startup
	// Peak is the memory of each plugin in a call of an attachment, in KiB.
	Peak map[string]int64
}

type cycleResult struct {
	Who             string
	Live, Ports     int
	Proto           string
	Samples         int
	Add, Check, Del time.Duration // medians
}

type parallelResult struct {
	Who         string
	Count, Jobs int
	Rate        float64 // attachments a second
	P50         time.Duration
}

type connectionResult struct {
	What string
	Rate float64 // connections a second, the median of the rounds
}

// fleet are the machines of several contenders.
type fleet struct {
	o        *options
	machines map[string]*machine
}

func (f *fleet) start(names ...string) error {
	f.machines = map[string]*machine{}
	for _, name := range names {
		m, err := newMachine(f.o.bin, name)
		if err != nil {
			return err
		}
		f.machines[name] = m
	}
	return nil
}

func (f *fleet) close() {
	for _, m := range f.machines {
		m.close()
	}
}

// cycles measures the contenders in turn, after a warm-up.
func (f *fleet) cycles(samples int, o order, names ...string) (list []cycleResult, err error) {
	o.Do = "cycle"
	all := map[string][]report{}
	for i := range samples + 2 {
		for _, name := range names {
			r, err := f.machines[name].do(o)
			if err != nil {
				return nil, err
			}
			if i >= 2 {
				all[name] = append(all[name], r)
			}
		}
	}
	for _, name := range names {
		c := cycleResult{Who: name, Ports: o.Ports, Proto: o.Proto, Samples: samples}
		c.Add = medianOf(all[name], func(r report) time.Duration { return r.Add })
		c.Check = medianOf(all[name], func(r report) time.Duration { return r.Check })
		c.Del = medianOf(all[name], func(r report) time.Duration { return r.Del })
		list = append(list, c)
	}
	return list, nil
}

func medianOf(list []report, field func(report) time.Duration) time.Duration {
	var all []time.Duration
	for _, r := range list {
		all = append(all, field(r))
	}
	return median(all)
}

// everything is the run that the page shows.
func everything(o *options) (*results, error) {
	r := &results{Date: time.Now().UTC().Format("2006-01-02"), Go: runtime.Version(), Cores: runtime.NumCPU(), Quick: o.quick}
	var uts unix.Utsname
	if err := unix.Uname(&uts); err == nil {
		r.Kernel, _, _ = strings.Cut(unix.ByteSliceToString(uts.Release[:]), "-")
	}
	for _, part := range []struct {
		name string
		run  func(*options, *results) error
	}{
		{"start of a process", func(o *options, r *results) (err error) { r.Startup, err = startups(o); return err }},
		{"live attachments", runLive},
		{"ports", runPorts},
		{"parallel", runParallel},
		{"connections", runConnections},
	} {
		start := time.Now()
		if err := part.run(o, r); err != nil {
			return nil, fmt.Errorf("%s: %w", part.name, err)
		}
		fmt.Fprintf(os.Stderr, "bench: %s: %.0f s\n", part.name, time.Since(start).Seconds())
	}
	return r, nil
}

// runLive measures with more and more live attachments. Upstream with masquerade and portmap takes minutes to get to
// 2,000, so it stops at 500.
func runLive(o *options, r *results) error {
	f := &fleet{o: o}
	defer f.close()
	if err := f.start(ours, bare, byIPTables, byNFTables, floor); err != nil {
		return err
	}
	steps := []int{0, 500, 2000}
	if o.quick {
		steps = []int{0, 100}
	}
	for _, live := range steps {
		names := []string{ours, bare, byIPTables, byNFTables, floor}
		if live > 500 {
			names = []string{ours, bare, floor}
		}
		for _, name := range names {
			if _, err := f.machines[name].do(order{Do: "fill", Live: live}); err != nil {
				return err
			}
		}
		time.Sleep(settle)
		list, err := f.cycles(o.samples, order{Ports: 1, Proto: "tcp"}, names...)
		if err != nil {
			return err
		}
		for i := range list {
			list[i].Live = live
		}
		r.Cycles = append(r.Cycles, list...)
	}
	return runPeak(o, r, f)
}

// runPeak measures memory: it takes another parent for the plugins, and so is apart from the times.
func runPeak(o *options, r *results, f *fleet) error {
	r.Peak = map[string]int64{}
	for _, name := range []string{ours, byNFTables} {
		for range 3 {
			got, err := f.machines[name].do(order{Do: "cycle", Ports: 1, Proto: "tcp", Launcher: o.launcher})
			if err != nil {
				return err
			}
			for plugin, kib := range got.Peak {
				r.Peak[plugin] = max(r.Peak[plugin], kib)
			}
		}
	}
	return nil
}

// runPorts measures with more and more ports; upstream as far as it takes at most a few seconds.
func runPorts(o *options, r *results) error {
	f := &fleet{o: o}
	defer f.close()
	if err := f.start(ours, byIPTables, byNFTables); err != nil {
		return err
	}
	for _, proto := range []string{"tcp", "udp"} {
		for _, ports := range []int{1, 10, 100, 1000} {
			names := []string{ours, byIPTables, byNFTables}
			if ports == 1000 {
				names = []string{ours, byNFTables}
			}
			samples := max(3, o.samples/(2*ports))
			if ports == 1000 && (o.quick || proto == "udp") {
				samples = 3
				if proto == "udp" || o.quick {
					names = []string{ours}
				}
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

func runParallel(o *options, r *results) error {
	f := &fleet{o: o}
	defer f.close()
	names := []string{ours, byIPTables, byNFTables}
	if err := f.start(names...); err != nil {
		return err
	}
	count := map[bool]int{false: 100, true: 45}[o.quick]
	for _, name := range names {
		got, err := f.machines[name].do(order{Do: "parallel", Live: count, Ports: 1, Jobs: o.jobs})
		if err != nil {
			return err
		}
		r.Parallel = append(r.Parallel, parallelResult{name, count, o.jobs, got.Rate, got.P50})
	}
	return nil
}
