// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package account

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"strings"

	current "github.com/containernetworking/cni/pkg/types/100"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/run"
)

// Port is a port of the host that leads to one of the container.
type Port struct {
	HostIP        string `json:"hostIP"`
	HostPort      int    `json:"hostPort"`
	ContainerPort int    `json:"containerPort"`
	Protocol      string `json:"protocol"`
	// Range is how many ports in a row; 0 is one.
	Range int `json:"range"`
}

// Ports are the port mappings that links were given, by the runtime or by the conflist.
func Ports(r *run.Record) []Port {
	var ports []Port
	for _, call := range r.Calls {
		var conf struct {
			PortMappings  []Port
			RuntimeConfig struct{ PortMappings []Port }
		}
		if call.Command == "ADD" && json.Unmarshal(call.Stdin, &conf) == nil {
			ports = append(append(ports, conf.PortMappings...), conf.RuntimeConfig.PortMappings...)
		}
	}
	for i := range ports {
		ports[i].Protocol = strings.ToLower(ports[i].Protocol)
		if ports[i].Protocol == "" {
			ports[i].Protocol = "tcp"
		}
	}
	return ports
}

// String is "tcp 8080" or "tcp 192.0.2.1:8080", the host's side.
func (p Port) String() string {
	host := span(p.HostPort, p.Range)
	if ip, err := netip.ParseAddr(p.HostIP); err == nil && !ip.IsUnspecified() {
		host = net.JoinHostPort(p.HostIP, host)
	}
	return p.Protocol + " " + host
}

// To is "10.0.0.2:80": the container's side.
func (p Port) To(container string) string {
	return net.JoinHostPort(container, span(p.ContainerPort, p.Range))
}

func span(port, count int) string {
	if count > 1 {
		return fmt.Sprintf("%d-%d", port, port+count-1)
	}
	return fmt.Sprint(port)
}

// Address is the container's first address of the family that the port is for.
func (p Port) Address(result *current.Result) string {
	host, err := netip.ParseAddr(p.HostIP)
	v6 := err == nil && host.Is6() && !host.Is4In6()
	for _, ip := range result.IPs {
		if ip != nil && (ip.Address.IP.To4() == nil) == v6 {
			return ip.Address.IP.String()
		}
	}
	for _, ip := range result.IPs {
		if ip != nil {
			return ip.Address.IP.String()
		}
	}
	return "?"
}

// Facts are what the container has after an add, as rows of a kind and a text.
func Facts(r *run.Record) [][2]string {
	result := Result(r.CNIVersion, r.Result)
	if result == nil {
		return nil
	}
	var rows [][2]string
	for _, ip := range result.IPs {
		if ip == nil {
			continue
		}
		text := ip.Address.String()
		if ip.Gateway != nil {
			text += ", gateway " + ip.Gateway.String()
		}
		rows = append(rows, [2]string{"address", text})
	}
	for _, port := range Ports(r) {
		rows = append(rows, [2]string{"port", fmt.Sprintf("%s -> %s", port, port.To(port.Address(result)))})
	}
	for _, list := range []struct {
		name   string
		values []string
	}{{"nameserver", result.DNS.Nameservers}, {"search", result.DNS.Search}, {"option", result.DNS.Options}} {
		if len(list.values) > 0 {
			rows = append(rows, [2]string{"dns", list.name + " " + strings.Join(list.values, " ")})
		}
	}
	return rows
}
