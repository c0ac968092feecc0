// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/containernetworking/cni/pkg/types"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/shared/resolv"
)

// decide makes the attachment's part: what the runtime, the configuration and the previous result say, the strongest
// first, and where they say nothing, or when it is to be appended, what the inherited file says. notes are what the
// user may have expected and does not get.
func decide(conf *Config, prev types.DNS) (own part, notes []string, err error) {
	before := ofResult(prev)
	if err := checkConfig("prevResult.dns", "nameservers", "search", before); err != nil {
		return part{}, nil, err
	}
	all := conf.Merge == mergeAppend
	said := combine(combine(ofRuntime(conf.RuntimeConfig.DNS), ofConfig(conf.DNS), all), before, all)
	own = part{said: said}
	if all || said.Servers == nil || said.Options == nil || !hasSearch(said) {
		if notes, err = own.inherit(conf, all); err != nil {
			return part{}, nil, err
		}
	}
	for _, c := range []*resolv.Config{&own.said, &own.inherited} {
		limited, cut := tidy(*c).Limit()
		*c = limited
		notes = append(notes, cut...)
	}
	return own, notes, nil
}

// inherit adds the inherited file: to what is said when all is to be merged, and where nothing is said.
func (p *part) inherit(conf *Config, all bool) (notes []string, err error) {
	found, notes, err := inheritable(conf, p.said.Servers == nil)
	if err != nil {
		return nil, err
	}
	if p.said.Servers != nil && !all {
		notes = nil // about servers that nobody wants
	}
	more := resolv.Config{}
	p.inherited.Other = found.Other
	if p.said.Servers == nil {
		p.inherited.Servers = found.Servers
	} else {
		more.Servers = found.Servers
	}
	if hasSearch(p.said) {
		more.Domain, more.Search = found.Domain, found.Search
	} else {
		p.inherited.Domain, p.inherited.Search = found.Domain, found.Search
	}
	if p.said.Options == nil {
		p.inherited.Options = found.Options
	} else {
		more.Options = found.Options
	}
	if all {
		p.said = combine(p.said, more, all)
	}
	return notes, nil
}

// inheritable reads the file to inherit from. When servers are needed and it has none, the fallback takes their place.
func inheritable(conf *Config, needServers bool) (found resolv.Inherited, notes []string, err error) {
	found, err = resolv.Inherit(conf.ResolvConf)
	switch {
	case err == nil:
	case !errors.Is(err, fs.ErrNotExist):
		return found, nil, chain.Errorf(chain.CodeIO, "%w", err)
	case conf.ResolvConf != "":
		return found, nil, chain.Invalid("resolvConf", conf.ResolvConf, "there is no such file to inherit from")
	}
	for _, dropped := range found.Dropped {
		notes = append(notes, fmt.Sprintf("not inherited from %s: %s", found.Path, dropped))
	}
	if !needServers || len(found.Servers) > 0 {
		return found, notes, nil
	}
	if len(conf.Fallback) == 0 {
		return found, nil, noServer(conf, found)
	}
	found.Servers = conf.Fallback
	return found, append(notes, "no name server to inherit, falling back to "+strings.Join(conf.Fallback, ", ")), nil
}

// noServer says why there is none, and what to do.
func noServer(conf *Config, found resolv.Inherited) error {
	why := "there is no file to inherit from"
	if found.Path != "" {
		why = found.Path + " names none that a container can use"
	}
	if len(found.Dropped) > 0 {
		why += " (" + strings.Join(found.Dropped, "; ") + ")"
	}
	key := "resolvConf"
	if conf.ResolvConf != "" {
		key = "fallback"
	}
	return chain.Errorf(codeNoServer, "no name server is left: neither the runtime nor dns.nameservers nor prevResult "+
		"has one, and %s; set dns.nameservers or %s", why, key)
}

// combine merges two configurations field by field: the stronger one's, or all of both. The local domain and the search
// list are one field, as to resolvers they are two ways to say the same.
func combine(stronger, weaker resolv.Config, all bool) resolv.Config {
	merge := func(a, b []string) []string {
		switch {
		case a == nil:
			return b
		case all:
			return slices.Concat(a, b)
		}
		return a
	}
	c := stronger
	c.Servers = merge(stronger.Servers, weaker.Servers)
	c.Options = merge(stronger.Options, weaker.Options)
	if hasSearch(stronger) && !all {
		return c
	}
	if c.Domain == "" {
		c.Domain = weaker.Domain
	}
	if c.Search = weaker.Search; stronger.Search != nil {
		c.Search = slices.Concat(stronger.Search, weaker.Search)
	}
	return c
}

func hasSearch(c resolv.Config) bool { return c.Search != nil || c.Domain != "" }

// ofRuntime and ofResult take an empty list for one that says nothing: those who fill them know no other way to say it.
// In the configuration it was typed, and says "none".
func ofRuntime(d RuntimeDNS) resolv.Config {
	return resolv.Config{Servers: some(d.Servers), Search: some(d.Searches), Options: some(d.Options)}
}

func ofResult(d types.DNS) resolv.Config {
	c := ofConfig(d)
	return resolv.Config{Servers: some(c.Servers), Domain: c.Domain, Search: some(c.Search), Options: some(c.Options)}
}

func ofConfig(d types.DNS) resolv.Config {
	return resolv.Config{Servers: d.Nameservers, Domain: d.Domain, Search: d.Search, Options: d.Options}
}

func some(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	return list
}

// checkConfig says which value is not what its key asks for. servers and search are what the object at path calls them.
func checkConfig(path, servers, search string, c resolv.Config) error {
	var errs []error
	check := func(key string, values []string, valid func(string) error) {
		for i, value := range values {
			if err := valid(value); err != nil {
				errs = append(errs, chain.Errorf(chain.CodeConfig, "%s.%s[%d]: %w", path, key, i, err))
			}
		}
	}
	check(servers, c.Servers, resolv.CheckServer)
	check(search, c.Search, resolv.CheckDomain)
	check("options", c.Options, resolv.CheckOption)
	if c.Domain != "" {
		if err := resolv.CheckDomain(c.Domain); err != nil {
			errs = append(errs, chain.Errorf(chain.CodeConfig, "%s.domain: %w", path, err))
		}
	}
	return errors.Join(errs...)
}
