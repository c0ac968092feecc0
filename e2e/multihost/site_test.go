// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package multihost

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/cni-chain/cni-chain/shared/testnet"
)

// Two halves of the network, for TestRangeRenewed: an IPv4 range of the one is none of the other.
var (
	firstHalf = [2]string{"10.244.1.0", "10.244.127.0"}
	otherHalf = [2]string{"10.244.128.0", "10.244.254.0"}
)

// cable is the MTU of the hosts' interfaces.
const cable = 1500

// site is the switch, etcd at it, and hosts.
type site struct {
	lan    *testnet.NS // the switch; it is also a machine at it, at .1 and ::1
	client *http.Client
	hosts  []*host
}

var (
	lanV4 = netip.MustParsePrefix("192.0.2.1/24")
	lanV6 = netip.MustParsePrefix("2001:db8::1/64")
	etcd  = "http://" + net.JoinHostPort(lanV4.Addr().String(), "2379")
)

// newSite starts etcd, with flannel's configuration in it, and makes hosts of the given names, without flanneld.
func newSite(t *testing.T, names ...string) *site {
	t.Helper()
	need(t)
	s := &site{lan: testnet.NamedNS(t, "lan")}
	s.client = &http.Client{Transport: &http.Transport{DialContext: dialer{s.lan}.dial}}
	t.Cleanup(s.client.CloseIdleConnections)
	must(t, "make the switch", s.lan.Do(func() error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = "br0"
		return errors.Join(netlink.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}), testnet.Configure("br0", lanV4, lanV6))
	}))
	must(t, "bring lo up", s.lan.Up("lo"))
	s.startEtcd(t)
	s.configure(t, firstHalf)
	for i, name := range names {
		s.hosts = append(s.hosts, s.newHost(t, name, byte(11+i)))
	}
	return s
}

func (s *site) startEtcd(t *testing.T) {
	t.Helper()
	p := start(t, "etcd", s.lan.Command("etcd", "--data-dir", t.TempDir(), "--logger=zap", "--log-level=error",
		"--listen-client-urls", etcd, "--advertise-client-urls", etcd,
		"--listen-peer-urls", "http://127.0.0.1:2380", "--initial-advertise-peer-urls", "http://127.0.0.1:2380",
		"--initial-cluster", "default=http://127.0.0.1:2380", "--unsafe-no-fsync"))
	eventually(t, "etcd answers", func() error {
		if err := p.ended(); err != nil {
			t.Fatal(err)
		}
		_, err := s.lan.Fetch(t.Context(), etcd+"/health")
		return err
	})
}

// configure puts the network of docs/multi-host.md into etcd, a half of it.
func (s *site) configure(t *testing.T, half [2]string) {
	t.Helper()
	var network map[string]any
	must(t, "read the page's network", json.Unmarshal([]byte(block(t, "network")), &network))
	network["SubnetMin"], network["SubnetMax"] = half[0], half[1]
	text, err := json.Marshal(network)
	must(t, "encode", err)
	s.put(t, "config", string(text), nil)
}

// put puts a value into etcd under flannel's prefix; with what etcd granted, until that ends.
func (s *site) put(t *testing.T, key, value string, granted any) {
	t.Helper()
	encode := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	request := map[string]any{"key": encode("/coreos.com/network/" + key), "value": encode(value)}
	if granted != nil {
		request["lease"] = granted
	}
	s.etcd(t, "/v3/kv/put", request)
}

// etcd asks etcd by its gateway for JSON.
func (s *site) etcd(t *testing.T, path string, request any) (answer map[string]any) {
	t.Helper()
	body, err := json.Marshal(request)
	must(t, "encode", err)
	got, err := s.client.Post(etcd+path, "application/json", bytes.NewReader(body))
	must(t, "ask etcd", err)
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	must(t, "ask etcd", err)
	if err := json.Unmarshal(text, &answer); err != nil || got.StatusCode != http.StatusOK {
		t.Fatalf("etcd: %s: %s (%v)", got.Status, text, err)
	}
	return answer
}

// dialer dials from a namespace connections that live on.
type dialer struct{ ns *testnet.NS }

func (d dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := d.ns.Dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return conn, conn.SetDeadline(time.Time{})
}

// plug connects a namespace's eth0 to the switch, with addresses and default routes.
func (s *site) plug(t *testing.T, ns *testnet.NS, port string, addresses ...netip.Prefix) {
	t.Helper()
	must(t, "lay a cable to "+ns.Name, s.lan.Do(func() error {
		bridge, err := netlink.LinkByName("br0")
		if err != nil {
			return err
		}
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.MTU, attrs.MasterIndex = port, cable, bridge.Attrs().Index
		veth := netlink.NewVeth(attrs)
		veth.PeerName, veth.PeerNamespace = "eth0", netlink.NsFd(ns.File().Fd())
		return errors.Join(netlink.LinkAdd(veth), netlink.LinkSetUp(veth))
	}))
	must(t, "configure eth0 of "+ns.Name, ns.Do(func() error {
		return errors.Join(testnet.Configure("eth0", addresses...), testnet.AddDefault("eth0", lanV4.Addr(), lanV6.Addr()))
	}))
}

// process is a program that runs until it is told to end.
type process struct {
	name string
	cmd  *exec.Cmd
	out  *bytes.Buffer // not to be read before done
	done chan struct{}
	err  error
}

// start starts a program, until the test ends. What it said is in the log of a test that fails.
func start(t *testing.T, name string, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{name: name, cmd: cmd, out: &bytes.Buffer{}, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.out, p.out
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL // of the thread, which is why it is kept
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
		}
		close(p.done)
	}()
	must(t, "start "+name, <-started)
	t.Cleanup(func() {
		p.stop(syscall.SIGKILL)
		if t.Failed() {
			t.Logf("%s said:\n%s", name, p.out)
		}
	})
	return p
}

// stop sends a signal and waits for the end.
func (p *process) stop(signal syscall.Signal) {
	_ = p.cmd.Process.Signal(signal)
	<-p.done
}

// ended is how a program came to an end, nil while it runs.
func (p *process) ended() error {
	select {
	case <-p.done:
		return fmt.Errorf("%s has ended: %v\n%s", p.name, p.err, p.out)
	default:
		return nil
	}
}

// eventually polls until the condition holds.
func eventually(t *testing.T, what string, holds func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	for {
		err := holds()
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(20 * time.Millisecond) // what is polled are other programs
	}
}
