// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/cni-chain/cni-chain/e2e/faults/ledger"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// drift is something that happens to a thing that a link has made.
type drift struct {
	// link is the link whose CHECK is to fail, "" where none has to: why says the reason.
	link, why string
	// do is a shell script. $VETH and $BRIDGE are the host's interfaces, the container's namespace is called victim.
	do string
	// says is what the error has to name.
	says string
	// all: the other links stand on it, and may fail too.
	all bool
	// stays is what DEL may leave, since the drift has made it somebody else's.
	stays string
}

// drifts of interfaces, addresses, routes and sysctls. Those of nftables and of files are found by themselves.
var drifts = []drift{
	{"veth-bridge", "", "ip link del $VETH", "eth0|$VETH", true, ""},
	{"veth-bridge", "", "ip link del $BRIDGE", "$BRIDGE", true, ""},
	{"veth-bridge", "", "ip link set $BRIDGE down", "$BRIDGE.*down", true, ""},
	{"veth-bridge", "", "ip link set $VETH down", "$VETH.*down", true, ""},
	{"veth-bridge", "", "ip link set $VETH nomaster", "$VETH is not on bridge $BRIDGE", true, ""},
	{"veth-bridge", "", "ip link set $VETH mtu 1400", "$VETH.* 1400", false, ""},
	{"veth-bridge", "", "ip link set $VETH alias mine", "$VETH.*mine", false, "$VETH"},
	{"veth-bridge", "", "ip link set $VETH alias ''", "$VETH", false, ""},
	{"veth-bridge", "", "ip link set $VETH down && ip link set $VETH name other0 && ip link set other0 up", "$VETH", true, ""},
	{"veth-bridge", "", "ip -n victim link set eth0 down", "eth0.*down", true, ""},
	{"veth-bridge", "", "ip -n victim link set eth0 down && ip -n victim link set eth0 name e1 && ip -n victim link set e1 up", "eth0", true, ""},
	{"veth-bridge", "", "ip -n victim link set eth0 netns elsewhere", "eth0|$VETH", true, ""},
	{"veth-bridge", "", "ip link add br-other type bridge && ip link set $VETH master br-other; ip link set $VETH up", "$VETH is not on bridge $BRIDGE", true, ""},
	{"ip-config", "", "ip -n victim addr flush dev eth0 scope global", "address.* eth0", false, ""},
	{"ip-config", "", "ip -n victim -4 route del default", "default|0.0.0.0/0", false, ""},
	{"ip-config", "", "ip addr flush dev $BRIDGE scope global", "$BRIDGE", false, ""},
	{"ip-config", "", "sysctl -qw net.ipv4.ip_forward=0", "ip_forward|forwarding", false, ""},
	{"", "a later link may set it", "ip -n victim link set eth0 mtu 1300", "", false, ""},
	{"", "notices of address changes are sent once, by ADD", "ip netns exec victim sysctl -qw net.ipv4.conf.eth0.arp_notify=0", "", false, ""},
}

// driftsOf are those of one of the chains alone.
var driftsOf = map[string][]drift{
	"dual-stack": {
		{"", "a later link may set it", "ip -n victim link set eth0 address 02:00:00:00:00:77", "", false, ""},
		{"veth-bridge", "", "bridge link set dev $VETH hairpin off", "hairpin", false, ""},
		{"ip-config", "", "ip -n victim -6 route del default", "default|::/0", false, ""},
		{"ip-config", "", "sysctl -qw net.ipv6.conf.all.forwarding=0", "forwarding", false, ""},
		{"port-map", "", "sysctl -qw net.ipv4.conf.$BRIDGE.route_localnet=0", "route_localnet", false, ""},
		{"port-map", "", "ip -6 route del local ::1 dev $BRIDGE table local", "::1", false, ""},
	},
	"others": {
		{"veth-bridge", "", "ip -n victim link set eth0 address 02:00:00:00:00:77", "02:00:00:00:00:77|MAC", false, ""},
		{"veth-bridge", "", "bridge link set dev $VETH isolated off", "portIsolation|isolat", false, ""},
		{"port-map", "", "sysctl -qw net.ipv4.conf.$BRIDGE.route_localnet=0", "route_localnet", false, ""},
		{"ip-config", "", "iptables -t nat -F; ip6tables -t nat -F", "masquerade|CNI-MASQ", true, ""},
		{"port-map", "", "iptables -t nat -F PREROUTING", "PREROUTING", false, ""},
	},
}

