// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/containernetworking/cni/libcni"

	"github.com/cni-chain/cni-chain/shared/testnet"
)

// world is a machine from inside: its networks, and the containers attached to them.
type world struct {
	bin      string
	who      contender
	exec     *meter
	networks []*network
	live     int
	floor    *stage // instead of all this, for the floor
	outside  *testnet.Outside
	served   *container
}

// network is one network with the runtime that calls its plugins.
type network struct {
	list *libcni.NetworkConfigList
	cni  *libcni.CNIConfig
}

// container is one attachment.
type container struct {
	ns  *testnet.NS
	net *network
	rt  *libcni.RuntimeConf
	ip  string
}

func newWorld(bin, name string) (*world, error) {
	w := &world{bin: bin, exec: &meter{}}
	var err error
	if name == floor {
		w.floor, err = newStage()
		return w, err
	}
	var ok bool
	if w.who, ok = contenders[name]; !ok {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		w.who = contender{name, func(int) string { return string(data) }}
	}
	w.outside, err = testnet.ConnectOutside()
	return w, err
}

func (w *world) do(o order) (report, error) {
	if o.Do == "drain" {
		return report{}, drain()
	}
	if w.floor != nil {
		return w.floor.do(o)
	}
	switch o.Do {
	case "fill":
		return report{}, w.fill(o.Live)
	case "cycle":
		return w.cycle(o)
	case "parallel":
		return w.parallel(o)
	case "serve":
		return report{}, w.serve(o)
	case "connect":
		return w.connect(o)
	}
	return report{}, fmt.Errorf("unknown order %q", o.Do)
}

// network is the n-th one, made when it is first asked for.
func (w *world) network(n int) (*network, error) {
	for len(w.networks) <= n {
		list, err := libcni.NetworkConfFromBytes([]byte(w.who.List(len(w.networks))))
		if err != nil {
			return nil, err
		}
		cache := filepath.Join("/run/bench", list.Name)
		dirs := []string{w.bin, filepath.Join(w.bin, "upstream")}
		w.networks = append(w.networks, &network{list, libcni.NewCNIConfigWithCacheDir(dirs, cache, w.exec)})
	}
	return w.networks[n], nil
}

// container prepares one; nothing is attached yet.
func (w *world) container(n int, name string, ports []portMapping) (*container, error) {
	net, err := w.network(n)
	if err != nil {
		return nil, err
	}
	ns, err := testnet.Create(name)
	if err != nil {
		return nil, err
	}
	return &container{ns: ns, net: net, rt: &libcni.RuntimeConf{
		ContainerID: name, NetNS: ns.Path, IfName: "eth0", CapabilityArgs: map[string]any{"portMappings": ports},
	}}, nil
}

type portMapping struct {
	HostPort      int    `json:"hostPort"`
	ContainerPort int    `json:"containerPort"`
	Protocol      string `json:"protocol"`
}

// mappings are n ports in a row from the given one.
func mappings(from, n int, proto string) []portMapping {
	var list []portMapping
	for i := range n {
		list = append(list, portMapping{from + i, 80 + i, proto})
	}
	return list
}

// fill attaches containers, two at a time, one port each, until there are as many as asked for.
func (w *world) fill(live int) error {
	var wait sync.WaitGroup
	errs := make(chan error, 2)
	for w.live < live && len(errs) == 0 {
		for range min(2, live-w.live) {
			c, err := w.container(networkOf(w.live), fmt.Sprintf("live%d", w.live), mappings(20000+w.live, 1, "tcp"))
			if err != nil {
				return err
			}
			w.live++
			wait.Go(func() {
				if _, err := c.add(); err != nil {
					errs <- err
				}
			})
		}
		wait.Wait()
	}
	close(errs)
	return <-errs
}

// cycle is one ADD, CHECK and DEL, in the network of the last attachment that there is.
func (w *world) cycle(o order) (r report, err error) {
	c, err := w.container(networkOf(max(0, w.live-1)), "measured", mappings(10000, o.Ports, o.Proto))
	if err != nil {
		return r, err
	}
	defer func() { _ = c.ns.Close() }()
	w.exec.launcher, w.exec.peak, w.exec.spent = o.Launcher, map[string]int64{}, map[string]time.Duration{}
	if r.Add, err = c.add(); err != nil {
		return r, err
	}
	start := time.Now()
	err = c.net.cni.CheckNetworkList(context.Background(), c.net.list, c.rt)
	r.Check = time.Since(start)
	if err != nil {
		return r, err
	}
	r.Del, err = c.del()
	r.Peak, r.Spent = w.exec.peak, w.exec.spent
	return r, err
}

func (c *container) add() (time.Duration, error) {
	start := time.Now()
	result, err := c.net.cni.AddNetworkList(context.Background(), c.net.list, c.rt)
	took := time.Since(start)
	if err == nil {
		c.ip, err = firstAddress(result)
	}
	return took, err
}

func (c *container) del() (time.Duration, error) {
	start := time.Now()
	err := c.net.cni.DelNetworkList(context.Background(), c.net.list, c.rt)
	return time.Since(start), err
}
