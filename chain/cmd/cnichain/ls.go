// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/account"
	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/live"
	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/topology"
)

func newLs() *cobra.Command {
	var output, network string
	var long bool
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "List the attachments of this host, and what is wrong with them",
		Long: `List the attachments of this host, and what is wrong with them.

They are found by the tags that all they have carries: interfaces, nftables and iptables, leases, resolv.conf. No
runtime is asked and no conflist read. What other plugins made carries no tag and is not seen.`,
		Example: `  cnichain ls
  cnichain ls --network podnet -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := textOrJSON(output); err != nil {
				return err
			}
			_, all, err := attachments(cmd.Context())
			if network != "" {
				all = slices.DeleteFunc(all, func(a *live.Attachment) bool { return a.Network != network })
			}
			w := cmd.OutOrStdout()
			if output == "json" {
				return errors.Join(writeJSON(w, all), err)
			}
			lister{w, account.StyleFor(w), long, time.Now()}.table(all)
			return err
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	cmd.Flags().StringVar(&network, "network", "", "only those of this network")
	cmd.Flags().BoolVarP(&long, "long", "l", false, "do not cut container IDs")
	complete(cmd, "output", "text", "json")
	return cmd
}

func textOrJSON(output string) error {
	if output != "text" && output != "json" {
		return fmt.Errorf("--output %q: it is text or json", output)
	}
	return nil
}

func writeJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// attachments reads what there is on this host.
func attachments(ctx context.Context) (*topology.Topology, []*live.Attachment, error) {
	t, err := topology.ReadAll()
	if err != nil {
		return nil, nil, err
	}
	all, err := live.Read(ctx, t, live.Places{})
	if err != nil && os.Geteuid() != 0 {
		err = fmt.Errorf("%w\nonly root sees everything: run it with sudo", err)
	}
	return t, all, err
}

// lister writes attachments for people.
type lister struct {
	w     io.Writer
	style account.Style
	long  bool
	now   time.Time
}

func (l lister) table(all []*live.Attachment) {
	if len(all) == 0 {
		fmt.Fprintln(l.w, "no attachments")
		return
	}
	rows := [][]string{{"NETWORK", "CONTAINER", "IF", "ADDRESSES", "PORTS", "SINCE", "STATE"}}
	for _, a := range all {
		rows = append(rows, []string{
			a.Network, l.containerID(a.ContainerID), a.IfName, short(a.Addresses), short(hostPorts(a)), l.age(a), state(a),
		})
	}
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for i, row := range rows {
		line := ""
		for column, cell := range row {
			pad := strings.Repeat(" ", widths[column]-utf8.RuneCountInString(cell)+2)
			line += l.paint(i == 0, cell) + pad
		}
		fmt.Fprintln(l.w, strings.TrimRight(line, " "))
		if i > 0 {
			l.problems(all[i-1], "  ")
		}
	}
}

func (l lister) paint(heading bool, cell string) string {
	switch {
	case heading:
		return l.style.Dim(cell)
	case cell == healthy:
		return l.style.Good(cell)
	case cell == broken:
		return l.style.Bad(cell)
	}
	return cell
}

func (l lister) problems(a *live.Attachment, indent string) {
	for _, problem := range a.Problems {
		fmt.Fprintf(l.w, "%s%s %s\n", indent, l.style.Bad("!"), problem)
	}
}

// The words for how an attachment is.
const healthy, broken = "healthy", "broken"

func state(a *live.Attachment) string {
	if a.Healthy {
		return healthy
	}
	return broken
}

// containerID is cut as runtimes do.
func (l lister) containerID(id string) string {
	const most = 12
	if len(id) <= most+4 || l.long {
		return id
	}
	return id[:most]
}

// hostPorts are the ports of the host, each once although both address families have it.
func hostPorts(a *live.Attachment) []string {
	var ports []string
	for _, p := range a.Ports {
		host, _, _ := strings.Cut(p.String(), " -> ")
		if !slices.Contains(ports, host) {
			ports = append(ports, host)
		}
	}
	return ports
}

// short is a list in a table: its first two, and how many more.
func short(list []string) string {
	const most = 2
	if len(list) > most {
		return fmt.Sprintf("%s +%d", strings.Join(list[:most], ", "), len(list)-most)
	}
	return strings.Join(list, ", ")
}

// age is how long ago the attachment was made, in its largest unit; "?" when no file of it says.
func (l lister) age(a *live.Attachment) string {
	if a.Since == nil {
		return "?"
	}
	age := max(0, l.now.Sub(*a.Since))
	switch {
	case age < time.Minute:
		return fmt.Sprintf("%d s", age/time.Second)
	case age < time.Hour:
		return fmt.Sprintf("%d min", age/time.Minute)
	case age < 48*time.Hour:
		return fmt.Sprintf("%d h", age/time.Hour)
	}
	return fmt.Sprintf("%d days", age/(24*time.Hour))
}
