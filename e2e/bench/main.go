// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Bench measures our chain beside upstream's plugins, in one run: each contender is on a machine of its own
// (network and mount namespaces), and one call after the other goes to each in turn, so that whatever disturbs the
// machine disturbs all. It writes docs/benchmarks.md, its data and its plots. Nothing here passes or fails by a
// time.
//
//	bench -bin ../../bin -out ../../docs [-quick]      everything that the page shows
//	bench -bin ../../bin -a FILE -b FILE               any two conflists: ADD, CHECK and DEL of one attachment
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cni-chain/cni-chain/shared/testnet"
)

// options are the parameters of a run.
type options struct {
	bin, out string
	quick    bool
	a, b     string
	samples  int
	live     int
	ports    int
	jobs     int
	// src is this program's source; hello and launcher are built from it for the run.
	src, hello, launcher string
}

func main() {
	var o options
	flag.StringVar(&o.bin, "bin", "bin", "where the plugins are, upstream's in upstream/ below it")
	flag.StringVar(&o.out, "out", "docs", "where benchmarks.md, benchmarks.json and the plots go")
	flag.StringVar(&o.src, "src", "e2e/bench", "where this program's source is")
	flag.BoolVar(&o.quick, "quick", false, "fewer samples, attachments and ports")
	flag.StringVar(&o.a, "a", "", "a conflist, to be measured beside -b alone")
	flag.StringVar(&o.b, "b", "", "another conflist")
	flag.IntVar(&o.samples, "samples", 0, "how often each call is measured (default 40, quick 12)")
	flag.IntVar(&o.live, "live", 0, "with -a and -b: how many attachments there are already")
	flag.IntVar(&o.ports, "ports", 1, "with -a and -b: how many ports are mapped")
	flag.IntVar(&o.jobs, "parallel", 15, "how many attachments are made at a time in the parallel run")
	machine := flag.String("machine", "", "used by bench itself: be the machine of a contender")
	flag.Parse()
	if err := start(&o, *machine); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func start(o *options, machine string) (err error) {
	if o.bin, err = filepath.Abs(o.bin); err != nil {
		return err
	}
	if machine != "" {
		inside, code, err := testnet.Isolate()
		if err != nil {
			return err
		}
		if !inside {
			os.Exit(code)
		}
		return serve(o.bin, machine, os.Stdin, os.Stdout)
	}
	if o.samples == 0 {
		o.samples = map[bool]int{false: 40, true: 12}[o.quick]
	}
	if o.a != "" || o.b != "" {
		return compare(o)
	}
	remove, err := tools(o)
	if remove != nil {
		defer remove()
	}
	if err != nil {
		return err
	}
	r, err := everything(o)
	if err != nil {
		return err
	}
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(o.out, "benchmarks.json"), append(data, '\n'), 0o644); err != nil {
		return err
	}
	if err := plots(o.out, r); err != nil {
		return err
	}
	return page(o.out, r)
}
