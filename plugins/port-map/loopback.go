// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/shared/sysctl"
)

// A connection from the host to its own loopback address keeps that source until it is masqueraded on the way out, and
// the kernel lets neither 127.0.0.1 nor ::1 leave by, or come back to, another interface than lo:
//
//   - IPv4: net.ipv4.conf.LINK.route_localnet lifts that for one interface. It lets neighbours in as well, so the rules
//     of chainGuard for the interface are there before it is on, and go after it is off.
//   - IPv6 has no such parameter, but takes a packet for ::1 from an interface that has a local route for it. From the
//     wire it takes none in any case. It does not work when net.bridge.bridge-nf-call-ip6tables is 1: then the reply is
//     translated back before that check, and is dropped as one from the wire.
//
// The counter of the interface in the table counts who needs it, and its comment says what was there before.

// wasPrefix starts the comment of an interface's counter.
const wasPrefix = "route_localnet was "

// opensLoopback says whether the host's loopback address is to reach the container of this side.
func (p *plan) opensLoopback(s *side) bool { return p.snat && s.link != "" }

// loopbackNow is what to remember of each family, as it is before it is opened.
func (p *plan) loopbackNow() (map[family]string, error) {
	was := map[family]string{}
	for _, s := range p.sides {
		if !p.opensLoopback(s) {
			continue
		}
		if s.family == v6 {
			was[v6] = "local route to ::1"
			continue
		}
		value, err := sysctl.Get(routeLocalnet(s.link)...)
		if err != nil {
			return nil, err
		}
		was[v4] = wasPrefix + value
	}
	return was, nil
}

// remember is loopbackNow, and noted where no change of the rules can get at it.
func (p *plan) remember() (map[family]string, error) {
	was, err := p.loopbackNow()
	for _, s := range p.sides {
		if err != nil || !p.opensLoopback(s) {
			continue
		}
		now, found := strings.CutPrefix(was[s.family], wasPrefix)
		if !found {
			now = "0" // the route is never there before
		}
		if now, err = remember(s.family, s.link, now); found {
			was[s.family] = wasPrefix + now
		}
	}
	return was, err
}

// openLoopback lets the host's loopback addresses reach the container.
func openLoopback(r *chain.Request[Config], p *plan) error {
	for _, s := range p.sides {
		if !p.opensLoopback(s) {
			continue
		}
		var err error
		// Without undo: when the ports are taken back, so is this, if nobody else needs it.
		if s.family == v4 {
			err = r.Do("let 127.0.0.1 through "+s.link, func() error {
				_, _, err := sysctl.Set(strings.Join(routeLocalnet(s.link), "/"), "1")
				return err
			}, nil)
		} else {
			err = r.Do("let ::1 through "+s.link, func() error { return addLoopbackRoute(s.link) }, nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// checkLoopback says what of it is missing.
func checkLoopback(s *side) error {
	if s.family == v6 {
		ok, err := hasLoopbackRoute(s.link)
		if err == nil && !ok {
			err = chain.Errorf(codeMissing, "the local route to ::1 through %s is missing", s.link)
		}
		return err
	}
	value, err := sysctl.Get(routeLocalnet(s.link)...)
	if err == nil && value != "1" {
		err = chain.Errorf(codeMissing, "%s is %s, not 1: 127.0.0.1 does not reach the container",
			strings.Join(routeLocalnet(s.link), "/"), value)
	}
	return err
}

// closeLoopback4 puts back what was before the first user, as the counter's comment says. An interface that is gone has
// taken it along.
func closeLoopback4(link, was string) error {
	value, ok := strings.CutPrefix(was, wasPrefix)
	if !ok {
		return fmt.Errorf("put route_localnet of %s back: %q does not say what it was", link, was)
	}
	_, _, err := sysctl.Set(strings.Join(routeLocalnet(link), "/"), value)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// closeLoopback6 takes the route back.
func closeLoopback6(link string) error { return deleteLoopbackRoute(link) }

func routeLocalnet(link string) []string {
	return []string{"net/ipv4/conf", link, "route_localnet"}
}
