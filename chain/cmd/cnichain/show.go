// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/account"
	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/live"
)

func newShow() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "show CONTAINERID",
		Short: "Show all that a container has of its networks",
		Long: `Show all that a container has of its networks, and where: interfaces, addresses, ports, masquerading, leases,
resolv.conf. The ID may be cut, as long as no other begins with it.`,
		Example:           `  cnichain show blue`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: containerArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := textOrJSON(output); err != nil {
				return err
			}
			_, all, err := attachments(cmd.Context())
			if err != nil {
				return err
			}
			found, err := pick(all, args[0])
			if err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			if output == "json" {
				return writeJSON(w, found)
			}
			for i, a := range found {
				if i > 0 {
					fmt.Fprintln(w)
				}
				lister{w, account.StyleFor(w), true, time.Now()}.details(a)
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	complete(cmd, "output", "text", "json")
	return cmd
}

// containerArg offers the containers that there are.
func containerArg(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	_, all, _ := attachments(cmd.Context()) // what cannot be read is not offered
	var ids []string
	for _, a := range all {
		ids = append(ids, a.ContainerID)
	}
	return slices.Compact(ids), cobra.ShellCompDirectiveNoFileComp
}

// pick finds the attachments of the container whose ID is, or begins with, the text.
func pick(all []*live.Attachment, text string) ([]*live.Attachment, error) {
	var ids []string
	for _, a := range all {
		if a.ContainerID == text {
			ids = []string{text}
			break
		}
		if strings.HasPrefix(a.ContainerID, text) && !slices.Contains(ids, a.ContainerID) {
			ids = append(ids, a.ContainerID)
		}
	}
	switch len(ids) {
	case 0:
		return nil, fmt.Errorf("no attachment of a container %q: \"cnichain ls\" lists those that there are", text)
	case 1:
		return slices.DeleteFunc(all, func(a *live.Attachment) bool { return a.ContainerID != ids[0] }), nil
	}
	return nil, fmt.Errorf("%q begins the IDs of %d containers: %s", text, len(ids), strings.Join(ids, ", "))
}

// details writes one attachment.
func (l lister) details(a *live.Attachment) {
	since := ""
	if a.Since != nil {
		since = fmt.Sprintf(", since %s (%s)", a.Since.Format(time.DateTime), l.age(a))
	}
	fmt.Fprintf(l.w, "%s of container %s on network %s: %s%s\n", l.style.Bold(a.IfName), l.style.Bold(a.ContainerID),
		l.style.Bold(a.Network), l.paint(false, state(a)), since)
	l.problems(a, "  ")
	l.row("container", interfaceText(a.Interface), cmp.Or(a.NetNS, "its network namespace is gone"))
	if a.Host != nil {
		where := "on no bridge"
		if a.Host.Master != "" {
			where = "on " + a.Host.Master
		}
		l.row("host", interfaceText(a.Host), where)
	}
	for _, address := range a.Addresses {
		l.row("address", address, "")
	}
	for _, p := range a.Pieces {
		switch p.Kind {
		case "interface", "resolv.conf": // which have their lines
		default:
			l.row(p.Kind, p.What, p.Where)
		}
	}
	for _, dns := range a.DNS {
		kind, where := "resolv.conf", dns.File
		for _, line := range dns.Lines {
			l.row(kind, line, where)
			kind, where = "", ""
		}
	}
}

func (l lister) row(kind, what, where string) {
	fmt.Fprintln(l.w, strings.TrimRight(fmt.Sprintf("  %-12s %-40s %s", kind, what, l.style.Dim(where)), " "))
}

func interfaceText(i *live.Interface) string {
	if i == nil {
		return "none"
	}
	return fmt.Sprintf("%s  %s  mtu %d", i.Name, i.MAC, i.MTU)
}
