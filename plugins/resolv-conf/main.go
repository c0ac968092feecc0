// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Command resolv-conf is the link that makes the DNS of a CNI result arrive in the container. It decides on name
// servers, search domains and options, writes them where the container's resolver reads them, and puts them into the
// result. It makes no interface and no connection: whether the servers can be reached is for other links.
package main

import (
	"github.com/containernetworking/cni/pkg/types"

	"github.com/cni-chain/cni-chain/chain"
)

// Config is the link's part of a conflist.
type Config struct {
	// DNS is what the container is to have: nameservers, domain, search, options. An empty list says "none".
	DNS types.DNS `json:"dns"`
	// ResolvConf is the file that fields nobody sets are taken from. Default: the host's /etc/resolv.conf, or the file
	// behind it when it names only the stub of systemd-resolved or NetworkManager.
	ResolvConf string `json:"resolvConf"`
	// Fallback are the name servers when nobody sets any and the inherited file has none that a container can use.
	// Without it that is an error.
	Fallback []string `json:"fallback"`
	// Merge is "replace" (default): a field is taken from the strongest source that sets it, or "append": a list has the
	// values of all sources, the strongest first.
	Merge string `json:"merge"`
	// WriteTo says where the file goes, one place or a list: "netns", /etc/netns/NAME/resolv.conf; "rootfs",
	// /etc/resolv.conf in the container's root directory; "auto" (default), the one of the two that CNI_NETNS has; an
	// absolute path with {network}, {containerID}, {ifname}, {netns}; "none", nowhere but in the result.
	WriteTo WriteTo `json:"writeTo"`
	// RuntimeConfig is the capability "dns".
	RuntimeConfig struct {
		DNS RuntimeDNS `json:"dns"`
	} `json:"runtimeConfig"`
}

// RuntimeDNS is what a runtime sends. Its keys are not those of "dns" in the configuration (CNI CONVENTIONS.md).
type RuntimeDNS struct {
	Servers  []string `json:"servers"`
	Searches []string `json:"searches"`
	Options  []string `json:"options"`
}

// Codes of this link's errors.
const (
	codeNoServer uint = 101 // no source has a name server
	codePlace    uint = 102 // what is in the file's place can be neither replaced nor put back
	codeMissing  uint = 103 // CHECK: the file is missing
	codeChanged  uint = 104 // CHECK: the file was changed
)

var plugin = &chain.Plugin[Config]{
	Name:     "resolv-conf",
	About:    "gives the container a resolv.conf, wherever its resolver reads it, and fills dns in the result.",
	Place:    chain.Anywhere,
	Defaults: func() Config { return Config{Merge: mergeReplace, WriteTo: WriteTo{toAuto}} },
	Add:      add,
	Del:      del,
	Check:    check,
	GC:       gc,
	Status:   status,
}

func main() { plugin.Main() }
