// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Packaging makes what is published of a commit: an archive, a Debian package and an RPM for each architecture, with
// their checksums. "make dist" calls it. It is a module of its own for the sake of the libraries that write packages.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/cni-chain/cni-chain/packaging/dist"
)

func main() {
	var o dist.Options
	arches := flag.String("arch", strings.Join(dist.Arches, ","), "architectures, as Go names them")
	flag.StringVar(&o.Root, "root", ".", "the repository")
	flag.StringVar(&o.Man, "man", "bin/man", "where the man pages are")
	flag.StringVar(&o.Out, "out", "bin/dist", "where to")
	flag.Parse()
	o.Arches = strings.Split(*arches, ",")
	files, err := dist.Make(o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "dist:", err)
		os.Exit(1)
	}
	for _, file := range files {
		fmt.Println(file)
	}
}
