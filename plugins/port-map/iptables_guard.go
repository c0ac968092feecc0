// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import "slices"

// guards says whether the interface is guarded already, whatever the comment says that it was before.
func (l lines) guards(rule string) bool {
	want := fields(rule)
	return slices.ContainsFunc(l.of("raw", ipGuard), func(r string) bool {
		got := fields(r)
		return option(got, "-i") == option(want, "-i") && option(got, "-s") == option(want, "-s")
	})
}

// needed says whether an attachment other than the one with the tag has the host's loopback address let through the
// interface.
func needed(link string, all map[string]*ipHolding, but string) bool {
	for tag, h := range all {
		if tag != but && noteOf(&h.Holding, noteLink) == link {
			return true
		}
	}
	return false
}

// closeUnneeded closes the interfaces to 127.0.0.1 that no attachment of all needs, and writes the deletion of their
// guards. Whose they were does not matter: iptables-restore changes table by table, and one that is killed in between
// leaves a guard, without anything in the table nat that would say whose.
func (i iptables) closeUnneeded(c changes, l lines, all map[string]*ipHolding) error {
	for _, rule := range l.of("raw", ipGuard) {
		words := fields(rule)
		link := option(words, "-i")
		if needed(link, all, "") {
			continue
		}
		if err := closeLoopback4(link, option(words, "--comment")); err != nil {
			return err
		}
		c.add("raw", deleteRule(rule))
		l.rules["raw"] = slices.DeleteFunc(slices.Clone(l.rules["raw"]), func(r string) bool { return r == rule })
	}
	return nil
}
