// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"
)

const run = `{"Action":"run","Package":"a","Test":"TestOne"}
{"Action":"run","Package":"a","Test":"TestOne/x"}
{"Action":"run","Package":"a","Test":"TestOne/y"}
{"Action":"output","Package":"a","Test":"TestOne/y","Output":"    a_test.go:9: vlan filtering\n"}
{"Action":"skip","Package":"a","Test":"TestOne/y"}
{"Action":"pass","Package":"a","Test":"TestOne/x"}
{"Action":"pass","Package":"a","Test":"TestOne"}
{"Action":"pass","Package":"a"}
{"Action":"run","Package":"b","Test":"TestTwo"}
{"Action":"output","Package":"b","Test":"TestTwo","Output":"    b_test.go:3: got 1, want 2\n"}
{"Action":"fail","Package":"b","Test":"TestTwo"}
{"Action":"fail","Package":"b"}
{"ImportPath":"c","Action":"build-output","Output":"c.go:1: undefined: x\n"}
{"Action":"fail","Package":"c","FailedBuild":"c"}
{"Action":"run","Package":"d","Test":"TestDies"}
{"Action":"output","Package":"d","Test":"TestDies","Output":"panic: boom\n"}
{"Action":"fail","Package":"d"}
not an event
`

func TestSummary(t *testing.T) {
	var out strings.Builder
	s := newSummary()
	if err := s.read(strings.NewReader(run), &out); err != nil {
		t.Fatal(err)
	}
	if failed := s.print(&out); failed != 3 {
		t.Errorf("%d failed, want 3: a test, a build, a package that died", failed)
	}
	for _, want := range []string{
		"\n1 passed, 3 failed, 1 skipped\n", "1   vlan filtering", "got 1, want 2", "undefined: x", "panic: boom", "not an event",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the summary lacks %q:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "FAIL  a ") {
		t.Errorf("package a passed:\n%s", out.String())
	}
}
