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

// stays is what a plugin leaves on the host on purpose when the last container has gone, as lines of testnet.Diff. In
// a pattern BRIDGE is the name of the chain's bridge.
var stays = map[string][]string{
	// The bridge is the network's, not a container's, and may carry what others have put on it.
	"veth-bridge": {`^\+ (link|fdb|tc|sysctl|route|address|neighbour) .*\bBRIDGE\b`},
	// So is its gateway address. Forwarding is the host's: whoever needed it meanwhile may still.
	"ip-config": {`^\+ (address|route) .*\bBRIDGE\b`, `^~ sysctl \S*forward\S*: `},
}

// leaks are what a reference plugin leaves for lack of care. They are not ours to mend, but are named one by one, so
// that nothing of ours hides behind them.
var leaks = map[string][]string{
	"bridge": {`^\+ (link|fdb|tc|sysctl|route|address|neighbour) .*\bBRIDGE\b`, `^~ sysctl \S*forward\S*: `},
}

// Left is the part of a difference between before and after that nothing explains.
func Left(n *Network, diff string) string {
	var explained []*regexp.Regexp
	bridge, ok := n.Value("bridge").(string)
	if !ok {
		bridge = "cni0"
	}
	for _, plugin := range n.Types() {
		for _, pattern := range append(stays[plugin], leaks[plugin]...) {
			explained = append(explained, regexp.MustCompile(strings.ReplaceAll(pattern, "BRIDGE", regexp.QuoteMeta(bridge))))
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
