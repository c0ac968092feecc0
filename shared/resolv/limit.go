// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package resolv

import (
	"fmt"
	"net/netip"
	"strings"
)

const (
	// MaxServers is how many name servers a resolver asks (MAXNS: glibc resolv.h and musl resolvconf.h).
	MaxServers = 3
	// MaxSearch is how many search domains glibc before 2.26 tries (MAXDNSRCH in resolv.h).
	MaxSearch = 6
	// maxLine is how long a line may be without its line break: musl reads lines into 256 bytes and skips longer ones
	// (src/network/resolvconf.c), glibc before 2.26 keeps 255 bytes of the search list (defdname in resolv.h).
	maxLine = 254
)

// Limit is c with no server or search domain twice and without those that a resolver would not read, and a sentence
// for each part that was cut because of a limit. Options have no limit.
func (c Config) Limit() (limited Config, cut []string) {
	limited = c
	limited.Servers = unique(c.Servers)
	if n := len(limited.Servers); n > MaxServers {
		cut = append(cut, fmt.Sprintf("name servers %s: resolvers ask no more than %d",
			strings.Join(limited.Servers[MaxServers:], ", "), MaxServers))
		limited.Servers = limited.Servers[:MaxServers]
	}
	limited.Search = unique(c.Search)
	keep, length := 0, len("search")
	for _, domain := range limited.Search {
		length += 1 + len(domain)
		if keep == MaxSearch || length > maxLine {
			cut = append(cut, fmt.Sprintf("search domains %s: resolvers read no more than %d in a line of %d characters",
				strings.Join(limited.Search[keep:], ", "), MaxSearch, maxLine))
			break
		}
		keep++
	}
	limited.Search = limited.Search[:keep]
	return limited, cut
}

// WithoutLocal is c without the name servers that mean something on the host alone (loopback, unspecified, link-local
// with a zone of the host), and those servers.
func (c Config) WithoutLocal() (rest Config, local []string) {
	rest = c
	rest.Servers = nil
	for _, server := range c.Servers {
		if isLocal(server) {
			local = append(local, server)
			continue
		}
		rest.Servers = append(rest.Servers, server)
	}
	return rest, local
}

// isLocal: glibc sends what goes to 0.0.0.0 or :: to the host itself.
func isLocal(server string) bool {
	addr, err := netip.ParseAddr(server)
	if err != nil {
		return false
	}
	return addr.Unmap().IsLoopback() || addr.IsUnspecified() || addr.Zone() != ""
}

// unique keeps the first of equal values; nil stays nil.
func unique(values []string) []string {
	if values == nil {
		return nil
	}
	seen := make(map[string]bool, len(values))
	kept := make([]string, 0, len(values))
	for _, v := range values {
		if !seen[v] {
			seen[v] = true
			kept = append(kept, v)
		}
	}
	return kept
}
