// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/run"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

var update = flag.Bool("update", false, "write into docs/debugging.md what the commands say")

const (
	debugging = "../../../docs/debugging.md"
	netD      = "/etc/cni/net.d"
	podnet    = netD + "/podnet.conflist"
)

// A section of docs/debugging.md has a heading, and blocks: commands with what they say, or what a runtime hears of the
// command in the comment before the block.
var (
	section  = regexp.MustCompile(`(?m)^## \d+\. .*\n`)
	commands = regexp.MustCompile("(?s)(<!-- (\\w+)(?:: ([^\n]*))? -->\n```\\w+\n)(.*?)```\n")
	inline   = regexp.MustCompile("`cnichain ([a-z]+)")
)

// TestDebugging makes each failure of docs/debugging.md, and types what is said there to type: it must say what is
// written there, but for times and addresses that are never the same.
func TestDebugging(t *testing.T) {
	text := read(t, debugging)
	if n := len(section.FindAllString(text, -1)); n != 10 {
		t.Errorf("%d failures", n)
	}
	var used []string
	got := commands.ReplaceAllStringFunc(text, func(block string) string {
		m := commands.FindStringSubmatch(block)
		used = append(used, m[2])
		return m[1] + typed(t, m[2], m[3], m[4]) + "```\n"
	})
	for _, m := range inline.FindAllStringSubmatch(text, -1) {
		if cmd, _, err := newRoot().Find(m[1:]); err != nil || cmd.Name() != m[1] {
			t.Errorf("there is no command %q", m[1])
		}
	}
	for name := range failures {
		if !slices.Contains(used, name) {
			t.Errorf("%s is not on the page", name)
		}
	}
	if *update {
		if err := os.WriteFile(debugging, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(lasting(text), lasting(got)); diff != "" && !*update {
		t.Errorf("the page is not what is said (go test -update writes it):\n%s", diff)
	}
}

// lasting is a text without what differs from run to run.
func lasting(text string) string {
	for _, r := range [][2]string{
		{`\d+\.\d+ ms`, "TIME"}, {`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`, "WHEN"},
		{`\b([0-9a-f]{2}:){5}[0-9a-f]{2}\b`, "MAC"}, {`[█▏▎▍▌▋▊▉▒ ]+`, " "}, {`\d+ (s|min)\b`, "AGE"},
	} {
		text = regexp.MustCompile(r[0]).ReplaceAllString(text, r[1])
	}
	return text
}

// typed makes the failure, types the commands of the block, and returns them with their answers; with a command to hear
// about, only what is wrong with it.
func typed(t *testing.T, name, hear, block string) (answers string) {
	fail, ok := failures[name]
	if !ok {
		t.Errorf("no failure %q", name)
		return block
	}
	t.Run(name, func(t *testing.T) {
		h := newHost(t)
		t.Setenv("CNI_PATH", h.links)
		if err := errors.Join(os.RemoveAll(netD), os.MkdirAll(netD, 0o755)); err != nil { // the test's own /etc
			t.Fatal(err)
		}
		fail(t)
		if hear != "" {
			answers = heard(t, hear)
		}
		for line := range strings.Lines(block) {
			if command, ok := strings.CutPrefix(strings.TrimSpace(line), "# cnichain "); ok {
				answers += "# cnichain " + command + "\n" + say(strings.Fields(command)...)
			}
		}
		answers = strings.ReplaceAll(answers, h.links, "/opt/cni/bin")
	})
	return answers
}

// heard is the error of a command, as libcni gives it to a runtime.
func heard(t *testing.T, command string) string {
	t.Helper()
	var r run.Record
	said := say(append(strings.Fields(command), "-o", "json")...)
	if err := json.Unmarshal([]byte(said), &r); err != nil || len(r.Errors) == 0 {
		t.Fatalf("%v in %s", err, said)
	}
	return fmt.Sprintf("plugin type=%q failed (%s): %s\n", r.Errors[0].Type, r.Verb, r.Errors[0].Msg)
}

// say is what a command writes, whether or not it succeeds.
func say(args ...string) string {
	var out strings.Builder
	execute(context.Background(), args, nil, &out, &out)
	return out.String()
}

// failures are what each block is about, made on a host with an uplink.
var failures = map[string]func(*testing.T){
	"syntax":  func(t *testing.T) { configure(t, chainOf(bridgeLink, addressLink)+",") },
	"missing": func(t *testing.T) { configure(t, chainOf(bridgeLink, addressLink, `{"type": "firewall"}`)) },
	"key": func(t *testing.T) {
		configure(t, chainOf(`{"type": "veth-bridge", "bridge": "cni0", "mtuu": 1400}`, addressLink))
		testnet.NamedNS(t, "blue")
	},
	"capability": func(t *testing.T) { configure(t, chainOf(bridgeLink, addressLink, `{"type": "port-map"}`)) },
	"mtu": func(t *testing.T) {
		configure(t, chainOf(`{"type": "veth-bridge", "bridge": "cni0", "mtu": 9000}`, addressLink))
	},
	"taken": func(t *testing.T) {
		attach(t, "blue", "--port", "8080:80")
		testnet.NamedNS(t, "green")
	},
	"ended": func(t *testing.T) {
		attach(t, "blue", "--port", "8080:80")
		command(t, "ip", "netns", "del", "blue")
	},
	"full": func(t *testing.T) {
		configure(t, strings.Replace(chainOf(bridgeLink, addressLink), "10.88.0.0/16", "10.88.0.0/30", 1))
		testnet.NamedNS(t, "blue")
		testnet.NamedNS(t, "green")
		say("add", podnet, "blue")
	},
	"flushed": func(t *testing.T) {
		attach(t, "blue", "--port", "8080:80")
		command(t, "nft", "flush", "ruleset")
	},
	"dns": func(t *testing.T) {
		attach(t, "blue")
		const file = "/etc/netns/blue/resolv.conf"
		if err := os.WriteFile(file, []byte("nameserver 127.0.0.53\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Remove(file) }) // it is no longer the link's, which leaves it
	},
}

// The links of podnet, as it is when nothing is wrong with them.
const (
	bridgeLink  = `{"type": "veth-bridge", "bridge": "cni0"}`
	addressLink = `{"type": "ip-config", "isDefaultGateway": true, "ipMasq": true,
     "ipam": {"type": "ip-pool", "subnet": "10.88.0.0/16"}}`
	dnsLink  = `{"type": "resolv-conf", "dns": {"nameservers": ["192.0.2.53"]}}`
	portLink = `{"type": "port-map", "capabilities": {"portMappings": true}}`
)

func chainOf(links ...string) string {
	const head = "{\n  \"cniVersion\": \"1.1.0\",\n  \"name\": \"podnet\",\n  \"plugins\": [\n    "
	return head + strings.Join(links, ",\n    ") + "\n  ]\n}\n"
}

// configure puts the conflist where runtimes look.
func configure(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(podnet, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { say("gc", podnet) })
}

// attach attaches a namespace by the whole chain.
func attach(t *testing.T, name string, args ...string) {
	t.Helper()
	configure(t, chainOf(bridgeLink, addressLink, dnsLink, portLink))
	testnet.NamedNS(t, name)
	if said := say(append([]string{"add", podnet, name}, args...)...); !strings.Contains(said, "attached: ") {
		t.Fatal(said)
	}
}

func command(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
}
