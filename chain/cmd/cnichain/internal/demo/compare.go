// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"errors"
	"fmt"
	"regexp"
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
	left := unexplained(testnet.Diff(s.before, after), s.bridge(), s.chain.List.Name)
	if len(left) > 0 {
		s.say("\n   %s\n      %s\n", s.style.Bad("Left behind:"), strings.Join(left, "\n      "))
		return errors.New("the chain has left something behind")
	}
	s.item("   ", fmt.Sprintf("%s %d links, addresses, routes, rules, sysctls, nftables objects, files. "+
		"New is what is the network's and no container's: %s with the gateway's address, forwarding, and what the pool "+
		"leased last.", s.style.Good("Unchanged:"), len(s.before.Objects()), s.bridge()))
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

// unexplained are the lines of a difference that are not about what a chain leaves on purpose: the bridge with its
// gateway address, forwarding, and the position of the pool in its range.
func unexplained(diff, bridge, network string) []string {
	// What an object is stands before its fields: a veth that has stayed on the bridge is not the bridge.
	explained := regexp.MustCompile(
		`^\+ (link|fdb|tc|sysctl|route|address|neighbour) (.*[ /])?` + regexp.QuoteMeta(bridge) + `\b` +
			`|^~ sysctl ipv[46]/(ip_forward|conf/\S+/(mc_)?forwarding|conf/\S+/accept_redirects)$` +
			`|^\+ route ipv6 anycast ` + // the kernel adds those where it forwards
			`|^\+ file ` + ownState + `(/pool(/` + regexp.QuoteMeta(network) + `(/position)?)?)?$`)
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

// nftables counts the kinds of objects that matter to people: what an object is, its key begins with.
func nftables(s *testnet.Snapshot) string {
	count := map[string]int{}
	for _, o := range s.Only(testnet.NFT).Objects() {
		kind, _, _ := strings.Cut(o.Key, " ")
		count[kind]++
	}
	var texts []string
	for _, kind := range []string{"table", "chain", "rule", "set", "element"} {
		text := fmt.Sprintf("%d %s", count[kind], kind)
		if count[kind] > 1 {
			text += "s"
		}
		if count[kind] > 0 {
			texts = append(texts, text)
		}
	}
	return orNothing(texts)
}

// ownState is where the links keep their records: small files, a few for an attachment.
const ownState = "/run/cni-chain"

// files lists the files of the host, those of ownState as a number. The cache is the demo's own, as a runtime.
func files(s *testnet.Snapshot) string {
	var names []string
	records := 0
	for _, o := range s.Only(testnet.Files).Objects() {
		mode := ""
		for _, field := range o.Fields {
			if field.Name == "mode" {
				mode = field.Value
			}
		}
		switch {
		case o.Place != "host" || strings.HasPrefix(mode, "d") || strings.HasPrefix(o.Key, cacheDir+"/"):
		case strings.HasPrefix(o.Key, ownState+"/"):
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