// TestDrift lets each thing that a link has made be changed or removed behind its back. CHECK of that link fails and
// names it, CHECK of the others passes, and DEL cleans up.
func TestDrift(t *testing.T) {
	testnet.Need(t)
	r := run{open(t), chooser(9)}
	for _, c := range chains(t) {
		if c.suite != ledger.Ours {
			continue
		}
		list := slices.Concat(found(t, c), driftsOf[c.name])
		if c.name != "pool-alone" {
			list = append(list, drifts...)
		}
		for _, d := range list {
			if r.chosen(c.name, d.do) {
				t.Run(c.name+" "+d.do, func(t *testing.T) { tryDrift(t, c, d, r.book) })
			}
		}
	}
}

func tryDrift(t *testing.T, c *chain, d drift, book *ledger.Ledger) {
	testnet.NamedNS(t, "elsewhere") // a script moves interfaces there
	a, before := begin(t, c)
	defer a.ns.Close()
	defer func() {
		if t.Failed() || d.stays != "" {
			wipe(t, a)
		}
	}()
	upTo(t, a, a.links(), "ADD")
	words := a.words()
	script := exec.Command("sh", "-ec", words.Replace(d.do))
	if out, err := script.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	row := ledger.Tally{Points: 1, Hit: 1}
	for i := range a.links() {
		got := a.run(call{link: i, command: "CHECK"})
		switch mine := a.plugin(i) == d.link; {
		case mine && got.exit == 0:
			row.Wrong++
			t.Errorf("CHECK of %s passes", d.link)
		case mine && !regexp.MustCompile(words.Replace(d.says)).MatchString(got.stdout):
			row.Wrong++
			t.Errorf("CHECK of %s does not name %s: %s", d.link, words.Replace(d.says), got.stdout)
		case !mine && !d.all && got.exit != 0:
			row.Wrong++
			t.Errorf("CHECK of %s fails: %s", a.plugin(i), got.stdout)
		}
	}
	if err := a.undo(false); err != nil {
		row.Stuck++
		t.Error(err)
	}
	_ = exec.Command("ip", "link", "del", "br-other").Run() // a script's
	left := c.left(t, before)
	if left != "" && (d.stays == "" || !onlyLines(left, words.Replace(d.stays))) {
		row.Leaks++
		t.Errorf("left behind:\n%s", left)
	}
	book.Add(ledger.Words{Suite: c.suite, Link: cmp.Or(d.link, "any"), Command: "CHECK", Fault: ledger.Drift, Then: "DEL"}, row)
}

// onlyLines says whether each line of a difference matches.
func onlyLines(left, pattern string) bool {
	for _, line := range strings.Split(left, "\n") {
		if !regexp.MustCompile(pattern).MatchString(line) {
			return false
		}
	}
	return true
}

// words are the names that scripts and expectations have.
func (a *attempt) words() *strings.Replacer {
	var veth string
	list, _ := os.ReadDir("/proc/sys/net/ipv4/conf")
	for _, e := range list {
		if strings.HasPrefix(e.Name(), "veth") {
			veth = e.Name()
		}
	}
	bridge, _ := a.net.Value("bridge").(string)
	return strings.NewReplacer("$VETH", veth, "$BRIDGE", bridge)
}

// found are the drifts of what can be listed: rules and sets of nftables, and files.
func found(t *testing.T, c *chain) (list []drift) {
	t.Helper()
	a, _ := begin(t, c)
	defer a.ns.Close()
	for i := range a.links() {
		before := testnet.Take(t)
		if got := a.run(call{link: i, command: "ADD"}); got.exit != 0 {
			t.Fatal(got.stdout)
		}
		for _, line := range strings.Split(testnet.Diff(before, testnet.Take(t)), "\n") {
			if path, ok := strings.CutPrefix(strings.TrimSpace(line), "+ file "); ok && !strings.Contains(path, ": mode d") {
				list = append(list, fileDrifts(a.plugin(i), path)...)
			}
		}
		list = append(list, tableDrifts(t, a.plugin(i), list)...)
	}
	if err := a.undo(false); err != nil {
		t.Fatal(err)
	}
	return list
}

