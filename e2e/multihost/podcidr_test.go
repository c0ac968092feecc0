// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package multihost

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TestPodCIDR: without flannel, the nodes' ranges come from Kubernetes by the script of docs/multi-host.md, and packets
// by routes between the hosts, as a cloud's route controller makes them.
func TestPodCIDR(t *testing.T) {
	s := newSite(t, "a", "b")
	ranges := map[string]string{"a": "10.244.3.0/24", "b": "10.244.7.128/25"}
	dir := t.TempDir()
	kubectl := "#!/bin/sh\n[ \"$1 $2 $4 $5\" = 'get node -o jsonpath={.spec.podCIDR}' ] || exit 1\n" +
		"case $3 in a) echo $A;; b) echo $B;; esac\n"
	for name, text := range map[string]string{"kubectl": kubectl, "node-range": block(t, "podcidr")} {
		must(t, "write "+name, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755))
	}
	run := func(h *host, a, b string) error {
		cmd := h.command(filepath.Join(dir, "node-range"))
		cmd.Env = append(os.Environ(), "NODE="+h.name, "A="+a, "B="+b, "PATH="+dir+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}
	if err := run(s.hosts[0], "", ""); err == nil || !s.hosts[0].missing() {
		t.Errorf("a node without a range: %v", err)
	}
	for _, h := range s.hosts {
		must(t, "write the range of "+h.name, run(h, ranges["a"], ranges["b"]))
	}
	for i, h := range s.hosts {
		other := s.hosts[1-i]
		h.do(t, "ip", "route", "add", ranges[other.name], "via", other.v4.String())
	}
	a, b := s.hosts[0].runContainer(t, "on-a"), s.hosts[1].runContainer(t, "on-b")
	if got := fmt.Sprint(addresses(a), addresses(b)); got != "[10.244.3.2] [10.244.7.130]" {
		t.Errorf("the addresses are %s", got)
	}
	s.speaks(t, a, b)
	s.speaks(t, b, a)
	must(t, "big packets", big(a.NS, addresses(b)[0], cable))
}
