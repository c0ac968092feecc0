// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"encoding/json"
	"net"
	"strings"
	"testing"

	current "github.com/containernetworking/cni/pkg/types/100"
	"github.com/containernetworking/cni/pkg/version"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var results = []string{
	`{"cniVersion":"1.0.0"}`,
	` { "cniVersion" : "1.1.0" , "interfaces" : [ { "name" : "eth0" , "mac" : "0a:00:00:00:00:01", "mtu": 1500,
		"sandbox": "/run/netns/a\tb", "socketPath": "/x", "pciID": "0000:00:1f.6" } , {"name":"é<&>\u0041"} ],
	"ips":[{"interface":0,"address":"10.0.0.2/24","gateway":"10.0.0.1"},{"address":"fd00::2/64","gateway":"fd00::1"},
		{"address":"::ffff:10.0.0.3/120"}],
	"routes":[{"dst":"0.0.0.0/0"},{"dst":"::/0","gw":"fd00::1","mtu":1400,"advmss":1360,"priority":-7,"table":0,"scope":253}],
	"dns":{"nameservers":["10.0.0.53",""],"domain":"a.example","search":["b","c"],"options":["ndots:5"]}}`,
	`{"cniVersion":"1.0.0","interfaces":[],"ips":[],"routes":[],"dns":{}}`,
	`{"cniVersion":"1.0.0","dns":{"search":[]},"cniVersion":"1.1.0"}`,
	`{"cniVersion":"1.0.0","interfaces":[{"name":"a","name":"b","mtu":0}],"ips":[{"address":"10.0.0.1/8","interface":-1}]}`,
}

// leftToLibrary are for encoding/json to read, or to refuse.
var leftToLibrary = []string{
	`{}`, `[]`, `null`, `1`, `{"cniVersion":"0.4.0"}`, `{"cniVersion":"1.0.0","extra":1}`, `{"CniVersion":"1.0.0"}`,
	`{"cniVersion":"1.0.0","ips":[null]}`, `{"cniVersion":"1.0.0","ips":null}`, `{"cniVersion":"1.0.0","dns":null}`,
	`{"cniVersion":"1.0.0","ips":[{"address":"10.0.0.1"}]}`, `{"cniVersion":"1.0.0","ips":[{"gateway":""}]}`,
	`{"cniVersion":"1.0.0","interfaces":[{"mtu":1.5}]}`, `{"cniVersion":"1.0.0","interfaces":[{"mtu":"1"}]}`,
	`{"cniVersion":"1.0.0","interfaces":[{"mtu":99999999999999999999}]}`,
	`{"cniVersion":"1.0.0","ips":[{"address":"10.0.0.1/8"}],"ips":[{"gateway":"10.0.0.2"}]}`,
	`{"cniVersion":"1.0.0","dns":{"domain":"a"},"dns":{"search":["b"]}}`,
}

// FuzzResult: what is read here is what the library reads, and what is written is what encoding/json writes.
func FuzzResult(f *testing.F) {
	for _, doc := range append(results, leftToLibrary...) {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if !json.Valid(data) {
			return
		}
		got, ok := (&scan{data: data}).result()
		if !ok {
			return
		}
		parsed, err := version.NewResult(got.CNIVersion, data)
		if err != nil {
			t.Fatalf("the library refuses it: %v", err)
		}
		want := parsed.(*current.Result)
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("read (-library +here):\n%s", diff)
		}
		var p printer
		if p.result(got); p.odd {
			t.Error("it is left to encoding/json to write")
		}
		if diff := cmp.Diff(indented(t, want), string(p.buf)); diff != "" {
			t.Errorf("written (-library +here):\n%s", diff)
		}
	})
}

// indented is the result as encoding/json writes it, members in order of their names.
func indented(t *testing.T, r *current.Result) string {
	t.Helper()
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var doc any
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	if data, err = json.MarshalIndent(doc, "", "    "); err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestOddResults: what a link should not have made is written, or refused, by encoding/json.
func TestOddResults(t *testing.T) {
	var out strings.Builder
	absent := &current.Result{CNIVersion: "1.1.0", Interfaces: []*current.Interface{nil}}
	if err := writeResult(&out, absent, nil); err != nil || out.String() != indented(t, absent)+"\n" {
		t.Errorf("an interface that is nil: %v, %s", err, &out)
	}
	garbled := &current.Result{CNIVersion: "1.1.0", IPs: []*current.IPConfig{{Gateway: net.IP{1, 2}}}}
	if err := writeResult(&out, garbled, nil); err == nil {
		t.Errorf("an address of two bytes is written: %s", &out)
	}
}

// TestWhichResultsAreRead: the usual ones, so that the fuzzing has something to compare, and no others.
func TestWhichResultsAreRead(t *testing.T) {
	for want, docs := range map[bool][]string{true: results, false: leftToLibrary} {
		for _, doc := range docs {
			if _, ok := (&scan{data: []byte(doc)}).result(); ok != want {
				t.Errorf("read %v, want %v: %s", ok, want, doc)
			}
		}
	}
}

// FuzzHeader: what is read here is what encoding/json reads, from a document that stays as it is.
func FuzzHeader(f *testing.F) {
	for _, doc := range append(results,
		`{"cniVersion":"1.0.0","NAME":"net","type":"t","prevResult":{"ips":[{}, "\"}"]},"log":{"level":"debug"},"x":[1,{"y":-1e3}]}`,
		`{"name":"a","name":"b","log":{"level":"info"},"log":{"file":"/f"},"cni.dev/valid-attachments":null}`,
		`{"cni.dev/attachments":[{"containerID":"c","ifname":"eth0"}],"prevResult":null}`,
		`{"name":1}`, `{"log":1}`, `{"name":null}`, `[]`, `{"name":1,"cniVersion":"1.0.0"}`,
		`{"prevResult":{},"name":null,"type":"t","prevResult":{"longer":"than before"}}`,
	) {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		was := string(data)
		var got, want header
		err, wantErr := got.decode(data), json.Unmarshal([]byte(was), &want)
		if (err == nil) != (wantErr == nil) || string(data) != was {
			t.Fatalf("error %v, encoding/json says %v; the document is now %s", err, wantErr, data)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("read (-encoding/json +here):\n%s", diff)
		}
	})
}

// FuzzValid: what is valid here is valid for encoding/json.
func FuzzValid(f *testing.F) {
	for _, doc := range append(results,
		`0`, `-0`, `01`, `-`, `1.`, `1.5e+3`, `1e`, `.5`, `+1`, `tru`, `nulll`, ` null `, `"\u12aF\/"`, `"\x"`, `"\u12g0"`, `"\`,
		"\"\x01\"", "\"\xff\"", `[1,]`, `[,]`, `{"a":1,}`, `{"a"}`, `{a:1}`, `[]]`, `{} {}`, `[1 2]`, "\x00", "{}\x00", ``,
		strings.Repeat("[", maxDepth)+strings.Repeat("]", maxDepth),
		strings.Repeat("[", maxDepth+1)+strings.Repeat("]", maxDepth+1),
	) {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if got, want := valid(data), json.Valid(data); got != want {
			t.Errorf("valid %v, encoding/json says %v", got, want)
		}
	})
}
