// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package chain_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/chain/chaintest"
)

// TestBadConfiguration holds every kind of wrong input to its code and to words that help.
func TestBadConfiguration(t *testing.T) {
	for _, c := range []struct {
		name, config string
		code         uint
		words        []string
	}{
		{"empty", ``, 6, []string{"empty"}},
		{"blank", " \n", 6, []string{"empty"}},
		{"truncated", `{"cniVersion":"1.1.0","name":`, 6, []string{"unexpected end"}},
		{"no JSON", "{\n\"a\" 1}", 6, []string{"line 2"}},
		{"two documents", `{"cniVersion":"1.1.0","name":"n"} {}`, 6, nil},
		{"a list", `[]`, 6, []string{"the configuration: an object is needed, got array"}},
		{"name of another type", `{"cniVersion":"1.1.0","name":5}`, 6, []string{"name: a string is needed, got number"}},
		{"no version", `{"name":"n"}`, 1, []string{`""`, "0.3.0"}},
		{"old version", `{"cniVersion":"0.2.0","name":"n"}`, 1, nil},
		{"future version", `{"cniVersion":"9.0.0","name":"n"}`, 1, []string{"9.0.0"}},
		{"no name", `{"cniVersion":"1.1.0"}`, 7, []string{"name"}},
		{"name is a path", `{"cniVersion":"1.1.0","name":"../x"}`, 7, []string{`"../x"`}},
		{"misspelt", `{"cniVersion":"1.1.0","name":"n","moed":"x"}`, 2, []string{`unknown key "moed"`, `"x"`, `did you mean "mode"`}},
		{"all at once", `{"cniVersion":"1.1.0","name":"n","moed":"x","fils":[]}`, 2, []string{`"moed"`, `"fils"`}},
		{"nested", `{"cniVersion":"1.1.0","name":"n","mapping":[{},{"hostprt":1}]}`, 2, []string{`"mapping[1].hostprt"`, `"hostPort"`}},
		{"escaped", `{"cniVersion":"1.1.0","name":"n","mo\u0065d":"a\"b"}`, 2, []string{`unknown key "moed" with the value "a\"b"`}},
		{"not UTF-8", "{\"cniVersion\":\"1.1.0\",\"name\":\"n\",\"\x87\":[]}", 2, []string{"unknown key \"\ufffd\" with the value []"}},
		{"spaced", "{ \"cniVersion\":\"1.1.0\", \"name\" :\t\"n\",\n\"mapping\" : [ { } , { \"x\" : 1 } ] }", 2, []string{`"mapping[1].x" with the value 1`}},
		{"number too large", `{"cniVersion":"1.1.0","name":"n","mapping":[{"hostPort":1e700}]}`, 6, []string{"hostPort"}},
		{"far from any key", `{"cniVersion":"1.1.0","name":"n","zzzzzzzz":1}`, 2, []string{"known are", "mode"}},
		{"twice", `{"cniVersion":"1.1.0","name":"n","mode":"a","Mode":"b"}`, 7, []string{"stands twice"}},
		{"wrong type", `{"cniVersion":"1.1.0","name":"n","mode":1}`, 6, []string{"mode: a string is needed, got number"}},
		{"wrong type inside", `{"cniVersion":"1.1.0","name":"n","mapping":[{"hostPort":"80"}]}`, 6, []string{"hostPort", "a whole number"}},
		{"invalid", `{"cniVersion":"1.1.0","name":"n","mode":"bad"}`, 7, []string{`mode: "bad"`}},
		{"log level", `{"cniVersion":"1.1.0","name":"n","log":{"level":"loud"}}`, 7, []string{"log.level"}},
		{"log key", `{"cniVersion":"1.1.0","name":"n","log":{"levle":"info"}}`, 2, []string{`"log.levle"`, `"level"`}},
		{"log file", `{"cniVersion":"1.1.0","name":"n","log":{"file":"relative"}}`, 7, []string{"log.file"}},
		{"prevResult of another type", `{"cniVersion":"1.1.0","name":"n","prevResult":[]}`, 6, []string{"prevResult"}},
		{"prevResult of the future", `{"cniVersion":"1.1.0","name":"n","prevResult":{"cniVersion":"7.0.0"}}`, 1, []string{"7.0.0"}},
		{"prevResult with a null", `{"cniVersion":"1.1.0","name":"n","prevResult":{"interfaces":[null]}}`, 6, []string{"null"}},
		{"prevResult with a bad index", `{"cniVersion":"1.1.0","name":"n","prevResult":{"ips":[{"address":"10.0.0.1/8","interface":3}]}}`, 7, []string{"ips[0].interface"}},
		{"deep", `{"cniVersion":"1.1.0","name":"n","raw":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`, 6, []string{"depth"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			chaintest.Run(t, files(chain.Anywhere), call("ADD", c.config)).Fails(t, c.code, c.words...)
		})
	}
}

