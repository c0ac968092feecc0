// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Command ip-pool is an IPAM plugin: it leases addresses out of ranges, with the keys of host-local. Another plugin
// calls it, named under "ipam"; ip-config serves the same pool without calling it. It configures no interface.
package main

import (
	"encoding/json"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/plugins/ip-pool/leasing"
	"github.com/cni-chain/cni-chain/shared/pool"
)

// Config is the whole configuration of the plugin that calls. Its other keys are that plugin's business.
type Config struct {
	// IPAM is ip-pool's own configuration.
	IPAM pool.Config `json:"ipam"`
	// RuntimeConfig is what the runtime wants for this attachment.
	RuntimeConfig struct {
		// IPs are addresses to lease, at most one of each range set.
		IPs []string `json:"ips"`
		// IPRanges are range sets before the configured ones.
		IPRanges [][]pool.Range `json:"ipRanges"`
	} `json:"runtimeConfig"`
	// Args.CNI.IPs and IP in CNI_ARGS are addresses too.
	Args struct {
		CNI struct {
			IPs []string `json:"ips"`
		} `json:"cni"`
	} `json:"args"`

	ipam json.RawMessage
}

// UnmarshalJSON takes of the caller's configuration what is ip-pool's, whatever else there is; Validate is what is
// strict.
func (c *Config) UnmarshalJSON(data []byte) error {
	type config Config // without this method
	var doc struct {
		config
		IPAM json.RawMessage `json:"ipam"`
	}
	err := chain.Unmarshal(data, &doc)
	*c = Config(doc.config)
	c.ipam = doc.IPAM
	_ = chain.Unmarshal(doc.IPAM, &c.IPAM) // DEL goes on with what can be read, Validate reports the rest
	return err
}

// Validate decodes "ipam" strictly and checks it.
func (c *Config) Validate() error {
	if len(c.ipam) == 0 {
		return chain.Invalid("ipam", "", "ip-pool is called by another plugin and configured under its key \"ipam\"")
	}
	c.IPAM = pool.Config{}
	if err := chain.Decode(c.ipam, "ipam", &c.IPAM); err != nil {
		return err
	}
	return leasing.Error(c.IPAM.Validate(), chain.CodeConfig)
}

var plugin = chain.Plugin[Config]{
	Name:  "ip-pool",
	About: `leases addresses to the plugin that names it under "ipam" (the keys there are those of host-local)`,
	Place: chain.Anywhere,
	Add:   add,
	Del:   del, Check: check, GC: gc, Status: status,
}

func main() { plugin.Main() }
