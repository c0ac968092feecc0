// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"github.com/cni-chain/cni-chain/shared/owner"
)

// iptables finds what attachments have in rules of the table nat: those of the links' backend "iptables". A host
// without the programs has none.
func (f *finder) iptables(ctx context.Context) error {
	var errs []error
	for _, program := range []string{"iptables-save", "ip6tables-save"} {
		path, err := exec.LookPath(program)
		if err != nil {
			continue
		}
		out, err := exec.CommandContext(ctx, path, "-t", "nat").Output()
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			// One that does not work here has made no rule.
			if text := string(exit.Stderr); strings.Contains(text, "ermission denied") {
				errs = append(errs, fmt.Errorf("read %s: %s", program, strings.TrimSpace(text)))
			}
			continue
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("read %s: %w", program, err))
			continue
		}
		f.rules(string(out), program)
	}
	return errors.Join(errs...)
}

// rules reads what iptables-save prints. A rule whose comment is a tag is the attachment's, and so is the chain that
// begins with such a rule.
func (f *finder) rules(saved, program string) {
	chains := map[string]string{} // whose a chain is
	for line := range strings.Lines(saved) {
		words := split(line)
		if len(words) < 2 || words[0] != "-A" {
			continue
		}
		comment := option(words, "--comment")
		if strings.HasPrefix(comment, owner.Prefix) && strings.HasPrefix(words[1], "CNI-P-") {
			chains[words[1]] = comment
		}
		tag := comment
		if !strings.HasPrefix(tag, owner.Prefix) {
			tag = chains[words[1]]
		}
		if a, ok := f.of(tag); ok {
			a.rule(words, fmt.Sprintf("chain %s of %s -t nat", words[1], program))
		}
	}
}

// rule takes one rule of the attachment's.
func (a *Attachment) rule(words []string, where string) {
	switch option(words, "-j") {
	case "MASQUERADE":
		address, _, _ := strings.Cut(option(words, "-s"), "/")
		a.piece("masquerade", address, where)
	case "DNAT":
		if p, ok := dnat(words); ok {
			a.port(p, where)
		}
	case "":
		a.note(option(words, "--comment"))
	}
}

// dnat reads "-d 192.0.2.1/32 -p tcp --dport 8080 -j DNAT --to-destination 10.0.0.2:80". One for several ports leaves
// them as they are, and has none behind the address.
func dnat(words []string) (p Port, ok bool) {
	p = Port{Protocol: option(words, "-p"), Count: 1}
	if host, err := netip.ParsePrefix(option(words, "-d")); err == nil {
		p.HostIP = host.Addr().String()
	}
	first, last, isRange := strings.Cut(option(words, "--dport"), ":")
	p.HostPort, _ = strconv.Atoi(first) // iptables prints numbers
	if isRange {
		end, _ := strconv.Atoi(last)
		p.Count = end - p.HostPort + 1
	}
	destination := option(words, "--to-destination")
	if to, err := netip.ParseAddrPort(destination); err == nil {
		p.ContainerIP, p.ContainerPort = to.Addr().String(), int(to.Port())
		return p, true
	}
	to, err := netip.ParseAddr(destination)
	p.ContainerIP, p.ContainerPort = to.String(), p.HostPort
	return p, err == nil
}

// split takes a line of iptables-save apart into words; one with blanks is quoted.
func split(line string) []string {
	var words []string
	var word strings.Builder
	quoted := false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case quoted && c == '\\' && i+1 < len(line):
			i++
			word.WriteByte(line[i])
		case c == '"':
			quoted = !quoted
		case (c == ' ' || c == '\n') && !quoted:
			if word.Len() > 0 {
				words = append(words, word.String())
			}
			word.Reset()
		default:
			word.WriteByte(c)
		}
	}
	return words
}

// option is the word behind an option, "" when the rule does not have it.
func option(words []string, name string) string {
	if at := slices.Index(words, name); at >= 0 && at+1 < len(words) {
		return words[at+1]
	}
	return ""
}
