// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/run"
)

// capabilityFlags are what a runtime passes as runtimeConfig (CONVENTIONS.md, "Dynamic Plugin specific fields").
type capabilityFlags struct {
	input                              string
	ports, ips                         []string
	mac                                string
	servers, searches, resolverOptions []string
}

func (f *capabilityFlags) register(flags *pflag.FlagSet) {
	flags.StringArrayVarP(&f.ports, "port", "p", nil,
		"a port of the host that leads to the container: [HOSTIP:]8080:80[/udp]")
	flags.StringArrayVar(&f.ips, "ip", nil, "an address to ask for")
	flags.StringVar(&f.mac, "mac", "", "the MAC to have")
	flags.StringArrayVar(&f.servers, "dns", nil, "a name server")
	flags.StringArrayVar(&f.searches, "dns-search", nil, "a domain to search for names in")
	flags.StringArrayVar(&f.resolverOptions, "dns-option", nil, "an option of the resolver")
	flags.StringVarP(&f.input, "input", "i", "", "a file with capability arguments (runtimeConfig) as JSON, - for stdin")
}

// read makes the capability arguments of the flags and of the input file, where the flags win. A flag that no link of
// the chain would get is an error: it would be without effect.
func (f *capabilityFlags) read(c *run.Chain, stdin io.Reader) (map[string]any, error) {
	args := map[string]any{}
	if f.input != "" {
		data, err := readInput(f.input, stdin)
		if err != nil {
			return nil, fmt.Errorf("--input: %w", err)
		}
		if args, err = run.ReadCapabilities(data); err != nil {
			return nil, fmt.Errorf("--input %s: %w", f.input, err)
		}
	}
	declared := c.Declares()
	set := func(flag, capability string, value any) error {
		if !slices.Contains(declared, capability) {
			return fmt.Errorf("%s: no link of %s takes it: one needs \"capabilities\": {\"%s\": true}", flag, c.File, capability)
		}
		args[capability] = value
		return nil
	}
	var errs []error
	if len(f.ports) > 0 {
		mappings, err := parsePorts(f.ports)
		errs = append(errs, err, set("--port", "portMappings", mappings))
	}
	if len(f.ips) > 0 {
		errs = append(errs, checkIPs(f.ips), set("--ip", "ips", f.ips))
	}
	if f.mac != "" {
		if _, err := net.ParseMAC(f.mac); err != nil {
			errs = append(errs, fmt.Errorf("--mac %q: not a MAC like 02:00:00:00:00:01", f.mac))
		}
		errs = append(errs, set("--mac", "mac", f.mac))
	}
	if dns := f.dns(); len(dns) > 0 {
		errs = append(errs, set("--dns", "dns", dns))
	}
	if err := errors.Join(errs...); err != nil || len(args) == 0 {
		return nil, err
	}
	return args, nil
}

// dns is the capability's value: its names are not those of the key "dns" of a configuration.
func (f *capabilityFlags) dns() map[string]any {
	dns := map[string]any{}
	for name, values := range map[string][]string{
		"servers": f.servers, "searches": f.searches, "options": f.resolverOptions,
	} {
		if len(values) > 0 {
			dns[name] = values
		}
	}
	return dns
}

// portMapping is one entry of the capability portMappings.
type portMapping struct {
	HostPort      int    `json:"hostPort"`
	ContainerPort int    `json:"containerPort"`
	Protocol      string `json:"protocol"`
	HostIP        string `json:"hostIP,omitempty"`
}

func parsePorts(texts []string) ([]portMapping, error) {
	var mappings []portMapping
	for _, text := range texts {
		m, err := parsePort(text)
		if err != nil {
			return nil, fmt.Errorf("--port %q: %w", text, err)
		}
		mappings = append(mappings, m)
	}
	return mappings, nil
}

// parsePort reads [HOSTIP:]HOSTPORT:CONTAINERPORT[/PROTOCOL], an IPv6 address in brackets.
func parsePort(text string) (portMapping, error) {
	var m portMapping
	ports, protocol, found := strings.Cut(text, "/")
	if !found {
		protocol = "tcp"
	}
	if m.Protocol = protocol; !slices.Contains([]string{"tcp", "udp", "sctp"}, protocol) {
		return m, fmt.Errorf("the protocol is %q: it is tcp, udp or sctp", protocol)
	}
	host, container, found := cutLast(ports)
	if !found {
		return m, errors.New("it is like 8080:80: the host's port, the container's port")
	}
	if ip, port, found := cutLast(host); found {
		host = port
		ip = strings.TrimSuffix(strings.TrimPrefix(ip, "["), "]")
		address, err := netip.ParseAddr(ip)
		if err != nil {
			return m, fmt.Errorf("%q is no IP address", ip)
		}
		m.HostIP = address.String()
	}
	var err error
	if m.HostPort, err = parsePortNumber(host); err != nil {
		return m, err
	}
	m.ContainerPort, err = parsePortNumber(container)
	return m, err
}

func cutLast(text string) (before, after string, found bool) {
	i := strings.LastIndexByte(text, ':')
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+1:], true
}

func parsePortNumber(text string) (int, error) {
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil || port == 0 {
		return 0, fmt.Errorf("%q is no port: 1 to 65535", text)
	}
	return int(port), nil
}

// checkIPs takes addresses with and without a prefix length, as the capability does.
func checkIPs(texts []string) error {
	var errs []error
	for _, text := range texts {
		_, err := netip.ParseAddr(text)
		if _, prefixErr := netip.ParsePrefix(text); err != nil && prefixErr != nil {
			errs = append(errs, fmt.Errorf("--ip %q: not an address like 10.0.0.5 or 10.0.0.5/24", text))
		}
	}
	return errors.Join(errs...)
}

// cutPair takes K=V apart; CNI_ARGS has no way to write a ";" in either.
func cutPair(text string) (key, value string, ok bool) {
	key, value, ok = strings.Cut(text, "=")
	return key, value, ok && key != "" && !strings.Contains(text, ";")
}
