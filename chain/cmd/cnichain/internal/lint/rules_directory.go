// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"path/filepath"
	"strings"
)

var directoryRules = []Rule{
	{
		Code: "CC080", Severity: Note, Title: "which file a runtime takes",
		Why: "containerd and CRI-O take the first file of the directory, in the order of the names, and no other, unless they are " +
			"told a network's name. podman and nerdctl choose by name. Numbers in front of the names make the order plain.",
		Check: checkTaken,
	},
	{
		Code: "CC081", Severity: Warning, Title: "one name, two networks",
		Why: "Two files of the directory name the same network. A runtime that chooses by name takes one of them, and what " +
			"plugins keep by the network's name (leases, rules) is mixed up.",
		Check: checkSameName,
	},
	{
		Code: "CC082", Severity: Warning, Title: "a file that no runtime reads",
		Why: "libcni reads *.conflist, *.conf and *.json. A file with another ending may be a copy that was put aside, or a " +
			"network that somebody is waiting for.",
		Check: checkPassedOver,
	},
}

func checkTaken(p *pass) {
	if len(p.All) < 2 || p.All[0] != p.File {
		return
	}
	p.at(p.File.Doc.Root, advice{hint: "a number before a file's name changes the order: 10-" + filepath.Base(p.All[1].Name)},
		"a runtime that takes one file of this directory takes this one, of %d", len(p.All))
}

func checkSameName(p *pass) {
	for _, other := range p.File.before(p.All) {
		if name := p.File.name(); name != "" && name == other.name() {
			p.at(p.File.Doc.Root.Get("name"), advice{"give it a name of its own", `"name": "` + stem(p.File.Name) + `"`},
				"the network %q is defined in %s, too", name, filepath.Base(other.Name))
		}
	}
}

func stem(name string) string {
	return strings.TrimSuffix(filepath.Base(name), filepath.Ext(name))
}

func checkPassedOver(p *pass) {
	for _, name := range p.File.passedOver {
		p.at(p.File.Doc.Root, advice{hint: "call it *.conflist, or move it away"}, "beside this file is %s, which no runtime reads", name)
	}
}