func TestAcceptedConfiguration(t *testing.T) {
	for _, config := range []string{
		`{"cniVersion":"1.1.0","name":"n","capabilities":{"ports":true},"args":{"x":{"y":1}},"dns":{},"ipam":{"type":"x"}}`,
		`{"cniVersion":"1.1.0","name":"n","_comment":"x","example.com/x":1,"cni.dev/y":2,"MODE":"plain"}`,
		`{"cniVersion":"1.1.0","name":"n","runtimeConfig":{"ports":[{"HostPort":1,"HostIP":""}],"other":1}}`,
		`{"cniVersion":"0.3.0","name":"n","raw":{"what":{"ever":[1]}},"prevResult":null}`,
	} {
		chaintest.Run(t, files(chain.Anywhere), call("ADD", config)).OK(t)
	}
}

func TestDelIsLenient(t *testing.T) {
	for _, c := range []struct{ name, config, netns string }{
		{"unknown keys and wrong types", `{"cniVersion":"1.1.0","name":"n","moed":1,"mode":7,"files":["a"],"dir":"%s"}`, ownNS},
		{"unreadable prevResult", `{"cniVersion":"1.1.0","name":"n","prevResult":{"interfaces":7},"files":["a"],"dir":"%s"}`, ownNS},
		{"log that cannot be written", `{"cniVersion":"1.1.0","name":"n","log":{"level":"x","file":"/nowhere/x"},"files":["a"],"dir":"%s"}`, ownNS},
		{"no namespace", `{"cniVersion":"1.1.0","name":"n","files":["a"],"dir":"%s"}`, ""},
		{"namespace gone", `{"cniVersion":"1.1.0","name":"n","files":["a"],"dir":"%s"}`, "/run/netns/gone"},
		{"namespace that is none", `{"cniVersion":"1.1.0","name":"n","files":["a"],"dir":"%s"}`, "/dev/null"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := write(filepath.Join(dir, "a")); err != nil {
				t.Fatal(err)
			}
			one := call("DEL", fmt.Sprintf(c.config, dir))
			one.NetNS = c.netns
			chaintest.Run(t, files(chain.Later), one).OK(t)
			if got := listing(dir); got != "" {
				t.Errorf("left %q", got)
			}
		})
	}
}

