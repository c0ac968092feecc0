// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/run"
)

// plain takes what differs from run to run out of an account: durations, and the spaces before them.
func plain(account string) string {
	return regexp.MustCompile(` +[0-9]+\.[0-9]+ ms`).ReplaceAllString(account, " TIME")
}

func TestAddCheckDel(t *testing.T) {
	b := newBench(t, "1.1.0", `, "address": "10.0.0.5/24"`, `, "capabilities": {"portMappings": true}`)
	for _, step := range []struct {
		name, want string
		args       []string
		made       []int
	}{
		{"add", `
ADD eth0 in NS, network test  (DIR/test.conflist, CNI 1.1.0)
 1 probe TIME
     < address=10.0.0.5/24 file=DIR/made-by-0
     make made-by-0 TIME
     + interface eth0 in NS
     + address   10.0.0.5/24                 on eth0
     + dns       nameserver 192.0.2.53
 2 probe TIME
     < file=DIR/made-by-1 runtimeConfig.portMappings=[{"hostPort":8080,"containerPort":80,"protocol":"tcp"}]
     make made-by-1 TIME
     = the result is handed on as it came

attached: eth0 in NS TIME
  address  10.0.0.5/24
  port     tcp 8080 -> 10.0.0.5:80
  dns      nameserver 192.0.2.53
`, []string{"add", b.list, b.ns.Name, "--port", "8080:80"}, []int{0, 1}},
		{"check", `
CHECK eth0 in NS, network test  (DIR/test.conflist, CNI 1.1.0)
 1 probe TIME
 2 probe TIME

in order: eth0 in NS is as it was made TIME
`, []string{"check", b.list, b.ns.Name}, []int{0, 1}},
		{"del by the namespace's path", `
DEL eth0 in NS, network test  (DIR/test.conflist, CNI 1.1.0)
 2 probe TIME
     remove made-by-1 TIME
 1 probe TIME
     remove made-by-0 TIME

detached: eth0 in NS TIME
`, []string{"del", b.list, b.ns.Path}, nil},
		{"del again", `
DEL eth0 in NS, network test  (DIR/test.conflist, CNI 1.1.0)
 2 probe TIME
     remove made-by-1 TIME
 1 probe TIME
     remove made-by-0 TIME
note: no attachment is on record in DIR/cache/results/test-NS-eth0: the links have only the names to go by

detached: eth0 in NS TIME
`, []string{"del", b.list, b.ns.Name}, nil},
	} {
		t.Run(step.name, func(t *testing.T) {
			code, stdout, stderr := b.run(step.args...)
			if code != 0 || stderr != "" {
				t.Errorf("exit status %d, stderr %s", code, stderr)
			}
			if diff := cmp.Diff(step.want[1:], plain(stdout)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(step.made, b.made()); diff != "" {
				t.Errorf("files: %s", diff)
			}
		})
	}
}

func TestFailedAddIsDeletedAgain(t *testing.T) {
	b := newBench(t, "1.0.0", "", `, "refuse": "no"`)
	code, stdout, _ := b.run("add", b.list, b.ns.Name)
	want := `
ADD eth0 in NS, network test  (DIR/test.conflist, CNI 1.0.0)
 1 probe TIME
     < file=DIR/made-by-0
     make made-by-0 TIME
     = the result is handed on as it came
 2 probe FAILED TIME
     < file=DIR/made-by-1 refuse=no
     error 7 (configuration): probe: refuse: "no": the probe was told to
       at DIR/test.conflist:5:COLUMN: plugins[1].refuse
DEL, to leave nothing of it:
 2 probe TIME
     remove made-by-1 TIME
 1 probe TIME
     remove made-by-0 TIME

add failed at link 2, probe; the links before it are deleted again TIME
`[1:]
	stdout = regexp.MustCompile(`:5:[0-9]+:`).ReplaceAllString(plain(stdout), ":5:COLUMN:") // depends on the directory
	if diff := cmp.Diff(want, stdout); diff != "" || code != 1 {
		t.Errorf("exit status %d, %s", code, diff)
	}
	if made := b.made(); made != nil {
		t.Errorf("left %v", made)
	}
}

func TestFailedAddLeaves(t *testing.T) {
	t.Run("what was asked to be kept", func(t *testing.T) {
		b := newBench(t, "1.0.0", "", `, "refuse": "no"`)
		_, stdout, _ := b.run("add", b.list, b.ns.Name, "--keep-failed")
		if !strings.Contains(stdout, "is left for del") || len(b.made()) != 1 {
			t.Errorf("made %v\n%s", b.made(), stdout)
		}
	})
	t.Run("an attachment that was there before", func(t *testing.T) {
		b := newBench(t, "1.0.0", "", "")
		if code, stdout, _ := b.run("add", b.list, b.ns.Name); code != 0 {
			t.Fatal(stdout)
		}
		refusing := strings.Replace(read(t, b.list), `made-by-1"`, `made-by-1", "refuse": "no"`, 1)
		if err := os.WriteFile(b.list, []byte(refusing), 0o600); err != nil {
			t.Fatal(err)
		}
		if code, stdout, _ := b.run("add", b.list, b.ns.Name); code != 1 || len(b.made()) != 2 {
			t.Errorf("exit status %d, made %v\n%s", code, b.made(), stdout)
		}
	})
}

func TestGCAndStatus(t *testing.T) {
	b := newBench(t, "1.1.0", "")
	for _, id := range []string{"one", "two"} {
		if code, stdout, _ := b.run("add", b.list, b.ns.Name, "--container-id", id); code != 0 {
			t.Fatal(stdout)
		}
	}
	_, stdout, _ := b.run("gc", b.list, "--keep", "one/eth0")
	want := `
GC network test  (DIR/test.conflist, CNI 1.1.0)
DEL eth0 of container two, which is not to be kept
 1 probe TIME
     remove made-by-0 TIME
 1 probe TIME
     warning: collecting keep=1

clean: network test has only what is to be kept TIME
`[1:]
	if diff := cmp.Diff(want, plain(stdout)); diff != "" {
		t.Error(diff)
	}
	_, stdout, _ = b.run("status", b.list)
	want = `
STATUS network test  (DIR/test.conflist, CNI 1.1.0)
 1 probe TIME
     DIR/probe speaks CNI 0.3.0 0.3.1 0.4.0 1.0.0 1.1.0
 1 probe TIME

ready: network test takes containers TIME
`[1:]
	if diff := cmp.Diff(want, plain(stdout)); diff != "" {
		t.Error(diff)
	}
}

func TestCheckNeedsAnAdd(t *testing.T) {
	b := newBench(t, "1.1.0", "")
	code, stdout, _ := b.run("check", b.list, b.ns.Name)
	if code != 1 || !strings.Contains(stdout, "error: eth0 of container NS is not on record (DIR/cache/results/test-NS-eth0)") {
		t.Errorf("exit status %d\n%s", code, stdout)
	}
}

func TestStatusFails(t *testing.T) {
	b := newBench(t, "1.1.0", `, "refuse": "closed"`)
	code, stdout, _ := b.run("status", b.list)
	if code != 1 || !strings.Contains(stdout, "error 50 (not available): probe: refuse: closed") {
		t.Errorf("exit status %d\n%s", code, stdout)
	}
}

func TestJSON(t *testing.T) {
	b := newBench(t, "1.1.0", `, "address": "10.0.0.5/24"`)
	code, stdout, _ := b.run("add", b.list, b.ns.Name, "-o", "json")
	var r run.Record
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || code != 0 {
		t.Fatalf("exit status %d: %v\n%s", code, err, stdout)
	}
	first := r.Calls[0]
	got := []any{r.Verb, r.Network, r.ContainerID, r.IfName, len(r.Calls), first.Command, first.Steps[0].What, r.Failed()}
	want := []any{"add", "test", "NS", "eth0", 1, "ADD", "make made-by-0", false}
	if diff := cmp.Diff(want, got); diff != "" || len(r.Result) == 0 || r.Calls[0].Took <= 0 {
		t.Errorf("%s\n%s", diff, stdout)
	}
}

// A signal stops the link that is running, and what it and the links before have made is deleted all the same.
func TestAddIsStopped(t *testing.T) {
	b := newBench(t, "1.0.0", "", `, "wait": true`, "")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	go func() {
		for len(b.made()) < 2 && ctx.Err() == nil {
			runtime.Gosched()
		}
		cancel()
	}()
	var out strings.Builder
	code := execute(ctx, []string{"add", b.list, b.ns.Name, "--plugin-path", b.dir, "--cache-dir", b.dir}, nil, &out, &out)
	if code != 1 || !strings.Contains(out.String(), "deleted again") || b.made() != nil {
		t.Errorf("exit status %d, made %v\n%s", code, b.made(), &out)
	}
}

func TestAddIsStoppedBeforeItBegins(t *testing.T) {
	b := newBench(t, "1.0.0", "")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var out strings.Builder
	code := execute(ctx, []string{"add", b.list, b.ns.Name, "--plugin-path", b.dir, "--cache-dir", b.dir}, nil, &out, &out)
	if code != 1 || !strings.Contains(out.String(), "stopped by a signal") || b.made() != nil {
		t.Errorf("exit status %d, made %v\n%s", code, b.made(), &out)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
