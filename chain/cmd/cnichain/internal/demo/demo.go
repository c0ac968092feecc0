// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Package demo tells the story of a chain on a machine that has nothing set up: two containers on a bridge, a ping, a
// page through a port of the host, and nothing left in the end. Everything happens in the network and mount namespaces
// that the caller has put the process into; it needs no program but the plugins.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/account"
	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/run"
	"github.com/cni-chain/cni-chain/conflists"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// conflist is the chain that the demo runs.
const conflist = "bridge.conflist"

// The port of the host that leads to green, and green's own.
const hostPort, pagePort = 8080, 80

// cacheDir is where the runtime of the demo, that is this program, keeps results. /run is the demo's own.
const cacheDir = "/run/cnichain-demo"

// Chain is the chain that the demo runs, from inside the program.
func Chain() (*run.Chain, error) {
	data, err := conflists.FS.ReadFile(conflist)
	if err != nil {
		return nil, err
	}
	return run.Parse("conflists/"+conflist, data)
}

// story is the demo on its way.
type story struct {
	out     io.Writer
	style   account.Style
	chain   *run.Chain
	options run.Options
	chapter int
	// svg takes the picture, nil when nobody wants it.
	svg func(string) error

	host, blue, green *testnet.NS
	outside           *testnet.Outside
	added             []*run.Record
	before, attached  *testnet.Snapshot
}

// Tell runs the demo. The process must be alone in fresh namespaces, see testnet.Isolate. svg, which may be nil, takes
// the picture of what there is in the middle. The error says what did not work; up to there, the story has been told.
func Tell(
	ctx context.Context, out io.Writer, style account.Style, pluginPath []string, svg func(picture string) error,
) (err error) {
	c, err := Chain()
	if err != nil {
		return err
	}
	s := &story{out: out, style: style, chain: c, options: run.Options{Path: pluginPath, CacheDir: cacheDir}, svg: svg}
	defer func() { err = errors.Join(err, s.close()) }()
	s.say("%s\n", style.Bold("cni-chain: two containers get a network from four small plugins, a step each."))
	s.item("", fmt.Sprintf("This runs on a machine of its own: %s namespaces with nothing in them. "+
		"Your machine is not touched, and all of it is gone at the end.", namespaces()))
	for _, chapter := range []func(context.Context) error{
		s.setStage, s.showChain, s.attachBlue, s.attachGreen, s.draw, s.prove, s.detach, s.compare,
	} {
		if err := chapter(ctx); err != nil {
			return err
		}
	}
	s.say("\nThe same on your machine, as root, after \"ip netns add blue\":\n"+
		"   cnichain add conflists/%s blue --port 8080:80\n"+
		"   cnichain del conflists/%s blue\n", conflist, conflist)
	return nil
}

// namespaces says what the machine is made of. A user namespace that is not the machine's maps fewer than all IDs
// (user_namespaces(7)).
func namespaces() string {
	ids, err := os.ReadFile("/proc/self/uid_map")
	if err == nil && !strings.Contains(string(ids), "4294967295") {
		return "user, network and mount"
	}
	return "network and mount"
}

func (s *story) say(format string, args ...any) { fmt.Fprintf(s.out, format, args...) }

// width is how wide a line may be.
const width = 79

// item writes what there is to say to a name, in as many lines as that takes.
func (s *story) item(name, text string) {
	line, indent := name, account.Width(name)
	for i, word := range strings.SplitAfter(text, " ") {
		if i > 0 && account.Width(line+strings.TrimRight(word, " ")) > width {
			s.say("%s\n", strings.TrimRight(line, " "))
			line = strings.Repeat(" ", indent)
		}
		line += word
	}
	s.say("%s\n", strings.TrimRight(line, " "))
}

// heading begins a chapter.
func (s *story) heading(format string, args ...any) {
	s.chapter++
	s.say("\n%s\n", s.style.Bold(fmt.Sprintf("%d. ", s.chapter)+fmt.Sprintf(format, args...)))
}

func (s *story) close() error {
	var errs []error
	for _, ns := range []*testnet.NS{s.host, s.blue, s.green} {
		if ns != nil {
			errs = append(errs, ns.Close())
		}
	}
	if s.outside != nil {
		errs = append(errs, s.outside.Close())
	}
	return errors.Join(errs...)
}
