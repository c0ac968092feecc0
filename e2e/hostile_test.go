// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/cni-chain/cni-chain/e2e/harness"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// hostileWords mean something to a program that a careless plugin passes them to: a file system, a format, a shell,
// nft, iptables, JSON, a terminal. Those that the kernel takes for an interface's name are marked.
var hostileWords = []struct {
	name, word string
	interfaces bool
}{
	{"a path upwards", "../../../../etc/passwd", false},
	{"a path", "/etc", false},
	{"the directory", ".", false},
	{"the one above", "..", false},
	{"a format", "%s%n%99999d", true},
	{"Go's format", "%!v(PANIC=%#v)", true},
	{"a shell's words", "x;reboot;$(reboot)`reboot`", false},
	{"an option", "--flush", true},
	{"rules of nft", `x" } ; flush ruleset ; {`, false},
	{"a rule of iptables", "x\" -j ACCEPT\n-F", false},
	{"lines", "x\nCNI-evil\r\n", false},
	{"not UTF-8", "x\xff\xfe\xc0\xaf", false},
	{"a surrogate", "x\xed\xa0\x80", false},
	{"JSON", `x","code":0,"msg":"`, false},
	{"a terminal's escapes", "x\x1b[2J\x1b]0;e\x07", false},
	{"nothing to see", "x\u200b\u202e", true},
	{"a tag of ours", "cni-chain/net/id/eth0", false},
	{"64 KiB of dots", strings.Repeat(".", 64<<10), false},
}

// hostilePlaces are where a word can come from.
var hostilePlaces = map[string]func(*testing.T, *harness.Call, string){
	"container ID": func(_ *testing.T, c *harness.Call, word string) { c.ContainerID = word },
	"interface":    func(_ *testing.T, c *harness.Call, word string) { c.IfName = word },
	"namespace":    func(_ *testing.T, c *harness.Call, word string) { c.NetNS = word },
	"network":      func(t *testing.T, c *harness.Call, word string) { c.Stdin = with(t, c.Conf, "name", word) },
	"version":      func(t *testing.T, c *harness.Call, word string) { c.Stdin = with(t, c.Conf, "cniVersion", word) },
}

// TestHostileWords gives them to every plugin as the container's ID, the interface, the network and so on: refused by
// an error document that a terminal and a log can take, without a trace on the machine.
func TestHostileWords(t *testing.T) {
	testnet.Need(t)
	ns := testnet.NewNS(t)
	for i, plugin := range harness.OurPlugins(t) {
		conf, _ := exampleOf(t, plugin, ns.Path)
		commands := []string{"ADD", "DEL"}[:max(1, 2-i)] // DEL is the frame's, and the same for all
		t.Run(plugin, func(t *testing.T) {
			before := testnet.Take(t, ns)
			for _, h := range hostileWords {
				for where, place := range hostilePlaces {
					for _, command := range commands {
						if h.interfaces && where == "interface" || command == "DEL" && where == "namespace" {
							continue // DEL: it may be gone, and then it does not matter how it was called
						}
						call := harness.Call{
							Plugin: plugin, Command: command, ContainerID: "c", NetNS: ns.Path, IfName: "eth0", Conf: copyOf(conf),
						}
						place(t, &call, h.word)
						if err := refuses(call); err != nil {
							t.Errorf("%s, %s for the %s: %v", command, h.name, where, err)
						}
					}
				}
			}
			if diff := testnet.Diff(before, testnet.Take(t, ns)); diff != "" {
				t.Errorf("the machine has changed:\n%s", diff)
			}
		})
	}
}

