// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Bench measures our chain beside upstream's plugins, in one run: each contender is on a machine of its own
// (network and mount namespaces), and one call after the other goes to each in turn, so that whatever disturbs the
// machine disturbs all. Live attachments are a load to everybody in the kernel, so beside them a contender is alone,
// and its machine takes turns with one of its own without any. It writes docs/benchmarks.md, its data and its plots.
// Nothing here passes or fails by a time.
//
//	bench -bin ../../bin -out ../../docs [-quick]      everything that the page shows
//	bench -bin ../../bin -a FILE -b FILE               any two conflists: ADD, CHECK and DEL of one attachment
//	bench -bin before -bin-b after -a FILE -b FILE     the same conflist, before and after a change
package main

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/cni-chain/cni-chain/shared/testnet"
)

// options are the parameters of a run.
type options struct {
	bin, out string
	quick    bool
	a, b     string
	binB     string
	samples  int
	live     numbers
	ports    numbers
	jobs     int
	batch    int
	only     string
	// src is this program's source; hello and launcher are built for the run.
	src, hello, launcher string
}

// numbers are a flag of the form "0,500,2000".
type numbers []int

// String is flag.Value.
func (n *numbers) String() string { return strings.Trim(fmt.Sprint(*n), "[]") }

// Set is flag.Value.
func (n *numbers) Set(text string) error {
	*n = nil
	for _, word := range strings.Split(text, ",") {
		i, err := strconv.Atoi(word)
		if err != nil || i < 0 {
			return fmt.Errorf("%q is no number of attachments or ports", word)
		}
		*n = append(*n, i)
	}
	return nil
}

func main() {
	var o options
	flag.StringVar(&o.bin, "bin", "bin", "where the plugins are, upstream's in upstream/ below it")
	flag.StringVar(&o.out, "out", "docs", "where benchmarks.md, benchmarks.json and the plots go")
	flag.StringVar(&o.src, "src", "e2e/bench", "where this program's source is")
	flag.BoolVar(&o.quick, "quick", false, "fewer samples, attachments and ports")
	flag.StringVar(&o.a, "a", "", "a conflist, to be measured beside -b alone")
	flag.StringVar(&o.b, "b", "", "another conflist, or the same for -bin-b")
	flag.StringVar(&o.binB, "bin-b", "", "where the plugins of -b are, if not in -bin: before and after a change")
	flag.IntVar(&o.samples, "samples", 0, "how often each call is measured (default 40, quick 12)")
	flag.Var(&o.live, "live", "how many attachments there are already, a list (default 0,500,2000; -a 0)")
	flag.Var(&o.ports, "ports", "how many ports are mapped, a list (default 1,10,100,1000; -a 1)")
	flag.IntVar(&o.jobs, "parallel", 15, "how many attachments are made at a time in the parallel run")
	flag.IntVar(&o.batch, "attachments", 0, "how many attachments the parallel run makes (default 100, quick 45)")
	flag.IntVar(&perBridge, "per-bridge", perBridge, "how many live attachments share a network and its bridge")
	flag.StringVar(&o.only, "only", "",
		"print the results of parts as JSON: startup,pairs,live,ports,parallel,connections")
	machine := flag.String("machine", "", "used by bench itself: be the machine of a contender")
	flag.Parse()
	o.fillIn()
	if err := start(&o, *machine); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// fillIn sets what the command line has left open.
func (o *options) fillIn() {
	type defaults struct {
		samples, batch int
		live, ports    numbers
	}
	d := defaults{40, 100, numbers{0, 500, 2000}, numbers{1, 10, 100, 1000}}
	if o.quick {
		d.samples, d.batch, d.live = 12, 45, numbers{0, 100}
	}
	if o.a != "" || o.b != "" {
		d.live, d.ports = numbers{0}, numbers{1}
	}
	o.samples, o.batch = cmp.Or(o.samples, d.samples), cmp.Or(o.batch, d.batch)
	if o.live == nil {
		o.live = d.live
	}
	if o.ports == nil {
		o.ports = d.ports
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
	if err := os.MkdirAll(o.out, 0o755); err != nil {
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
	if o.only != "" {
		_, err := fmt.Printf("%s\n", data)
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
