// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Package leasing is what ip-pool and a link that serves it in process (ip-config) both do for package pool, which
// knows nothing of CNI: read what a runtime wishes, and tell errors as the protocol has them.
package leasing

import (
	"errors"
	"log/slog"
	"strings"

	"github.com/containernetworking/cni/pkg/types"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/shared/pool"
	"github.com/cni-chain/cni-chain/shared/resolv"
)

// Wishes are what a runtime asks for, from all three places at once, as host-local takes them: IP in CNI_ARGS
// (addresses with commas between), "ips" of args.cni, "ips" and "ipRanges" of runtimeConfig.
func Wishes(args map[string]string, cni, ips []string, ranges [][]pool.Range) pool.Request {
	var w pool.Request
	if list := args["IP"]; list != "" {
		w.IPs = strings.Split(list, ",")
	}
	w.IPs = append(w.IPs, cni...)
	w.IPs = append(w.IPs, ips...)
	w.Ranges = ranges
	return w
}

// Error gives the pool's errors their CNI codes; unavailable is that of an address that cannot be had now.
func Error(err error, unavailable uint) error {
	var config *pool.ConfigError
	var exhausted *pool.ExhaustedError
	var taken *pool.TakenError
	var notReady *pool.NotReadyError
	switch {
	case errors.As(err, &config):
		return chain.Invalid(place(config.Path), config.Value, "%s", config.Reason)
	case errors.As(err, &exhausted), errors.As(err, &taken), errors.As(err, &notReady):
		return chain.Errorf(unavailable, "%w", err)
	}
	return err
}

// place is where in the whole configuration a path of the pool stands.
func place(path string) string {
	switch {
	case strings.HasPrefix(path, "ipRanges["):
		return "runtimeConfig." + path
	case strings.HasPrefix(path, "ips["):
		return "a requested address, " + path
	}
	return "ipam." + path
}

// DNS is what "resolvConf" of the pool's configuration brings into the result: the content of the file at path, without
// servers that a container cannot reach. "" is nothing.
func DNS(path string, log *slog.Logger) (types.DNS, error) {
	if path == "" {
		return types.DNS{}, nil
	}
	found, err := resolv.Inherit(path)
	if err != nil {
		return types.DNS{}, chain.Invalid("ipam.resolvConf", path, "%v", err)
	}
	for _, dropped := range found.Dropped {
		log.Warn(dropped, "resolvConf", found.Path)
	}
	return types.DNS{Nameservers: found.Servers, Domain: found.Domain, Search: found.Search, Options: found.Options}, nil
}
