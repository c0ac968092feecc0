// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/account"
	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/picture"
	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/topology"
)

// manySpaces is how many namespaces a picture shows beside the one that the trace is about, at most.
const manySpaces = 12

// picture draws the networks of the host: after an ADD with what is new, before a DEL with what has gone since.
func (t *Trace) picture() (svg, caption string) {
	if t.before == nil || t.after == nil {
		return "", ""
	}
	drawn, other, mark := t.after, t.before, "new"
	caption, legend := "The networks of this host, afterwards.", " What is new is green."
	if t.Verb == "del" || t.Verb == "gc" {
		drawn, other, mark = t.before, t.after, "gone"
		caption, legend = "The networks of this host, before.", " What has gone since is red."
	}
	shown := &topology.Topology{Host: drawn.Host, Spaces: drawn.Connected()}
	marks := missingIn(shown, other, mark)
	if len(marks) > 0 {
		caption += legend
	}
	subject := t.subject(drawn)
	if len(shown.Spaces) > manySpaces && subject != nil {
		caption += fmt.Sprintf(" %d other containers are left out.", len(shown.Spaces)-1)
		shown.Spaces = []*topology.Space{subject}
		shown.Host = withoutCables(drawn.Host, subject)
	}
	t.annotate(shown, subject)
	return picture.SVG(shown, picture.Options{Marks: marks}), caption
}

// missingIn marks the interfaces of a topology that the other does not have.
func missingIn(t, other *topology.Topology, mark string) map[*topology.Interface]string {
	there := map[string]bool{}
	for _, s := range append([]*topology.Space{other.Host}, other.Spaces...) {
		for _, i := range s.Interfaces {
			there[s.Path+" "+i.Name] = true
		}
	}
	marks := map[*topology.Interface]string{}
	for _, s := range append([]*topology.Space{t.Host}, t.Spaces...) {
		for _, i := range s.Interfaces {
			if !there[s.Path+" "+i.Name] {
				marks[i] = mark
			}
		}
	}
	return marks
}

// subject is the namespace that the trace is about, nil when there is none or it is gone.
func (t *Trace) subject(in *topology.Topology) *topology.Space {
	var stat unix.Stat_t
	if t.NetNS == "" || unix.Stat(t.NetNS, &stat) != nil {
		return nil
	}
	for _, s := range in.Spaces {
		if s.Is(stat.Dev, stat.Ino) {
			return s
		}
	}
	return nil
}

// withoutCables is the host without the ends that lead to other namespaces.
func withoutCables(host, but *topology.Space) *topology.Space {
	rest := *host
	rest.Interfaces = nil
	for _, i := range host.Interfaces {
		if i.Peer == nil || i.Peer == host || i.Peer == but {
			rest.Interfaces = append(rest.Interfaces, i)
		}
	}
	return &rest
}

// annotate writes to the picture what the result says: ports and name servers.
func (t *Trace) annotate(shown *topology.Topology, subject *topology.Space) {
	if subject == nil {
		return
	}
	subject.Name = account.Namespace(t.NetNS)
	if subject.Name == t.NetNS {
		subject.Name = t.ContainerID // the namespace has no name
	}
	result := account.Result(t.CNIVersion, t.Result)
	if result == nil {
		return
	}
	for _, port := range account.Ports(t.Record) {
		shown.Host.Notes = append(shown.Host.Notes, topology.Note{
			Kind: "port", Text: fmt.Sprintf("%s ──► %s (%s)", port, port.To(port.Address(result)), subject.Name),
		})
	}
	for _, server := range result.DNS.Nameservers {
		subject.Notes = append(subject.Notes, topology.Note{Kind: "dns", Text: server})
	}
}
