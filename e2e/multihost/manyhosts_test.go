// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package multihost

import (
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cni-chain/cni-chain/shared/testnet"
)

// few is how many hosts TestManyHosts has without MULTIHOST_HOSTS=5000, which takes a minute.
const few = 200

// TestManyHosts: one host in a network of very many, of which there are only the leases in etcd. It measures what the
// sizing of docs/multi-host.md says.
func TestManyHosts(t *testing.T) {
	hosts := few
	if text := os.Getenv("MULTIHOST_HOSTS"); text != "" {
		var err error
		hosts, err = strconv.Atoi(text)
		must(t, "MULTIHOST_HOSTS", err)
	}
	s := newSite(t, "a")
	s.put(t, "config", `{"Network": "10.64.0.0/11", "Backend": {"Type": "vxlan"}}`, nil)
	start := time.Now()
	for i := range hosts {
		s.lease(t, i)
	}
	t.Logf("%d leases put into etcd in %v", hosts, time.Since(start).Round(time.Millisecond))
	a := s.hosts[0]
	attach(t, a, "without flanneld's routes", "10.64.0.1/24") // no host's: flannel leaves the first out

	start = time.Now()
	a.startFlanneld(t)
	a.ready(t)
	ready := time.Since(start)
	count := func(command ...string) int {
		return strings.Count(a.do(t, command[0], command[1:]...), "\n")
	}
	eventually(t, "all routes are there", func() error {
		if n := count("ip", "route", "show", "dev", "flannel.1"); n < hosts {
			return fmt.Errorf("%d of %d", n, hosts)
		}
		return nil
	})
	t.Logf("flanneld is ready after %v and knows all after %v", ready.Round(time.Millisecond),
		time.Since(start).Round(time.Millisecond))
	neighbours, forwarding := count("ip", "neigh", "show", "dev", "flannel.1"), count("bridge", "fdb", "show", "dev", "flannel.1")
	if neighbours != hosts || forwarding != hosts {
		t.Errorf("%d neighbours and %d entries of the forwarding database for %d hosts", neighbours, forwarding, hosts)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", a.flannel.cmd.Process.Pid))
	must(t, "read flanneld's status", err)
	t.Logf("flanneld: %s; etcd's database: %v bytes", regexp.MustCompile(`VmRSS:.*`).FindString(string(status)),
		s.etcd(t, "/v3/maintenance/status", struct{}{})["dbSize"])
	attach(t, a, "with them", "")
}

// lease puts the lease of the i-th host into etcd, as its flanneld would.
func (s *site) lease(t *testing.T, i int) {
	t.Helper()
	first := netip.MustParseAddr("10.64.1.0").As4()
	n := int(first[1])<<8 + int(first[2]) + i
	value := fmt.Sprintf(`{"PublicIP":"198.18.%d.%d","PublicIPv6":null,"BackendType":"vxlan",`+
		`"BackendData":{"VNI":1,"VtepMAC":"02:00:00:00:%02x:%02x"}}`, i>>8, i&255, i>>8, i&255)
	granted := s.etcd(t, "/v3/lease/grant", map[string]any{"TTL": 86400})["ID"]
	s.put(t, fmt.Sprintf("subnets/10.%d.%d.0-24", n>>8, n&255), value, granted)
}

// attach measures attaching containers and detaching them, the fastest of several; subnet is for a file of flanneld's
// that is not there yet.
func attach(t *testing.T, h *host, when, subnet string) {
	t.Helper()
	if subnet != "" {
		h.do(t, "sh", "-c", "mkdir -p /run/flannel && echo FLANNEL_SUBNET="+subnet+" >"+subnetEnv)
	}
	add, del := time.Hour, time.Hour
	for i := range 20 {
		c := testnet.NewContainer(t, t.TempDir())
		a := h.net.Attach(c.NS, fmt.Sprintf("container-%d", i))
		start := time.Now()
		must(t, "ADD", a.Add())
		add = min(add, time.Since(start))
		start = time.Now()
		must(t, "DEL", a.Del())
		del = min(del, time.Since(start))
		must(t, "end the container", c.Close())
	}
	t.Logf("%s: ADD %v, DEL %v", when, add.Round(100*time.Microsecond), del.Round(100*time.Microsecond))
	if subnet != "" {
		h.do(t, "rm", subnetEnv)
	}
}
