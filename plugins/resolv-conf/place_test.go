// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cni-chain/cni-chain/chain"
)

func TestPlaces(t *testing.T) {
	blue := place{Root: "/", Path: "etc/netns/blue/resolv.conf"}
	container := place{Root: "/proc/123/root", Path: "etc/resolv.conf"}
	for _, tc := range []struct {
		name    string
		writeTo []string
		netns   string
		want    []place
		note    string
		err     string
	}{
		{"auto, named", []string{"auto"}, "/run/netns/blue", []place{blue}, "", ""},
		{"auto, named by another way", []string{"auto"}, "/var/run/../run/netns//blue", []place{blue}, "", ""},
		{"auto, process", []string{"auto"}, "/proc/123/ns/net", []place{container}, "", ""},
		{"auto, neither", []string{"auto"}, "/run/docker/netns/abc", nil, "result alone", ""},
		{"auto, not quite a process", []string{"auto"}, "/proc/self/ns/net", nil, "result alone", ""},
		{"auto, not quite a name", []string{"auto"}, "/run/netns/a\nb", nil, "result alone", ""},
		{"none", []string{"none"}, "/run/netns/blue", nil, "", ""},
		{"netns", []string{"netns", "auto"}, "/run/netns/blue", []place{blue}, "", ""},
		{"netns of a process", []string{"netns"}, "/proc/123/ns/net", nil, "", "no name under /run/netns"},
		{"rootfs", []string{"rootfs"}, "/proc/123/ns/net", []place{container}, "", ""},
		{"rootfs of a name", []string{"rootfs"}, "/run/netns/blue", nil, "", "/proc/PID/ns/net"},
		{"paths and places", []string{"auto", "/run/pods/{network}/{containerID}-{ifname}.conf", "/run/pods/x"},
			"/run/netns/blue",
			[]place{blue, {Root: "/run/pods", Path: "net/c1-eth0.conf"}, {Root: "/run/pods", Path: "x"}}, "", ""},
		{"a path with the namespace", []string{"/run/pods/{netns}{netns}"}, "/run/netns/blue",
			[]place{{Root: "/run/pods", Path: "blueblue"}}, "", ""},
		{"a path with the namespace, which has no name", []string{"/run/pods/{netns}"}, "/proc/123/ns/net", nil,
			"", "{netns}"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, notes, err := places(tc.writeTo, tc.netns, namesOf("net", "c1", "eth0", tc.netns))
			if tc.err != "" {
				wantError(t, err, chain.CodeConfig, "writeTo[0]", tc.err)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if text := strings.Join(notes, "\n"); !strings.Contains(text, tc.note) || (text == "") != (tc.note == "") {
				t.Errorf("notes %q, want %q", notes, tc.note)
			}
		})
	}
}

func TestPathsStayBelowTheirDirectory(t *testing.T) {
	for _, name := range []string{"..", ".", "a/../../b", "/etc", ""} {
		if p, err := expand("/run/pods/{network}/resolv.conf", names{"network": name}); err == nil {
			t.Errorf("%q leads to %s", name, p)
		}
	}
	if p, err := expand("/run/pods/{network}", names{"network": ".."}); err == nil {
		t.Errorf("leads to %s", p)
	}
}

func TestSearch(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"net-c1", "net-c2", "other-c1"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pattern := dir + "/{network}-{containerID}"
	for _, tc := range []struct {
		known names
		want  []place
	}{
		{names{"network": "net", "containerID": "c1"}, []place{{Root: dir, Path: "net-c1"}}},
		{names{"network": "net"}, []place{{Root: dir, Path: "net-c1"}, {Root: dir, Path: "net-c2"}}},
		{names{"network": "none"}, nil},
		{names{"network": "*"}, nil}, // a name is no pattern
		{names{"network": "["}, nil},
	} {
		got, err := search(pattern, tc.known)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%v (-want +got):\n%s", tc.known, diff)
		}
	}
	// That it cannot look does not mean that there is nothing.
	if err := os.Symlink("loop", filepath.Join(dir, "loop")); err != nil {
		t.Fatal(err)
	}
	for _, pattern := range []string{"/loop/{network}", "/loop/a"} {
		if found, err := search(dir+pattern, names{}); err == nil {
			t.Errorf("finds %v in a link to itself", found)
		}
	}
}
