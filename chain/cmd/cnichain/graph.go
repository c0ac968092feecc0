// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/live"
	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/picture"
	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/topology"
	"github.com/cni-chain/cni-chain/shared/netns"
)

// formats are those of a picture.
var formats = []string{"text", "tree", "svg", "dot"}

func newGraph() *cobra.Command {
	var format, network string
	cmd := &cobra.Command{
		Use:   "graph",
		Short: "Draw the networks of this host",
		Long: `Draw the networks of this host: its interfaces, and the network namespaces that are joined to it, whoever made them.
What our links did is written to it: networks, ports, name servers.

As text it is a drawing, or a tree where the drawing would be wider than the terminal. The SVG needs nothing else; DOT
is for Graphviz.`,
		Example: `  cnichain graph
  cnichain graph --format svg > networks.svg
  cnichain graph --format dot | dot -Tpdf > networks.pdf`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !slices.Contains(formats, format) {
				return fmt.Errorf("--format %q: it is one of %s", format, strings.Join(formats, ", "))
			}
			t, all, err := attachments(cmd.Context())
			if err != nil {
				return err
			}
			t.Spaces = t.Connected()
			annotate(t, all)
			if network != "" {
				onlyNetwork(t, all, network)
			}
			out := cmd.OutOrStdout()
			_, err = fmt.Fprint(out, draw(t, format, columns(out)))
			return err
		},
	}
	cmd.Flags().StringVarP(&format, "format", "f", "text", strings.Join(formats, ", "))
	cmd.Flags().StringVar(&network, "network", "", "only the containers on this network")
	complete(cmd, "format", formats...)
	return cmd
}

// columns is the width of a terminal, 0 for what is none.
func columns(out any) int {
	if file, ok := out.(*os.File); ok {
		if size, err := unix.IoctlGetWinsize(int(file.Fd()), unix.TIOCGWINSZ); err == nil {
			return int(size.Col)
		}
	}
	return 0
}

func draw(t *topology.Topology, format string, width int) string {
	switch format {
	case "svg":
		return picture.SVG(t, picture.Options{})
	case "dot":
		return picture.DOT(t)
	case "text":
		if text, fits := picture.Text(t, width); fits {
			return text
		}
	}
	return picture.Tree(t)
}

// annotate writes to the topology what is known of attachments.
func annotate(t *topology.Topology, all []*live.Attachment) {
	for _, a := range all {
		if a.Host != nil && a.Host.Master != "" {
			if bus := t.Host.Interface(a.Host.Master); bus != nil {
				bus.Label = "network " + a.Network
			}
		}
		space := a.Space()
		if space == nil {
			continue
		}
		if filepath.Dir(space.Path) != netns.Dir || strings.HasPrefix(space.Name, "cni-") { // a name that says nothing
			space.Name = lister{}.containerID(a.ContainerID)
		}
		for _, p := range a.Ports {
			t.Host.Notes = append(t.Host.Notes, topology.Note{
				Kind: "port", Text: strings.Replace(p.String(), "->", "──►", 1) + " (" + space.Name + ")",
			})
		}
		for _, dns := range a.DNS {
			for _, line := range dns.Lines {
				if server, ok := strings.CutPrefix(line, "nameserver "); ok {
					space.Notes = append(space.Notes, topology.Note{Kind: "dns", Text: server})
				}
			}
		}
		if !a.Healthy {
			space.Notes = append(space.Notes, topology.Note{Kind: "!", Text: broken + ", see cnichain ls"})
		}
	}
}

// onlyNetwork leaves the containers of one network, and what is not a container's.
func onlyNetwork(t *topology.Topology, all []*live.Attachment, network string) {
	t.Spaces = slices.DeleteFunc(t.Spaces, func(s *topology.Space) bool {
		return !slices.ContainsFunc(all, func(a *live.Attachment) bool { return a.Space() == s && a.Network == network })
	})
	t.Host.Interfaces = slices.DeleteFunc(t.Host.Interfaces, func(i *topology.Interface) bool {
		return i.Peer != nil && i.Peer != t.Host && !slices.Contains(t.Spaces, i.Peer)
	})
}
