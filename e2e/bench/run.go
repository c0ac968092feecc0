// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// results are everything that a run has found; benchmarks.json is this.
type results struct {
	Date, Kernel, Go string
	Cores            int
	Quick            bool
	// PerBridge is how many live attachments share a network and its bridge.
	PerBridge int
	// Cycles are ADD, CHECK and DEL of one attachment with one port and no other beside it, by contender, in turns.
	Cycles []cycleResult
	// Growth is the same beside live attachments, by contender and number of them, each contender alone.
	Growth []growthResult
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
	// Spent are the medians of each plugin's part, by plugin and command.
	Spent map[string]time.Duration
}

type parallelResult struct {
	Who         string
	Count, Jobs int
	Rate        float64 // attachments a second, the median of the rounds
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

// start starts a machine for each contender, and waits until nothing is left of the machines before.
func (f *fleet) start(names ...string) error {
	f.machines = map[string]*machine{}
	for _, name := range names {
		if err := f.add(name, name); err != nil {
			return err
		}
	}
	_, err := f.machines[names[0]].do(order{Do: "drain"})
	return err
}

// add starts a machine of a contender, to be known by a name of its own.
func (f *fleet) add(as, name string) (err error) {
	f.machines[as], err = newMachine(f.o.bin, name)
	if err != nil {
		delete(f.machines, as)
	}
	return err
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
		c.Spent = map[string]time.Duration{}
		for part := range all[name][0].Spent {
			c.Spent[part] = medianOf(all[name], func(r report) time.Duration { return r.Spent[part] })
		}
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
	r := &results{Date: time.Now().UTC().Format("2006-01-02"), Go: runtime.Version(), Cores: runtime.NumCPU(),
		Quick: o.quick, PerBridge: perBridge, Peak: map[string]int64{}}
	var uts unix.Utsname
	if err := unix.Uname(&uts); err == nil {
		r.Kernel, _, _ = strings.Cut(unix.ByteSliceToString(uts.Release[:]), "-")
	}
	for _, part := range []struct {
		name string
		run  func(*options, *results) error
	}{
		{"startup", func(o *options, r *results) (err error) { r.Startup, err = startups(o); return err }},
		{"pairs", runPairs},
		{"live", runGrowth},
		{"ports", runPorts},
		{"parallel", runParallel},
		{"connections", runConnections},
	} {
		if o.only != "" && !slices.Contains(strings.Split(o.only, ","), part.name) {
			continue
		}
		start := time.Now()
		if err := part.run(o, r); err != nil {
			return nil, fmt.Errorf("%s: %w", part.name, err)
		}
		note(part.name, start)
	}
	return r, nil
}

// note tells how long a part of the run took.
func note(what string, start time.Time) {
	fmt.Fprintf(os.Stderr, "bench: %s: %.0f s\n", what, time.Since(start).Seconds())
}
