// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package resolv

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// maxName is the longest domain name in its written form (RFC 1035, 2.3.4: 255 octets with the length bytes).
const maxName = 253

// maxOption bounds one option. The longest that glibc knows has 21 characters (single-request-reopen).
const maxOption = 64

// Validate says of each value that is not what its place asks for why it is not. Nothing that passes can add a line,
// or a word, of its own to a file.
func (c Config) Validate() error {
	_, refused := c.Clean()
	return errors.Join(refused...)
}

// Clean is c without the values that are not what their place asks for, and one error for each of them.
func (c Config) Clean() (clean Config, refused []error) {
	keep := func(values []string, check func(string) error) []string {
		if values == nil {
			return nil
		}
		kept := make([]string, 0, len(values))
		for _, v := range values {
			if err := check(v); err != nil {
				refused = append(refused, err)
				continue
			}
			kept = append(kept, v)
		}
		return kept
	}
	clean.Servers = keep(c.Servers, CheckServer)
	if c.Domain != "" {
		for _, domain := range keep([]string{c.Domain}, CheckDomain) {
			clean.Domain = domain
		}
	}
	clean.Search = keep(c.Search, CheckDomain)
	clean.Options = keep(c.Options, CheckOption)
	clean.Other = keep(c.Other, checkOther)
	return clean, refused
}

// CheckServer accepts an IP address. Only an IPv6 link-local one may have a zone, which must be an interface name.
func CheckServer(server string) error {
	addr, err := netip.ParseAddr(server)
	if err != nil {
		return fmt.Errorf("name server %q is not an IP address", server)
	}
	zone := addr.Zone()
	if zone == "" {
		return nil
	}
	if !addr.IsLinkLocalUnicast() && !addr.IsLinkLocalMulticast() {
		return fmt.Errorf("name server %q has a zone, which only a link-local address needs", server)
	}
	// IFNAMSIZ in linux/if.h is 16 with the closing zero; dev_valid_name in net/core/dev.c forbids "/", ":" and blanks.
	if len(zone) > 15 || strings.ContainsFunc(zone, func(r rune) bool {
		return !isGraphic(r) || strings.ContainsRune("/:%#;", r)
	}) {
		return fmt.Errorf("zone of name server %q is not the name of an interface", server)
	}
	return nil
}

// CheckDomain accepts a domain name in ASCII, with or without the dot at its end, and the root ".".
func CheckDomain(name string) error {
	if name == "." {
		return nil
	}
	bare := strings.TrimSuffix(name, ".")
	if bare == "" || len(bare) > maxName {
		return fmt.Errorf("domain %q is not of 1 to %d characters", name, maxName)
	}
	for label := range strings.SplitSeq(bare, ".") {
		if err := checkLabel(label); err != nil {
			return fmt.Errorf("domain %q: %w", name, err)
		}
	}
	return nil
}

const labelCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

// checkLabel follows RFC 1123, 2.1, and allows the underscore, which names in use have (_tcp, Windows domains).
func checkLabel(label string) error {
	if label == "" || len(label) > 63 {
		return fmt.Errorf("part %q is not of 1 to 63 characters", label)
	}
	if label[0] == '-' || label[len(label)-1] == '-' {
		return fmt.Errorf("part %q starts or ends with a hyphen", label)
	}
	for _, r := range label {
		if !strings.ContainsRune(labelCharacters, r) {
			return fmt.Errorf("part %q has %q: letters, digits, - and _ alone (other alphabets as xn--...)", label, r)
		}
	}
	return nil
}

// CheckOption accepts one word. Which options there are differs from one C library to the next; all ignore others.
func CheckOption(option string) error {
	if option == "" || len(option) > maxOption {
		return fmt.Errorf("option %q is not of 1 to %d characters", option, maxOption)
	}
	for _, r := range option {
		if !isGraphic(r) || r == '#' || r == ';' {
			return fmt.Errorf("option %q has %q, it is to be one word", option, r)
		}
	}
	return nil
}

// checkOther accepts a line that File.Config would give back in Other.
func checkOther(line string) error {
	if strings.ContainsAny(line, "\n\x00") {
		return fmt.Errorf("line %q has a line break", line)
	}
	switch keyword, _ := split(line); keyword {
	case "", "nameserver", "domain", "search", "options":
		return fmt.Errorf("line %q is not one of further keywords", line)
	}
	return nil
}

// isGraphic: printable ASCII, without the blank.
func isGraphic(r rune) bool { return r > ' ' && r < 0x7f }