func TestEnvironment(t *testing.T) {
	good := `{"cniVersion":"1.1.0","name":"n"}`
	dir := t.TempDir()
	fifo := filepath.Join(dir, "link")
	if err := os.Symlink("/etc/hostname", fifo); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		call  chaintest.Call
		code  uint
		words []string
	}{
		{"unknown command", chaintest.Call{Command: "FROB"}, 4, []string{"FROB", "ADD"}},
		{"all missing at once", chaintest.Call{Command: "ADD", Config: good}, 4, []string{"CNI_CONTAINERID", "CNI_IFNAME", "CNI_NETNS"}},
		{"DEL without a name", chaintest.Call{Command: "DEL", Config: good, IfName: "eth0"}, 4, []string{"CNI_CONTAINERID"}},
		{"container ID", chaintest.Call{Command: "ADD", Config: good, ContainerID: "../x", IfName: "eth0", NetNS: ownNS}, 4, []string{`"../x"`}},
		{"interface name", chaintest.Call{Command: "ADD", Config: good, ContainerID: "c", IfName: "a/b", NetNS: ownNS}, 4, []string{`"a/b"`}},
		{"long interface name", chaintest.Call{Command: "ADD", Config: good, ContainerID: "c", IfName: "sixteencharacter", NetNS: ownNS}, 4, nil},
		{"interface name for a terminal", chaintest.Call{Command: "ADD", Config: good, ContainerID: "c", IfName: "a\x1b[2J", NetNS: ownNS}, 4, []string{`"a\x1b[2J"`}},
		{"interface name that is not UTF-8", chaintest.Call{Command: "ADD", Config: good, ContainerID: "c", IfName: "a\xff", NetNS: ownNS}, 4, []string{`"a\xff"`}},
		{"namespace for a terminal", chaintest.Call{Command: "ADD", Config: good, ContainerID: "c", IfName: "eth0", NetNS: "/\x1b[2J\xff"}, 8, []string{`/\x1b[2J\xff:`}},
		{"long namespace", chaintest.Call{Command: "ADD", Config: good, ContainerID: "c", IfName: "eth0", NetNS: strings.Repeat("x", 70_000)}, 8,
			[]string{"[66", " bytes left out] ", "before ADD"}},
		{"own namespace", chaintest.Call{Command: "ADD", Config: good, ContainerID: "c", IfName: "eth0", NetNS: ownNS}, 8, []string{"host's own"}},
		{"missing namespace", chaintest.Call{Command: "ADD", Config: good, ContainerID: "c", IfName: "eth0", NetNS: "/run/netns/gone"}, 8, []string{"/run/netns/gone"}},
		{"directory", chaintest.Call{Command: "ADD", Config: good, ContainerID: "c", IfName: "eth0", NetNS: dir}, 8, []string{"no network namespace"}},
		{"symlink to a file", chaintest.Call{Command: "ADD", Config: good, ContainerID: "c", IfName: "eth0", NetNS: fifo}, 8, []string{"no network namespace"}},
		{"namespace of another kind", chaintest.Call{Command: "ADD", Config: good, ContainerID: "c", IfName: "eth0", NetNS: "/proc/self/ns/mnt"}, 8, nil},
		{"CHECK in an old version", call("CHECK", `{"cniVersion":"0.3.1","name":"n"}`), 1, []string{"0.4.0"}},
		{"GC in an old version", call("GC", `{"cniVersion":"1.0.0","name":"n"}`), 1, []string{"1.1.0"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			chaintest.Run(t, files(chain.Anywhere), c.call).Fails(t, c.code, c.words...)
		})
	}
}

func TestPlace(t *testing.T) {
	with := `{"cniVersion":"1.1.0","name":"n","prevResult":{}}`
	without := `{"cniVersion":"1.1.0","name":"n"}`
	chaintest.Run(t, files(chain.First), call("ADD", with)).Fails(t, 7, "comes first")
	chaintest.Run(t, files(chain.First), call("ADD", without)).OK(t)
	chaintest.Run(t, files(chain.Later), call("ADD", without)).Fails(t, 7, "prevResult")
	chaintest.Run(t, files(chain.Later), call("CHECK", without)).Fails(t, 7, "prevResult")
	chaintest.Run(t, files(chain.Later), call("ADD", with)).OK(t)
}

// FuzzConfiguration: any bytes end in a result or in an error document of wrong input, never in a panic.
func FuzzConfiguration(f *testing.F) {
	for _, seed := range []string{``, `{`, `{"cniVersion":"1.1.0","name":"n"}`, `{"cniVersion":"0.4.0","name":"n","prevResult":{"ips":[{}]}}`,
		`{"cniVersion":"1.1.0","name":"n","mapping":[{"x":1}],"raw":{"a":1,"A":2}}`} {
		f.Add([]byte(seed))
	}
	link := files(chain.Anywhere)
	link.Add = func(context.Context, *request) error { return nil }
	f.Fuzz(func(t *testing.T, config []byte) {
		o := chaintest.Run(t, link, call("ADD", string(config)))
		if o.Err != nil && o.Err.Code != 1 && o.Err.Code != 2 && o.Err.Code != 6 && o.Err.Code != 7 && o.Err.Code != 5 {
			t.Errorf("code %d: %s", o.Err.Code, o.Err.Msg)
		}
	})
}
