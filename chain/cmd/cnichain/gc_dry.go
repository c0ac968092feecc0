// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"

	"github.com/containernetworking/cni/pkg/types"
	"github.com/spf13/cobra"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/account"
	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/live"
	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/run"
	"github.com/cni-chain/cni-chain/shared/owner"
)

// garbage is what a gc would remove, and the document of "gc --dry-run -o json".
type garbage struct {
	Network     string            `json:"network"`
	Attachments []staleAttachment `json:"attachments"`
	// HalfMade are interfaces of the host that a killed ADD has left.
	HalfMade []string `json:"halfMade,omitempty"`
	Notes    []string `json:"notes,omitempty"`
}

// staleAttachment is an attachment that is not to be kept.
type staleAttachment struct {
	ContainerID string `json:"containerID"`
	IfName      string `json:"ifName"`
	// Recorded says that libcni has a result of it, so that every link gets a DEL.
	Recorded bool         `json:"recorded"`
	Pieces   []live.Piece `json:"pieces,omitempty"`
}

func (f *chainFlags) dryGC(cmd *cobra.Command, file string, keep []types.GCAttachment) error {
	if err := textOrJSON(f.output); err != nil {
		return err
	}
	c, err := run.Load(file)
	if err != nil {
		return err
	}
	recorded, err := run.Recorded(c, run.Options{CacheDir: f.cacheDir})
	if err != nil {
		return err
	}
	t, all, err := attachments(cmd.Context())
	if err != nil {
		return err
	}
	g := collect(c, keep, recorded, all)
	if c.AsksGC() {
		g.HalfMade = live.HalfMade(t, c.List.Name)
	}
	w := cmd.OutOrStdout()
	if f.output == "json" {
		return writeJSON(w, g)
	}
	g.write(w, account.StyleFor(w))
	return nil
}

// collect finds what is not to be kept: of those on record every link gets a DEL; what else carries the network's tag,
// the links find when they are asked for a GC.
func collect(c *run.Chain, keep, recorded []types.GCAttachment, all []*live.Attachment) *garbage {
	network := c.List.Name
	tag := func(a types.GCAttachment) string {
		return owner.Owner{Network: network, ContainerID: a.ContainerID, IfName: a.IfName}.Tag()
	}
	kept, seen := map[string]bool{}, map[string]int{}
	for _, a := range keep {
		kept[tag(a)] = true
	}
	g := &garbage{Network: network, Attachments: []staleAttachment{}, Notes: c.GCNotes()}
	for _, a := range recorded {
		if !kept[tag(a)] && !c.List.DisableGC {
			seen[tag(a)] = len(g.Attachments)
			g.Attachments = append(g.Attachments, staleAttachment{ContainerID: a.ContainerID, IfName: a.IfName, Recorded: true})
		}
	}
	for _, a := range all {
		of := owner.Owner{Network: a.Network, ContainerID: a.ContainerID, IfName: a.IfName}.Tag()
		if i, ok := seen[of]; ok {
			g.Attachments[i].Pieces = a.Pieces
			continue
		}
		ours := owner.NetworkPrefix(a.Network) == owner.NetworkPrefix(network)
		if ours && !kept[of] && c.AsksGC() {
			stale := staleAttachment{ContainerID: a.ContainerID, IfName: a.IfName, Pieces: a.Pieces}
			g.Attachments = append(g.Attachments, stale)
		}
	}
	return g
}

func (g *garbage) write(w io.Writer, style account.Style) {
	if len(g.Attachments)+len(g.HalfMade) == 0 {
		fmt.Fprintf(w, "%s: network %s has only what is to be kept\n", style.Good("nothing to remove"), g.Network)
	} else {
		fmt.Fprintf(w, "of network %s would be removed:\n", style.Bold(g.Network))
	}
	for _, a := range g.Attachments {
		how := "found by its tag"
		if a.Recorded {
			how = "on record: every link gets a DEL"
		}
		fmt.Fprintf(w, "  %s of container %s  %s\n", style.Bold(a.IfName), style.Bold(a.ContainerID), style.Dim(how))
		for _, p := range a.Pieces {
			fmt.Fprintf(w, "    %-12s %-30s %s\n", p.Kind, p.What, style.Dim(p.Where))
		}
	}
	for _, name := range g.HalfMade {
		fmt.Fprintf(w, "  %s  %s\n", style.Bold(name), style.Dim("an interface that a killed ADD has left"))
	}
	for _, note := range g.Notes {
		fmt.Fprintf(w, "%s %s\n", style.Warn("note:"), note)
	}
}
