// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package schema

import (
	"net"
	"net/netip"
	"path/filepath"
	"strings"

	"github.com/containernetworking/cni/pkg/utils"
	"github.com/containernetworking/cni/pkg/version"
)

// format is what a string has to look like, beyond what JSON Schema can say.
type format struct {
	what  string // for "… is needed"
	valid func(string) (hint string, ok bool)
}

// formats by the word in a schema's "format". "hint" is what to write instead, where that is plain.
var formats = map[string]format{
	"cidr": {"a network like 10.1.0.0/16, without bits beyond the prefix", func(s string) (string, bool) {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return "", false
		}
		return p.Masked().String(), p == p.Masked() && !p.Addr().Is4In6()
	}},
	"address": {"an address with its prefix length, like 10.1.0.5/16", func(s string) (string, bool) {
		_, err := netip.ParsePrefix(s)
		return "", err == nil
	}},
	"ip": {"an IP address like 10.1.0.5", func(s string) (string, bool) {
		if p, err := netip.ParsePrefix(s); err == nil {
			return p.Addr().String(), false
		}
		a, err := netip.ParseAddr(s)
		return "", err == nil && a.Zone() == ""
	}},
	"mac": {"a MAC address like 02:42:0a:01:00:05", func(s string) (string, bool) {
		_, err := net.ParseMAC(s)
		return "", err == nil
	}},
	"interface": {"an interface's name: at most 15 characters, no space, slash or colon", func(s string) (string, bool) {
		return "", utils.ValidateInterfaceName(s) == nil
	}},
	"path": {"an absolute path", func(s string) (string, bool) {
		return "", filepath.IsAbs(s)
	}},
	"network": {"a name of letters, digits, _ . and -, a letter or digit first", func(s string) (string, bool) {
		return networkName(s), utils.ValidateNetworkName(s) == nil
	}},
	"cni-version": {or(version.All.SupportedVersions()), func(s string) (string, bool) {
		for _, v := range version.All.SupportedVersions() {
			if v == s {
				return "", true
			}
		}
		return "", false
	}},
}

// networkName is the name with a - for each character that no network may have.
func networkName(s string) string {
	name := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("_.-", r) {
			return r
		}
		return '-'
	}, s)
	return strings.TrimLeft(name, "_.-")
}
