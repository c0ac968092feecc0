// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/containernetworking/cni/pkg/types"
)

// RuntimeDNS is the "dns" capability, whose names differ from those of the configuration (CONVENTIONS.md).
type RuntimeDNS struct {
	Servers  []string `json:"servers,omitempty"`
	Searches []string `json:"searches,omitempty"`
	Options  []string `json:"options,omitempty"`
}

// ExpectedDNS is what the container is to be told: by the runtime, else by the configuration, else what the host has.
func (a *Attachment) ExpectedDNS() types.DNS {
	want := a.Net.DNS()
	if given, ok := a.Runtime.CapabilityArgs["dns"].(RuntimeDNS); ok && a.Net.Capable("dns") {
		if given.Servers != nil {
			want.Nameservers = given.Servers
		}
		if given.Searches != nil {
			want.Search = given.Searches
		}
		if given.Options != nil {
			want.Options = given.Options
		}
	}
	if want.Nameservers == nil {
		want.Nameservers = []string{HostDNS}
	}
	return want
}

// ResolvConf is the file that the container's programs read, as the host sees it.
func (a *Attachment) ResolvConf() string {
	if a.Root != "" {
		return filepath.Join(a.Root, "etc/resolv.conf")
	}
	return filepath.Join("/etc/netns", a.NS.Name, "resolv.conf")
}

// CheckDNS compares the container's file and the result with what is expected.
func (a *Attachment) CheckDNS() error {
	data, err := os.ReadFile(a.ResolvConf())
	if err != nil {
		return err
	}
	want, has := a.ExpectedDNS(), map[string][]string{}
	for _, line := range strings.Split(string(data), "\n") {
		if words := strings.Fields(line); len(words) > 1 && !strings.HasPrefix(line, "#") {
			has[words[0]] = append(has[words[0]], words[1:]...)
		}
	}
	for _, c := range []struct {
		what              string
		file, result, all []string
	}{
		{"nameserver", has["nameserver"], a.Result.DNS.Nameservers, want.Nameservers},
		{"search", has["search"], a.Result.DNS.Search, want.Search},
		{"options", has["options"], a.Result.DNS.Options, want.Options},
	} {
		if c.what == "search" && c.all == nil {
			continue // the domain may stand there
		}
		if !slices.Equal(c.file, c.all) {
			return fmt.Errorf("%s has %s %q, want %q:\n%s", a.ResolvConf(), c.what, c.file, c.all, data)
		}
		if !slices.Equal(c.result, c.all) {
			return fmt.Errorf("the result has dns %s %q, want %q", c.what, c.result, c.all)
		}
	}
	return nil
}
