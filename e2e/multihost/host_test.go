// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package multihost

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/containernetworking/cni/pkg/invoke"
	"github.com/containernetworking/cni/pkg/types"
	"github.com/containernetworking/cni/pkg/version"

	"github.com/cni-chain/cni-chain/e2e/harness"
	"github.com/cni-chain/cni-chain/shared/testnet"
)

// host is a machine at the switch: network and mount namespaces, with a /run of its own.
type host struct {
	*testnet.Container
	name    string
	v4, v6  netip.Addr
	net     *harness.Network
	flannel *process
	// masq: flanneld masquerades, as in the manifests of flannel; else the chain does.
	masq bool
}

// newHost makes a host that has the given last byte in its addresses.
func (s *site) newHost(t *testing.T, name string, last byte) *host {
	t.Helper()
	h := &host{Container: testnet.NewContainer(t, ""), name: name, masq: true}
	h.NS.Name = name
	v4, v6 := lanV4.Addr().As4(), lanV6.Addr().As16()
	v4[3], v6[15] = last, last
	h.v4, h.v6 = netip.AddrFrom4(v4), netip.AddrFrom16(v6)
	h.do(t, "mount", "-t", "tmpfs", "tmpfs", "/run")
	s.plug(t, h.NS, "port-"+name, netip.PrefixFrom(h.v4, lanV4.Bits()), netip.PrefixFrom(h.v6, lanV6.Bits()))
	h.net = harness.ParseWith(t, block(t, "conflist"), &onHost{h: h, t: t})
	return h
}

// chainMasquerades has the chain masquerade and not flanneld. It is for a host without containers yet.
func (h *host) chainMasquerades(t *testing.T) {
	t.Helper()
	h.masq = false
	text := strings.Replace(block(t, "conflist"), `"isDefaultGateway": true,`, `"isDefaultGateway": true, "ipMasq": true,`, 1)
	h.net = harness.ParseWith(t, text, &onHost{h: h, t: t})
	if !h.net.On("ipMasq") {
		t.Fatal("the conflist of the page has no isDefaultGateway")
	}
}

// command is a program on the host.
func (h *host) command(name string, args ...string) *exec.Cmd {
	return exec.Command("nsenter", h.enter(name, args...)...)
}

func (h *host) enter(name string, args ...string) []string {
	return append([]string{"--target", strconv.Itoa(h.PID), "--net", "--mount", "--", name}, args...)
}

// do runs a program on the host and returns what it says.
func (h *host) do(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := h.command(name, args...).CombinedOutput()
	must(t, fmt.Sprintf("on %s, %s %s: %s", h.name, name, strings.Join(args, " "), out), err)
	return string(out)
}

// file is a file of the host, seen from here.
func (h *host) file(path string) string {
	return filepath.Join(fmt.Sprintf("/proc/%d/root", h.PID), path)
}

// onHost executes plugins on a host, for libcni. It is one of invoke.Exec.
type onHost struct {
	version.PluginDecoder
	h *host
	t *testing.T
}

func (o *onHost) ExecPlugin(ctx context.Context, path string, stdin []byte, env []string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "nsenter", o.h.enter(path)...)
	var stdout, stderr bytes.Buffer
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = env, bytes.NewReader(stdin), &stdout, &stderr
	err := cmd.Run()
	if stderr.Len() > 0 {
		o.t.Logf("%s on %s says: %s", filepath.Base(path), o.h.name, &stderr)
	}
	if err == nil {
		return stdout.Bytes(), nil
	}
	var said types.Error
	if json.Unmarshal(stdout.Bytes(), &said) == nil && said.Code != 0 {
		return nil, &said
	}
	return nil, fmt.Errorf("%s on %s: %w: %s", filepath.Base(path), o.h.name, err, &stdout)
}

func (o *onHost) FindInPath(plugin string, paths []string) (string, error) {
	return invoke.FindInPath(plugin, paths)
}

// subnetEnv is where flanneld writes, and what the conflist says.
const subnetEnv = "/run/flannel/subnet.env"

// healthz is where flanneld answers how it is.
const healthz = "8471"

