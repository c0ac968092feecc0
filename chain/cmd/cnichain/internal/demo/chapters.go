// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/containernetworking/cni/pkg/invoke"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/account"
	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/picture"
	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/run"
	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/topology"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// setStage makes what a runtime would find: namespaces for containers, and a machine in the world beyond.
func (s *story) setStage(context.Context) (err error) {
	s.heading("The stage")
	if s.host, err = testnet.Host(); err != nil {
		return err
	}
	if s.blue, err = testnet.Create("blue"); err != nil {
		return err
	}
	if s.green, err = testnet.Create("green"); err != nil {
		return err
	}
	if s.outside, err = testnet.ConnectOutside(); err != nil {
		return err
	}
	s.item("   host      ", fmt.Sprintf("the machine; its uplink %s has %s", s.outside.HostLink, s.outside.HostV4))
	s.item("   outside   ", fmt.Sprintf("another machine on that cable, %s, with the name server", s.outside.V4))
	s.item("   blue      ", "a network namespace without any interface: a container to be")
	s.item("   green     ", fmt.Sprintf("another one; a web server will listen in it, on port %d", pagePort))
	if err := nameServer(s.outside.V4.String()); err != nil {
		return err
	}
	s.before, err = s.snapshot()
	return err
}

// nameServer gives the host a name server, so that the story is the same on every machine: one may have none, or one
// that only itself can reach. What was there may be a link that leads elsewhere.
func nameServer(address string) error {
	err := os.Remove(hostResolvConf)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.WriteFile(hostResolvConf, []byte("nameserver "+address+"\n"), 0o644)
}

// showChain says what the links are, in their own words.
func (s *story) showChain(ctx context.Context) error {
	s.heading("The chain: %s", s.chain.File)
	for i, plugin := range s.chain.List.Plugins {
		path, err := invoke.FindInPath(plugin.Network.Type, s.options.Path)
		if err != nil {
			return err
		}
		s.item(fmt.Sprintf("   %d %-13s", i+1, plugin.Network.Type), about(ctx, path))
	}
	s.say("   Each is a program. It gets its part of the conflist (<) and the result so far,\n" +
		"   does its step, and hands the result on, with what it has changed (+ - ~).\n")
	return nil
}

// about is what a plugin says of itself when it is run by hand: "NAME VERSION: what it does".
func about(ctx context.Context, path string) string {
	said, _ := exec.CommandContext(ctx, path).CombinedOutput() // a plugin that says nothing is introduced by its name
	line, _, _ := strings.Cut(string(said), "\n")
	_, text, _ := strings.Cut(line, ": ")
	return text
}

func (s *story) attachBlue(ctx context.Context) error {
	return s.attach(ctx, s.blue, nil, func(*run.Call) bool { return true })
}

// attachGreen tells in full of the links that are given something that blue's were not: the port.
func (s *story) attachGreen(ctx context.Context) error {
	ports := map[string]any{"portMappings": []map[string]any{
		{"hostPort": hostPort, "containerPort": pagePort, "protocol": "tcp"},
	}}
	return s.attach(ctx, s.green, ports, func(c *run.Call) bool {
		return strings.Contains(account.Input(c), "runtimeConfig.")
	})
}

// attach adds a container and tells of its links: in full of those for which tell is true.
func (s *story) attach(
	ctx context.Context, ns *testnet.NS, capabilities map[string]any, tell func(*run.Call) bool,
) error {
	flag := ""
	if capabilities != nil {
		flag = fmt.Sprintf(" --port %d:%d", hostPort, pagePort)
	}
	s.heading("cnichain add %s %s%s", conflist, ns.Name, flag)
	r := run.Add(ctx, s.chain, s.attachment(ns, capabilities), s.options)
	w := account.Writer{W: s.out, Style: s.style}
	for _, call := range r.Calls {
		if tell(call) || call.Error != nil {
			w.Link(call, r)
		} else {
			w.LinkName(call)
		}
	}
	w.Outcome(r)
	if r.Failed() {
		return fmt.Errorf("attach %s: %s", ns.Name, r.Errors[0].Msg)
	}
	s.added = append(s.added, r)
	return nil
}

func (s *story) attachment(ns *testnet.NS, capabilities map[string]any) run.Attachment {
	target := run.Target{Name: ns.Name, Path: ns.Path}
	return run.Attachment{Target: target, ContainerID: target.ContainerID(), IfName: "eth0", Capabilities: capabilities}
}

// draw shows what there is now, as the kernel has it.
func (s *story) draw(context.Context) error {
	s.heading("What there is now")
	t, err := s.topology()
	if err != nil {
		return err
	}
	text, _ := picture.Text(t, 0)
	for line := range strings.Lines(text) {
		s.say("   %s", line)
	}
	if s.svg != nil {
		if err := s.svg(picture.SVG(t, picture.Options{})); err != nil {
			return err
		}
	}
	s.attached, err = s.snapshot()
	return err
}

// topology is what the kernel has, with what the results say of it.
func (s *story) topology() (*topology.Topology, error) {
	var places []topology.Place
	for _, ns := range []*testnet.NS{s.blue, s.green, s.outside.NS} {
		places = append(places, topology.Place{Name: ns.Name, Path: ns.Path})
	}
	places[2].Name = "outside"
	t, err := topology.Read(places...)
	if err != nil {
		return nil, err
	}
	result := account.Result(s.chain.List.CNIVersion, s.added[1].Result)
	for _, port := range account.Ports(s.added[1]) {
		t.Host.Notes = append(t.Host.Notes, topology.Note{
			Kind: "port", Text: fmt.Sprintf("%s ──► %s (green)", port, port.To(port.Address(result))),
		})
	}
	for i, space := range t.Spaces[:2] {
		dns := account.Result(s.chain.List.CNIVersion, s.added[i].Result).DNS
		for _, server := range dns.Nameservers {
			space.Notes = append(space.Notes, topology.Note{Kind: "dns", Text: server})
		}
	}
	t.Spaces[1].Notes = append(t.Spaces[1].Notes, topology.Note{Text: fmt.Sprintf("a web server on :%d", pagePort)})
	return t, nil
}

// detach takes both away again, the last link first.
func (s *story) detach(ctx context.Context) error {
	s.heading("cnichain del %s blue, and green", conflist)
	w := account.Writer{W: s.out, Style: s.style}
	for _, ns := range []*testnet.NS{s.blue, s.green} {
		r := run.Del(ctx, s.chain, s.attachment(ns, nil), s.options)
		if r.Failed() {
			w.Links(r)
			w.Outcome(r)
			return fmt.Errorf("detach %s: %s", ns.Name, r.Errors[0].Msg)
		}
		var took []string
		for _, call := range r.Calls {
			took = append(took, fmt.Sprintf("%s %s", call.Type, account.Milliseconds(call.Took)))
		}
		w.Outcome(r)
		s.item("  ", s.style.Dim(strings.Join(took, ", ")))
	}
	return removeCache()
}

// removeCache removes libcni's cache, which is this program's and not the chain's. It must be empty by now.
func removeCache() error {
	err := os.Remove(filepath.Join(cacheDir, "results"))
	return errors.Join(err, os.Remove(cacheDir))
}
