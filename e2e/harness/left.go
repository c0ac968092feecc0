// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"errors"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

// What a plugin leaves on the host when the last container has gone, as lines of testnet.Diff. In a pattern BRIDGE is
// the name of the chain's bridge, CABLE that of its uplink, and NETWORK the network's.
const (
	// The bridge itself and what is on it, with its VLAN interfaces; not its ports, which name it too.
	bridge = `^\+ ((link|address) BRIDGE(\.\d+)?[ :]|(fdb|tc|neighbour) .* o[nf] BRIDGE(\.\d+)?(:| vlan| parent|$)|` +
		`route .* dev BRIDGE(\.\d+)?( |$)|sysctl \S+/BRIDGE(\.\d+)?/)`
	forwards = `^~ sysctl ipv[46]/(ip_forward|conf/\S+/(mc_)?forwarding|conf/\S+/accept_redirects): `
	anycast  = `^\+ route ipv6 anycast ` // the kernel adds them where it forwards
)

// stays is left on purpose. The bridge, with its gateway address, is the network's and no container's, and may carry
// what others have put on it; so does its uplink. Forwarding is the host's: whoever needed it meanwhile may still.
var stays = map[string][]string{
	"veth-bridge": {
		bridge, `^~ link CABLE: master none -> BRIDGE, `, `^\+ fdb \S+ on CABLE( vlan 1)?: master BRIDGE, `,
		`^\+ fdb vlan 1 of CABLE: `,
	},
	"ip-config": {bridge, forwards, anycast},
	// Where the walk through the addresses stands, so that the one freed last is not leased next.
	"ip-pool": {`^\+ file /run/cni-chain(/pool(/NETWORK)?)?: `, `^[+~] file /run/cni-chain/pool/NETWORK/position: `},
}

// leaks is what a reference plugin leaves for lack of care. It is not ours to mend, but named in detail, so that
// nothing of ours hides behind it: no rule or file of a container is among it.
var leaks = map[string][]string{
	"bridge": {bridge, forwards, anycast, iptables(`nat`, `POSTROUTING`)},
	"host-local": {
		`^\+ file /var/lib/cni(/networks(/NETWORK)?)?: `, `^[+~] file /var/lib/cni/networks/NETWORK/(last_reserved_ip\.\d|lock): `,
	},
	"portmap": {
		iptables(`nat`, `CNI-HOSTPORT-(DNAT|MASQ|SETMARK)|OUTPUT|POSTROUTING|PREROUTING`),
		`^\+ nft rule ip6? nat (CNI-HOSTPORT-(MASQ|SETMARK)|OUTPUT|POSTROUTING|PREROUTING): .*` +
			`(CNI portfwd|target\(name=MASQUERADE|jump CNI-HOSTPORT-DNAT)`,
		`^~ sysctl ipv4/conf/BRIDGE/route_localnet: `,
	},
	"firewall": {
		iptables(`filter`, `CNI-ADMIN|CNI-FORWARD|CNI-ISOLATION-STAGE-[12]|FORWARD`),
		`^\+ nft rule ip6? filter (CNI-FORWARD|FORWARD): .*(CNI firewall plugin admin overrides|CNI firewall plugin rules)`,
		`^\+ nft rule ip6? filter CNI-ISOLATION-STAGE-[12]: .*\(ingressPolicy: `,
	},
	"tuning": {`^\+ file /run/cni(/tuning)?: `},
}

// iptables are a table and chains that iptables-nft makes when they are first used.
func iptables(table, chains string) string {
	return `^\+ nft (table ip6? ` + table + `|chain ip6? ` + table + ` (` + chains + `))(:|$)`
}

// leaksWithoutResult is what it leaves when its DEL has no prevResult, as after an ADD that failed behind it.
var leaksWithoutResult = map[string][]string{
	"firewall": {`^\+ nft rule ip6? filter CNI-FORWARD: payload\(.*immediate\(dreg=0 data=accept\)$`},
}

// Left is the part of a difference between before and after that nothing explains.
func Left(n *Network, diff string) string { return unexplained(n, diff, stays, leaks) }

// LeftByFailed is Left after an ADD that failed, so that the runtime had no result for the DEL.
func LeftByFailed(n *Network, diff string) string {
	return unexplained(n, diff, stays, leaks, leaksWithoutResult)
}

func unexplained(n *Network, diff string, explanations ...map[string][]string) string {
	var explained []*regexp.Regexp
	name, ok := n.Value("bridge").(string)
	if !ok {
		name = "cni0"
	}
	names := strings.NewReplacer("BRIDGE", regexp.QuoteMeta(name), "CABLE", regexp.QuoteMeta(n.Cable()),
		"NETWORK", regexp.QuoteMeta(n.List.Name))
	for _, plugin := range n.AllTypes() {
		for _, e := range explanations {
			for _, pattern := range e[plugin] {
				explained = append(explained, regexp.MustCompile(names.Replace(pattern)))
			}
		}
	}
	var left []string
lines:
	for _, line := range strings.Split(strings.TrimSuffix(diff, "\n"), "\n") {
		text := strings.TrimSpace(line)
		for _, e := range explained {
			if e.MatchString(text) {
				continue lines
			}
		}
		// A line without an indent names the namespace that the next ones are of.
		if strings.HasPrefix(line, " ") {
			left = append(left, line)
		}
	}
	return strings.Join(left, "\n")
}

// EachBridgeNetfilter runs the test with bridged packets passing iptables and without: distributions differ in it, and
// it decides how a packet between two ports of a bridge is translated. Without the kernel's br_netfilter it runs once.
func EachBridgeNetfilter(t *testing.T, run func(t *testing.T)) {
	t.Helper()
	switches := []string{"/proc/sys/net/bridge/bridge-nf-call-iptables", "/proc/sys/net/bridge/bridge-nf-call-ip6tables"}
	if _, err := os.Stat(switches[0]); errors.Is(err, fs.ErrNotExist) {
		run(t)
		return
	}
	for _, value := range []string{"0", "1"} {
		t.Run("bridge-nf-call-iptables "+value, func(t *testing.T) {
			for _, name := range switches {
				if err := os.WriteFile(name, []byte(value), 0); err != nil {
					t.Fatal(err)
				}
			}
			run(t)
		})
	}
}