// TestHostileVariables: what the specification does not limit may be anything, and is not ours alone. Every plugin does
// what it would do without it, or refuses; after DEL there is no trace.
func TestHostileVariables(t *testing.T) {
	testnet.Need(t)
	ns := testnet.NewNS(t)
	dirs, dir := strings.Join(harness.PluginDirs(), ":"), t.TempDir()
	must(t, "make a directory", os.Mkdir(filepath.Join(dir, "ip-pool"), 0o700))
	long := strings.Repeat("x", 300)
	for _, plugin := range harness.OurPlugins(t) {
		conf, _ := exampleOf(t, plugin, ns.Path)
		t.Run(plugin, func(t *testing.T) {
			before := testnet.Take(t, ns)
			for name, change := range map[string]func(*harness.Call){
				"300 letters for the container ID":    func(c *harness.Call) { c.ContainerID = long },
				"300 letters for the network":         func(c *harness.Call) { c.Conf["name"] = long },
				"CNI_ARGS of 120 KiB":                 func(c *harness.Call) { c.Args = "IgnoreUnknown=1;X=" + strings.Repeat("x", 120<<10) },
				"CNI_ARGS of 30,000 pairs":            func(c *harness.Call) { c.Args = strings.Repeat("a=1;", 30_000) },
				"CNI_ARGS of nothing":                 func(c *harness.Call) { c.Args = ";;=;;=x;\xff\n" },
				"CNI_ARGS with a path for an address": func(c *harness.Call) { c.Args = "IP=../../etc/passwd" },
				"CNI_ARGS with rules for a MAC":       func(c *harness.Call) { c.Args = "MAC=\"; flush ruleset" },
				"CNI_PATH of empty and odd entries":   func(c *harness.Call) { c.Path = "::.:..:/dev/null:\xff\x1b[2J:%s:" + dir + ":" + dirs },
				"CNI_PATH of 120 KiB":                 func(c *harness.Call) { c.Path = strings.Repeat("/x:", 40<<10) + dirs },
				"CNI_PATH without the delegate":       func(c *harness.Call) { c.Path = dir; delegateTo(c, "ip-pool-no-more") },
				"a path for the delegate":             func(c *harness.Call) { delegateTo(c, "../bin/../../../../bin/true") },
				"a directory for the delegate":        func(c *harness.Call) { c.Path = filepath.Dir(dir); delegateTo(c, filepath.Base(dir)) },
				"a delegate's name for a terminal":    func(c *harness.Call) { delegateTo(c, "x\x1b[2J%n") },
				"1 MiB of letters for the delegate":   func(c *harness.Call) { delegateTo(c, strings.Repeat("x", 1<<20)) },
				"a NUL in the delegate's name":        func(c *harness.Call) { delegateTo(c, "x\x00y") },
				"attachments that are none":           func(c *harness.Call) { c.Conf["cni.dev/valid-attachments"] = "%s" },
				"a name that looks like a path's end": func(c *harness.Call) { c.Conf["name"], c.ContainerID = "a..", "a-._" },
			} {
				call := harness.Call{
					Plugin: plugin, Command: "ADD", ContainerID: "c", NetNS: ns.Path, IfName: "eth0", Conf: copyOf(conf),
				}
				change(&call)
				for _, call.Command = range []string{"ADD", "DEL"} {
					survives(t, name, call)
				}
			}
			if diff := uncounted(testnet.Diff(before, testnet.Take(t, ns))); diff != "" {
				t.Errorf("the machine has changed:\n%s", diff)
			}
		})
	}
}

// delegateTo has an IPAM plugin called, where the plugin calls any.
func delegateTo(c *harness.Call, name string) {
	if ipam, ok := c.Conf["ipam"].(map[string]any); ok {
		ipam["type"] = name
	}
}

// with is the configuration with a key whose value, or name, has any bytes.
func with(t *testing.T, conf map[string]any, key string, value any) []byte {
	t.Helper()
	rest := maps.Clone(conf)
	delete(rest, key)
	data, err := json.Marshal(rest)
	must(t, "write JSON", err)
	return append([]byte(fmt.Sprintf("{%s: %s, ", raw(key), raw(value))), data[1:]...)
}

// raw is JSON that keeps bytes that are not UTF-8, as encoding/json would not.
func raw(value any) string {
	word, ok := value.(string)
	if !ok {
		return fmt.Sprint(value)
	}
	var b strings.Builder
	for _, c := range []byte(word) {
		switch {
		case c == '"' || c == '\\':
			b.WriteString("\\" + string(c))
		case c < ' ':
			fmt.Fprintf(&b, `\u%04x`, c)
		default:
			b.WriteByte(c)
		}
	}
	return `"` + b.String() + `"`
}

// refuses runs a call that has to fail by a document that can be printed anywhere.
func refuses(call harness.Call) error {
	answer, err := call.Run()
	if err != nil {
		return err
	}
	failure, err := answer.Failure()
	if err != nil {
		return err
	}
	if failure.Code >= 100 {
		return fmt.Errorf("code %d: %s", failure.Code, failure.Msg)
	}
	return fitsALog(answer, failure)
}

// fitsALog: the words of an answer can be printed anywhere, and are no more than somebody reads.
func fitsALog(answer harness.Answer, failure harness.Failure) error {
	if strings.ContainsFunc(failure.Msg, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return fmt.Errorf("what cannot be printed in %q", failure.Msg)
	}
	switch {
	case failure.Code == 999:
		return fmt.Errorf("code %d: %s", failure.Code, failure.Msg)
	case !utf8.ValidString(answer.Stdout) || !utf8.ValidString(answer.Stderr):
		return fmt.Errorf("not UTF-8: %q, stderr %q", answer.Stdout, answer.Stderr)
	case strings.Contains(answer.Stdout+answer.Stderr, "goroutine "):
		return fmt.Errorf("it panics: %s", answer.Stderr)
	case len(failure.Msg) > 4096 || len(answer.Stderr) > 16<<10:
		return fmt.Errorf("%d bytes of message, %d of log: %.100s…", len(failure.Msg), len(answer.Stderr), failure.Msg)
	}
	return nil
}
