// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"cmp"
	"strconv"
)

var uplinkRules = []Rule{
	{
		Code: "CC070", Severity: Warning, Title: "an MTU above the uplink's",
		Why: "The container sends packets that the host's way out cannot carry. Small ones pass, so that everything seems to work " +
			"until a download hangs. macvlan and ipvlan refuse such an MTU.",
		Check: checkMTU,
	},
	{
		Code: "CC071", Severity: Note, Title: "an interface that this host has not",
		Why:   "The link needs an interface of the host that is not there now. On the machine that the file is for, it may be.",
		Check: checkMaster,
	},
}

// uplinkOf is the host's interface that a link's traffic goes through.
func uplinkOf(p *pass, l *Link) string {
	return cmp.Or(l.Node.Str("uplink"), l.Node.Str("master"), p.Host.Uplink())
}

func checkMTU(p *pass) {
	if p.Host == nil {
		return
	}
	p.links(func(l *Link) {
		n := l.Node.Get("mtu")
		if l.Facts == nil || n == nil || len(l.Facts.Provides) == 0 || l.Node.True("linkInContainer") {
			return
		}
		wanted, err := strconv.Atoi(n.Text)
		if err != nil {
			return
		}
		uplink := uplinkOf(p, l)
		if mtu, found := p.Host.MTU(uplink); found && wanted > mtu {
			a := advice{"write", `"mtu": ` + strconv.Itoa(mtu)}
			if l.Type == "veth-bridge" {
				a = advice{"let it follow the uplink", `"mtu": "auto"`}
			}
			p.link(l, n, a, "the MTU %d is more than the %d of %s", wanted, mtu, uplink)
		}
	})
}

func checkMaster(p *pass) {
	if p.Host == nil {
		return
	}
	p.links(func(l *Link) {
		for _, key := range []string{"uplink", "master", "device"} {
			name := l.Node.Str(key)
			if _, found := p.Host.MTU(name); name != "" && !found && !l.Node.True("linkInContainer") {
				p.link(l, l.Node.Get(key), advice{}, "this host has no interface %q", name)
			}
		}
	})
}
