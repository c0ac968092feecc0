// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"cmp"
	"slices"
	"strings"

	"github.com/containernetworking/cni/pkg/version"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/source"
)

var programRules = []Rule{
	{
		Code: "CC050", Severity: Error, Title: "a plugin is not installed",
		Why: "There is no program of that name where the runtime looks for plugins (CNI_PATH, /opt/cni/bin). Every ADD fails, and " +
			"so does every DEL. Lint says nothing when no plugin at all is installed: then the files are for another machine.",
		Check: checkInstalled,
	},
	{
		Code: "CC051", Severity: Error, Title: "a version that the installed plugin does not speak",
		Why: "The program is there, and answers that it does not know the conflist's CNI version. Distributions ship old ones. " +
			"\"cniVersions\" lets the runtime choose.",
		Check: checkSpoken,
	},
	{
		Code: "CC052", Severity: Error, Title: "a version that cannot do this",
		Why: "Before CNI 0.3.0 there were no chains: what a link did was not told to the next one. Some plugins never learned " +
			"the old versions.",
		Check: checkVersion,
	},
}

// program is a plugin that the chain executes, and where it is named.
type program struct {
	link *Link
	name string
	at   *source.Node
}

func (f *File) programs() (list []program) {
	for _, l := range f.Links {
		if l.Type != "" {
			list = append(list, program{l, l.Type, l.Node.Get("type")})
		}
		// ip-config serves ip-pool in process.
		if l.IPAMType != "" && (l.IPAMType != "ip-pool" || l.Type != "ip-config") {
			list = append(list, program{l, l.IPAMType, l.IPAM.Get("type")})
		}
	}
	return list
}

func checkInstalled(p *pass) {
	if p.Host == nil || !p.Host.Plugins() {
		return
	}
	for _, program := range p.File.programs() {
		if _, found, _ := p.Host.Versions(program.name); !found {
			p.link(program.link, program.at, advice{hint: "install it, or say where plugins are with --plugin-path"},
				"the plugin %q is not installed", program.name)
		}
	}
}

func checkSpoken(p *pass) {
	if p.Host == nil {
		return
	}
	wanted, at := p.File.version()
	for _, program := range p.File.programs() {
		spoken, found, err := p.Host.Versions(program.name)
		switch {
		case !found || wanted == "":
		case err != nil:
			p.link(program.link, program.at, advice{}, "%v", err)
		case !slices.Contains(spoken, wanted):
			p.at(at, advice{"it speaks " + strings.Join(spoken, ", "), `"cniVersion": "` + spoken[len(spoken)-1] + `"`},
				"the installed %s does not speak CNI %s", program.name, wanted)
		}
	}
}

func checkVersion(p *pass) {
	wanted, at := p.File.version()
	if at == nil {
		return
	}
	below := func(least string) bool {
		enough, err := version.GreaterThanOrEqualTo(wanted, least)
		return err == nil && !enough
	}
	if len(p.File.Links) > 1 && below("0.3.0") {
		p.at(at, advice{"write", `"cniVersion": "1.0.0"`}, "CNI %s has no chains: no link would see what the one before it did", wanted)
		return
	}
	p.links(func(l *Link) {
		if l.Facts == nil {
			return
		}
		if least := cmp.Or(l.Facts.MinCNI, "0.1.0"); below(least) {
			p.at(at, advice{"write", `"cniVersion": "` + least + `"`}, "%s speaks CNI from %s on, not %s", l.Type, least, wanted)
		}
	})
}
