// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/account"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// snapshot is everything that the kernel and the file system show of the host and its containers.
func (s *story) snapshot() (*testnet.Snapshot, error) {
	return testnet.Snap(testnet.Scope{Namespaces: []*testnet.NS{s.blue, s.green, s.outside.NS}})
}

// compare shows that the machine is as it was, but for what is the network's and no container's.
func (s *story) compare(context.Context) error {
	after, err := s.snapshot()
	if err != nil {
		return err
	}
	s.heading("The machine is as it was")
	for _, row := range []struct {
		name string
		list func(*testnet.Snapshot) string
	}{{"links", links}, {"nftables", nftables}, {"files", files}} {
		s.item(fmt.Sprintf("   %-10sbefore    ", row.name), row.list(s.before))
		s.item("             attached  ", row.list(s.attached))
		s.item("             after     ", row.list(after))
	}
	bridge := s.bridge()
	left := unexplained(testnet.Diff(s.before, after), bridge)
	if len(left) > 0 {
		s.say("\n   %s\n      %s\n", s.style.Bad("Left behind:"), strings.Join(left, "\n      "))
		return errors.New("the chain has left something behind")
	}
	s.say("   %s %d links, addresses, routes, rules, sysctls, nftables objects and files.\n"+
		"   %s with its address, and forwarding, are the network's and not a container's:\n"+
		"   they stay for the next one. Nothing else is left.\n", s.style.Good("Unchanged:"), len(s.before.Objects()), bridge)
	return nil
}

// bridge is the name of the network's bridge, the first interface of the result.
func (s *story) bridge() string {
	result := account.Result(s.chain.List.CNIVersion, s.added[0].Result)
	if result == nil || len(result.Interfaces) == 0 {
		return ""
	}
	return result.Interfaces[0].Name
}

// unexplained are the lines of a difference that are not about the bridge with its gateway address, nor about
// forwarding, which a chain leaves on purpose.
func unexplained(diff, bridge string) []string {
	// What an object is stands before its fields: a veth that has stayed on the bridge is not the bridge.
	explained := regexp.MustCompile(`^\+ (link|fdb|tc|sysctl|route|address|neighbour) (.*[ /])?` + regexp.QuoteMeta(bridge) + `\b` +
		`|^~ sysctl ipv[46]/(ip_forward|conf/\S+/(mc_)?forwarding|conf/\S+/accept_redirects)$` +
		`|^\+ route ipv6 anycast `) // the kernel adds those where it forwards
	var left []string
	for line := range strings.Lines(diff) {
		text := strings.TrimSpace(line)
		object, _, _ := strings.Cut(text, ": ")
		if strings.HasPrefix(line, " ") && !explained.MatchString(object) {
			left = append(left, text)
		}
	}
	return left
}

func links(s *testnet.Snapshot) string {
	var names []string
	for _, o := range s.Only(testnet.Links).Objects() {
		if o.Place == "host" {
			names = append(names, o.Key)
		}
	}
	return strings.Join(names, ", ")
}

// nftables counts by kind: what an object is, its key begins with.
func nftables(s *testnet.Snapshot) string {
	var kinds []string
	count := map[string]int{}
	for _, o := range s.Only(testnet.NFT).Objects() {
		kind, _, _ := strings.Cut(o.Key, " ")
		if !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
		count[kind]++
	}
	var texts []string
	for _, kind := range kinds {
		text := fmt.Sprintf("%d %s", count[kind], kind)
		if count[kind] > 1 {
			text += "s"
		}
		texts = append(texts, text)
	}
	return orNothing(texts)
}

// ownState is where the links keep their records, one or two small files for an attachment.
const ownState = "/run/cni-chain/"

// files lists the files of the host, without the directories on the way to them; those of ownState are counted.
func files(s *testnet.Snapshot) string {
	objects := s.Only(testnet.Files).Objects()
	var names []string
	records := 0
	for _, o := range objects {
		isParent := slices.ContainsFunc(objects, func(other testnet.Object) bool { return strings.HasPrefix(other.Key, o.Key+"/") })
		switch {
		case o.Place != "host" || isParent || o.Key == "/run" || strings.HasPrefix(o.Key, cacheDir):
		case strings.HasPrefix(o.Key, ownState):
			records++
		default:
			names = append(names, o.Key)
		}
	}
	if records > 0 {
		names = append(names, fmt.Sprintf("%d in %s", records, ownState))
	}
	return orNothing(names)
}

func orNothing(texts []string) string {
	if len(texts) == 0 {
		return "nothing"
	}
	return strings.Join(texts, ", ")
}
