// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// flanneld is what flannel v0.28 writes for a host of a dual stack.
const flanneld = `FLANNEL_NETWORK=10.244.0.0/16
FLANNEL_SUBNET=10.244.3.1/29
FLANNEL_IPV6_NETWORK=fd00:244::/48
FLANNEL_IPV6_SUBNET=fd00:244:0:3::1/64
FLANNEL_MTU=1450
FLANNEL_IPMASQ=true
`

func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestSubnetFile(t *testing.T) {
	for name, c := range map[string]struct{ text, sets, routes string }{
		"both families": {
			flanneld, "10.244.3.1-10.244.3.6 by 10.244.3.1 of 10.244.0.0/16, " +
				"fd00:244:0:3::1-fd00:244:0:3:ffff:ffff:ffff:ffff by fd00:244:0:3::1 of fd00:244::/48",
			"10.244.0.0/16 mtu 1450, fd00:244::/48 mtu 1450",
		},
		"IPv6 alone": {
			"FLANNEL_IPV6_NETWORK=fd00::/48\nFLANNEL_IPV6_SUBNET=fd00::1/126\nFLANNEL_MTU=1430\n",
			"fd00::1-fd00::3 by fd00::1 of fd00::/48", "fd00::/48 mtu 1430",
		},
		"written by hand": {
			"# the podCIDR\n\nFLANNEL_SUBNET=10.244.3.1/24", "10.244.3.1-10.244.3.254 by 10.244.3.1 of invalid Prefix", "",
		},
		"ends of lines of another system": {
			"FLANNEL_SUBNET=10.244.3.1/30\r\nFLANNEL_MTU=1450\r\n", "10.244.3.1-10.244.3.2 by 10.244.3.1 of invalid Prefix", "",
		},
		"several networks": {
			"FLANNEL_NETWORK=10.1.0.0/16,10.2.0.0/16\nFLANNEL_SUBNET=10.2.7.1/30\n",
			"10.2.7.1-10.2.7.2 by 10.2.7.1 of 10.2.0.0/16", "10.1.0.0/16 mtu 0, 10.2.0.0/16 mtu 0",
		},
		"a network of one host": {
			"FLANNEL_NETWORK=10.2.7.0/30\nFLANNEL_SUBNET=10.2.7.1/30\n",
			"10.2.7.1-10.2.7.2 by 10.2.7.1 of 10.2.7.0/30", "",
		},
		"the gateway elsewhere in the subnet": {
			"FLANNEL_SUBNET=10.2.7.254/24\n", "10.2.7.1-10.2.7.254 by 10.2.7.254 of invalid Prefix", "",
		},
		"keys of another release": {
			"FLANNEL_SUBNET=10.2.7.1/30\nFLANNEL_COLOUR=\nX=1=2\n", "10.2.7.1-10.2.7.2 by 10.2.7.1 of invalid Prefix", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := parseSubnetFile([]byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			sets, err := (&Config{}).sets(nil, f)
			if err != nil {
				t.Fatal(err)
			}
			var ranges, routes []string
			for _, s := range sets {
				ranges = append(ranges, fmt.Sprintf("%s by %s of %s", s, s.spans[0].gateway, s.spans[0].network))
			}
			for _, r := range f.routes() {
				routes = append(routes, fmt.Sprintf("%s mtu %d", r.Dst, r.MTU))
			}
			if diff := cmp.Diff([]string{c.sets, c.routes},
				[]string{strings.Join(ranges, ", "), strings.Join(routes, ", ")}); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestBadSubnetFile(t *testing.T) {
	for name, c := range map[string]struct{ text, reason string }{
		"empty":                  {"", "neither FLANNEL_SUBNET nor"},
		"no range":               {"FLANNEL_NETWORK=10.244.0.0/16\n", "neither FLANNEL_SUBNET nor"},
		"a word":                 {"FLANNEL_MTU=1450\nhello\n", `line 2 is "hello"`},
		"twice":                  {"FLANNEL_SUBNET=10.2.7.1/30\nFLANNEL_SUBNET=10.2.8.1/30\n", "line 2: a second FLANNEL_SUBNET"},
		"no prefix":              {"FLANNEL_SUBNET=10.244.3.1\n", "like 10.244.3.1/24"},
		"without a value":        {"FLANNEL_SUBNET=\n", "like 10.244.3.1/24"},
		"the other family":       {"FLANNEL_SUBNET=fd00::1/64\n", "of IPv6 in FLANNEL_IPV6_SUBNET"},
		"the network's address":  {"FLANNEL_SUBNET=10.244.3.0/24\n", "is the gateway's"},
		"broadcast":              {"FLANNEL_SUBNET=10.244.3.255/24\n", "is the gateway's"},
		"no room":                {"FLANNEL_SUBNET=10.244.3.1/32\n", "others to lease"},
		"no network":             {"FLANNEL_NETWORK=x\nFLANNEL_SUBNET=10.244.3.1/24\n", "FLANNEL_NETWORK=x"},
		"another network":        {"FLANNEL_NETWORK=10.0.0.0/16\nFLANNEL_SUBNET=10.244.3.1/24\n", "is not in FLANNEL_NETWORK"},
		"larger than the whole":  {"FLANNEL_NETWORK=10.0.0.0/16\nFLANNEL_SUBNET=10.0.0.1/8\n", "is not in FLANNEL_NETWORK"},
		"MTU no number":          {"FLANNEL_SUBNET=10.2.7.1/30\nFLANNEL_MTU=big\n", "FLANNEL_MTU=big"},
		"MTU too small":          {"FLANNEL_SUBNET=10.2.7.1/30\nFLANNEL_MTU=-50\n", "68 to 65535"},
		"some other, long, file": {strings.Repeat("A=B\n", 1025), "longer than 4096 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "subnet.env")
			writeFile(t, path, c.text)
			_, err := (&Config{SubnetFile: path}).plan(Request{})
			bad := (*ConfigError)(nil)
			if !errors.As(err, &bad) || bad.Path != "subnetFile" || bad.Value != path || !strings.Contains(bad.Reason, c.reason) {
				t.Errorf("%v, want one of subnetFile with %q", err, c.reason)
			}
		})
	}
}

// TestSubnetFileBesideRanges: which keys go together. The file is not needed for that.
func TestSubnetFileBesideRanges(t *testing.T) {
	for name, c := range map[string]struct {
		conf Config
		path string // of the error; "" without one
	}{
		"alone":          {Config{SubnetFile: "/none"}, ""},
		"with ranges":    {Config{SubnetFile: "/none", Ranges: [][]Range{{{Subnet: "10.0.0.0/24"}}}}, ""},
		"with subnet":    {Config{SubnetFile: "/none", Subnet: "10.0.0.0/24"}, "subnetFile"},
		"with a start":   {Config{SubnetFile: "/none", RangeStart: "10.0.0.9"}, "subnetFile"},
		"with a gateway": {Config{SubnetFile: "/none", Gateway: "10.0.0.9"}, "subnetFile"},
		"relative":       {Config{SubnetFile: "subnet.env"}, "subnetFile"},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.conf.Validate()
			bad := (*ConfigError)(nil)
			if c.path == "" && err != nil || c.path != "" && (!errors.As(err, &bad) || bad.Path != c.path) {
				t.Errorf("%v, want one of %q", err, c.path)
			}
		})
	}
	path := filepath.Join(t.TempDir(), "subnet.env")
	writeFile(t, path, flanneld)
	_, err := (&Config{SubnetFile: path, Ranges: [][]Range{{{Subnet: "10.244.0.0/16"}}}}).plan(Request{})
	if err == nil || !strings.Contains(err.Error(), "overlaps") {
		t.Errorf("%v, want that the ranges overlap", err)
	}
}

func TestSubnetFileIsMissing(t *testing.T) {
	path := filepath.Join(tempDir(t), "flannel", "subnet.env")
	p := open(t, Config{SubnetFile: path})
	missing := (*NotReadyError)(nil)
	if _, err := p.Allocate(t.Context(), container(1), Request{}); !errors.As(err, &missing) {
		t.Errorf("Allocate: %v", err)
	}
	if err := p.Status(t.Context()); !errors.As(err, &missing) || !strings.Contains(err.Error(), path) {
		t.Errorf("Status: %v", err)
	}
	if _, err := os.Stat(p.Dir()); err == nil {
		t.Error("an Allocate without a range has made the pool's directory")
	}
	// What takes away needs no range.
	if err := errors.Join(p.Release(t.Context(), container(1)), p.GC(t.Context(), nil)); err != nil {
		t.Error(err)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := p.Status(t.Context()); err == nil || errors.As(err, &missing) {
		t.Errorf("Status with a directory in the file's place: %v", err)
	}
}

func TestSubnetFileRoutes(t *testing.T) {
	path := filepath.Join(tempDir(t), "subnet.env")
	writeFile(t, path, flanneld)
	own := []Route{{Dst: "0.0.0.0/0"}, {Dst: "FD00:244:0::/48", MTU: 1300}}
	p := open(t, Config{SubnetFile: path, Routes: own})
	for range 2 { // the second time they are held already
		l, err := p.Allocate(t.Context(), container(1), Request{})
		if err != nil {
			t.Fatal(err)
		}
		want := append(own, Route{Dst: "10.244.0.0/16", MTU: 1450})
		if diff := cmp.Diff(want, l.Routes); diff != "" {
			t.Error(diff)
		}
	}
}

// TestRangeIsRenewed: flanneld has got another range. What was leased before stays until it is released, also past a
// restart of the walk, and the new range is used from then on.
func TestRangeIsRenewed(t *testing.T) {
	path := filepath.Join(tempDir(t), "subnet.env")
	p := open(t, Config{SubnetFile: path})
	write := func(subnet string) {
		writeFile(t, path, "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET="+subnet+"\n")
	}
	write("10.244.3.1/30")
	if got := lease(t, p, container(1)); got != "10.244.3.2/30 via 10.244.3.1" {
		t.Fatalf("leased %s", got)
	}
	exhausted := (*ExhaustedError)(nil)
	if err := p.Status(t.Context()); !errors.As(err, &exhausted) {
		t.Errorf("Status of a full range: %v", err)
	}
	write("10.244.9.1/30")
	if err := p.Status(t.Context()); err != nil {
		t.Errorf("Status of the new range: %v", err)
	}
	if got := lease(t, p, container(2)); got != "10.244.9.2/30 via 10.244.9.1" {
		t.Errorf("leased %s of the new range", got)
	}
	if err := p.Check(t.Context(), container(1), Request{}, nil); err != nil {
		t.Errorf("Check of a lease of the old range: %v", err)
	}
	if _, err := p.Allocate(context.Background(), container(1), Request{}); err == nil {
		t.Error("the old lease was given once more, though the gateway of the new range does not reach it")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := p.Release(t.Context(), container(1)); err != nil {
		t.Error(err)
	}
	write("10.244.3.1/30")
	if got := lease(t, p, container(3)); got != "10.244.3.2/30 via 10.244.3.1" {
		t.Errorf("leased %s once it is the old range again", got)
	}
	for n := range 4 {
		if err := p.Release(t.Context(), container(n)); err != nil {
			t.Error(err)
		}
	}
}

// FuzzSubnetFile: no text is trouble, and what is accepted can be leased from.
func FuzzSubnetFile(f *testing.F) {
	for _, text := range []string{
		flanneld, "FLANNEL_SUBNET=10.244.3.1/24", "FLANNEL_IPV6_SUBNET=fd00::1/127\n#\n",
		"FLANNEL_NETWORK=10.1.0.0/16,10.2.0.0/16\nFLANNEL_SUBNET=10.2.7.1/31\n", "FLANNEL_SUBNET=0.0.0.1/0", "=\n==",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := parseSubnetFile(text)
		if err != nil {
			return
		}
		sets, err := (&Config{}).sets(nil, file)
		if err != nil {
			t.Fatalf("%q is accepted, and then not: %v", text, err)
		}
		for i, s := range sets {
			holdRanges(t, s)
			if !file.parts[i].subnet.Contains(s.spans[0].first) || s.spans[0].gateway != file.parts[i].subnet.Addr() {
				t.Errorf("%q has the range %s by %s", text, s, s.spans[0].gateway)
			}
		}
		for _, r := range file.routes() {
			if err := r.validate("routes"); err != nil {
				t.Errorf("%q has a bad route: %v", text, err)
			}
		}
	})
}