// startFlanneld starts it; what it writes comes later.
func (h *host) startFlanneld(t *testing.T) {
	t.Helper()
	h.flannel = start(t, "flanneld on "+h.name, h.command(flanneld(), "-etcd-endpoints="+etcd, "-iface=eth0",
		"-ip-masq="+strconv.FormatBool(h.masq), "-iptables-resync=1", "-subnet-file="+subnetEnv, "-healthz-port="+healthz))
}

// ready waits until flanneld is: then it has written its file and made its rules.
func (h *host) ready(t *testing.T) {
	t.Helper()
	eventually(t, "flanneld on "+h.name+" is ready", func() error {
		if err := h.flannel.ended(); err != nil {
			t.Fatal(err)
		}
		_, err := h.NS.Fetch(t.Context(), "http://127.0.0.1:"+healthz+"/readyz")
		return err
	})
}

// restart ends flanneld with the signal and starts it again.
func (h *host) restart(t *testing.T, signal syscall.Signal) {
	t.Helper()
	h.flannel.stop(signal)
	h.startFlanneld(t)
	h.ready(t)
}

// env is a value of the file that flanneld has written.
func (h *host) env(t *testing.T, key string) string {
	t.Helper()
	text, err := os.ReadFile(h.file(subnetEnv))
	must(t, "read "+subnetEnv+" of "+h.name, err)
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, key+"="); ok {
			return strings.TrimSpace(value)
		}
	}
	t.Fatalf("no %s in %s of %s:\n%s", key, subnetEnv, h.name, text)
	return ""
}

// subnets are the host's ranges, of both families.
func (h *host) subnets(t *testing.T) (all []netip.Prefix) {
	t.Helper()
	for _, key := range []string{"FLANNEL_SUBNET", "FLANNEL_IPV6_SUBNET"} {
		subnet, err := netip.ParsePrefix(h.env(t, key))
		must(t, key, err)
		all = append(all, subnet.Masked())
	}
	return all
}

// routes says whether flanneld has made the route to another host's range.
func (h *host) routes(to netip.Prefix) error {
	family := "-4"
	if to.Addr().Is6() {
		family = "-6"
	}
	out, err := h.command("ip", family, "route", "show", "exact", to.String()).CombinedOutput()
	if err == nil && !strings.Contains(string(out), "dev flannel") {
		err = errors.New("no route to " + to.String())
	}
	return err
}

// clean fails the test when the host has anything of the chain's that is of a container.
func (h *host) clean(t *testing.T) {
	t.Helper()
	leases, err := filepath.Glob(h.file("/run/cni-chain/pool/*/owner-*"))
	must(t, "list leases", err)
	if len(leases) > 0 {
		t.Errorf("leases are left on %s: %v", h.name, leases)
	}
	if rules := h.do(t, "nft", "list", "ruleset"); strings.Contains(rules, "table inet cni-chain") {
		t.Errorf("rules are left on %s:\n%s", h.name, rules)
	}
	if links := h.do(t, "ip", "-o", "link", "show", "type", "veth"); strings.Contains(links, "master cni0") {
		t.Errorf("ports are left on %s:\n%s", h.name, links)
	}
}

// runContainer makes a container on the host, with servers in it, and attaches it; host ports are mapped as asked.
func (h *host) runContainer(t *testing.T, id string, ports ...harness.Port) *harness.Attachment {
	t.Helper()
	root := t.TempDir()
	must(t, "make the container's /etc", os.Mkdir(filepath.Join(root, "etc"), 0o755))
	c := testnet.NewContainer(t, root)
	c.NS.Name = id
	a := h.net.Attach(c.NS, id).With("portMappings", ports).
		With("dns", harness.RuntimeDNS{Servers: []string{"198.51.100.7"}})
	a.Root = root
	a.MustAdd(t)
	must(t, "CHECK "+id, a.Check())
	harness.Serve(t, c.NS)
	echo(t, c.NS)
	return a
}

// missing says whether the file of flanneld's is not there.
func (h *host) missing() bool {
	_, err := os.Stat(h.file(subnetEnv))
	return errors.Is(err, fs.ErrNotExist)
}