// bookkeeping are the files in which a link keeps what it can do without.
var bookkeeping = map[string]string{
	`/position:`:       "how far the walk has come",
	`/used-`:           "hints, which are made anew",
	`/port-map/`:       "notes of what to close, and where to look",
	`/[0-9a-z]+\.dir:`: "notes of which directories to remove",
}

func fileDrifts(plugin, line string) []drift {
	path, _, _ := strings.Cut(line, ": mode")
	name := regexp.QuoteMeta(path[strings.LastIndex(path, "/")+1:])
	removed := drift{link: plugin, do: "rm " + path, says: name + "|no record|holds no address"}
	for pattern, why := range bookkeeping {
		if regexp.MustCompile(pattern).MatchString(line) {
			removed.link, removed.why = "", why
			if strings.HasSuffix(path, ".dir") {
				// Nobody knows any more who has made it, nor of the one above, as long as this one is in it.
				removed.stays = "/etc/netns(/victim)?: mode d|/run/cni-chain(/resolv-conf(/[0-9a-z]+\\.dir)?)?: mode"
			}
		}
	}
	changed := removed
	changed.stays = ""
	changed.do = "echo '# changed' >> " + path
	if strings.Contains(path, "/pool/") {
		changed.link, changed.why = "", "the tag and the addresses count, not a line more"
	}
	return []drift{removed, changed}
}

// tableDrifts deletes each rule, and empties each set, of nftables' that is ours and no earlier link's.
func tableDrifts(t *testing.T, plugin string, known []drift) (list []drift) {
	t.Helper()
	out, err := exec.Command("nft", "list", "ruleset").Output()
	if err != nil {
		t.Fatal(err)
	}
	var table, object string
	rules := 0
	for _, line := range strings.Split(string(out), "\n") {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		d := drift{link: plugin, says: regexp.QuoteMeta(object)}
		switch words[0] {
		case "table":
			table = words[1] + " " + words[2]
			continue
		case "set", "map", "chain":
			object, rules = words[0]+" "+table+" '"+words[1]+"'", 0
			continue
		case "elements":
			d.do = "nft flush " + object
		case "type", "flags", "comment", "}":
			continue
		default:
			if words[0] == "counter" && words[len(words)-1] == "{" {
				object = "" // one of the table's own
			}
			if !strings.HasPrefix(object, "chain") {
				continue
			}
			rules++
			d.do = deleteRule(object, fmt.Sprintf("sed -n %dp", rules))
			if builtin.MatchString(object) { // others have rules there as well
				d.do = deleteRule(object, fmt.Sprintf("grep -F -- '%s'", counts.ReplaceAllString(strings.TrimSpace(line), "*")))
			}
		}
		d.says = strings.Trim(object[strings.LastIndex(object, " ")+1:], "'") + "|CNI-"
		ours := strings.Contains(object+line, "CNI-") || strings.Contains(table, "cni-chain")
		if ours && !slices.ContainsFunc(known, func(k drift) bool { return k.do == d.do }) {
			list = append(list, d)
		}
	}
	return list
}

var (
	counts  = regexp.MustCompile(`packets \d+ bytes \d+`)
	builtin = regexp.MustCompile(`'[A-Z]+'$`)
)

// deleteRule is a script that deletes the rule of a chain that a filter picks out of its listing.
func deleteRule(chain, pick string) string {
	return fmt.Sprintf("nft -a list %s | sed -n 's/packets [0-9]* bytes [0-9]*/*/; /{ #/d; / # handle /p' | %s | "+
		"sed 's/.* # handle //' | xargs nft delete rule %s handle", chain, pick, strings.TrimPrefix(chain, "chain "))
}
