// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"encoding/json"
	"slices"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/jsontext"
)

// What upstream's bridge does on layer 2 is veth-bridge's, on layer 3 ip-config's, under the same keys. The VLAN is of
// both: the gateway of a container in a VLAN is an interface of that VLAN.
var (
	layer2 = []string{
		"bridge", "mtu", "hairpinMode", "promiscMode", "vlan", "vlanTrunk", "preserveDefaultVlan", "macspoofchk",
		"disableContainerInterface", "portIsolation",
	}
	layer3 = []string{
		"isGateway", "isDefaultGateway", "forceAddress", "ipMasq", "ipMasqBackend", "enabledad", "ipam", "dns",
	}
)

// bridge is what upstream's bridge becomes: veth-bridge, and ip-config when it had IPAM.
func (m *migration) bridge(path string, plugin object) []object {
	s := &sorter{m: m, path: path, from: m.schemas.Plugin("bridge")}
	veth := object{{Key: "type", Value: "veth-bridge"}}
	ip := object{{Key: "type", Value: "ip-config"}}
	ipam, _ := plugin.Get("ipam").(object)
	var late []string // keys of layer 3 when there is none
	for _, member := range plugin {
		name, known := s.key(member.Key)
		switch {
		case !known || isNull(member.Value) || slices.Contains([]string{"type", "ipam", "capabilities", "args"}, name):
		case slices.Contains(layer2, name):
			veth.Set(name, member.Value)
		case !slices.Contains(layer3, name):
			veth.Set(name, member.Value)
		case len(ipam) == 0:
			late = append(late, member.Key)
		default:
			ip.Set(name, member.Value)
		}
	}
	if len(ipam) == 0 {
		for _, key := range late {
			m.loses(path+"."+key, "without ipam the plugin made no use of it")
		}
		m.capabilities(path, plugin, &veth, nil)
		m.args(plugin, &veth, nil)
		m.changes(path, "bridge becomes veth-bridge")
		return []object{veth}
	}
	m.layer3(path, veth, &ip, ipam)
	m.capabilities(path, plugin, &veth, &ip)
	m.args(plugin, &veth, &ip)
	m.changes(path, "bridge becomes veth-bridge and ip-config")
	return []object{veth, ip}
}

// layer3 finishes ip-config.
func (m *migration) layer3(path string, veth object, ip *object, ipam object) {
	if vlan := veth.Get("vlan"); vlan != nil && isTrue(ip.Get("isGateway"), ip.Get("isDefaultGateway")) {
		ip.Set("vlan", vlan)
	}
	if isTrue(ip.Get("ipMasq")) && ip.Get("ipMasqBackend") == nil {
		m.changes(path+".ipMasq", "nftables masquerades now, where iptables did; \"ipMasqBackend\": \"iptables\" keeps it so")
	}
	if ipam.Get("type") == "host-local" {
		ipam = m.hostLocal(path+".ipam", ipam)
	}
	ip.Set("ipam", ipam)
}

func isTrue(values ...any) bool {
	return slices.ContainsFunc(values, func(v any) bool {
		raw, ok := v.(json.RawMessage)
		return ok && string(raw) == "true"
	})
}

// capabilities deals out what the runtime may pass; ip is nil where there is no layer 3.
func (m *migration) capabilities(path string, plugin object, veth, ip *object) {
	declared, _ := plugin.Get("capabilities").(object)
	var forVeth, forIP object
	for _, member := range declared {
		at := path + ".capabilities." + member.Key
		switch {
		case member.Key == "mac":
			forVeth = append(forVeth, member)
		case ip != nil && (member.Key == "ips" || member.Key == "ipRanges"):
			forIP = append(forIP, member)
		case member.Key == "dns":
			m.loses(at, "bridge made no use of it; the link resolv-conf does: {\"type\": \"resolv-conf\", \"capabilities\": {\"dns\": true}}")
		case ip != nil && !ours(ip.Get("ipam")):
			forIP = append(forIP, member) // the IPAM plugin may take it
		default:
			m.loses(at, "bridge made no use of it")
		}
	}
	if len(forVeth) > 0 {
		veth.Set("capabilities", forVeth)
	}
	if len(forIP) > 0 {
		ip.Set("capabilities", forIP)
	}
}

// ours says whether an "ipam" names the pool, whose capabilities are known.
func ours(ipam any) bool {
	o, _ := ipam.(object)
	return o.Get("type") == "ip-pool"
}

// args deals out what stands under args.cni: the MAC is layer 2, all else layer 3, and what is not there is nobody's.
func (m *migration) args(plugin object, veth, ip *object) {
	args, _ := plugin.Get("args").(object)
	if len(args) == 0 {
		return
	}
	cni, _ := args.Get("cni").(object)
	rest := slices.Clone(args)
	if mac := cni.Get("mac"); mac != nil {
		veth.Set("args", object{{Key: "cni", Value: object{{Key: "mac", Value: mac}}}})
		cni = slices.Clone(cni)
		cni.Drop("mac")
		rest.Set("cni", cni)
	}
	if len(cni) == 0 {
		rest.Drop("cni")
	}
	if ip != nil && len(rest) > 0 {
		ip.Set("args", rest)
	}
}

// portmap is what upstream's portmap becomes.
func (m *migration) portmap(path string, plugin object) object {
	s := &sorter{m: m, path: path, from: m.schemas.Plugin("portmap")}
	out := object{{Key: "type", Value: "port-map"}}
	for _, member := range plugin {
		name, known := s.key(member.Key)
		if !known || name == "type" || isNull(member.Value) {
			continue
		}
		if name == "capabilities" {
			member.Value = m.portCapabilities(path, member.Value)
		}
		out = append(out, jsontext.Member{Key: name, Value: member.Value})
	}
	m.changes(path, "portmap becomes port-map: a host port that is taken is now an error")
	m.portBackend(path, &out)
	return out
}

func isNull(v any) bool {
	raw, ok := v.(json.RawMessage)
	return ok && string(raw) == "null"
}

// portCapabilities drops what portmap declared and never looked at.
func (m *migration) portCapabilities(path string, declared any) any {
	capabilities, ok := declared.(object)
	if !ok {
		return declared
	}
	var kept object
	for _, member := range capabilities {
		if member.Key == "portMappings" {
			kept = append(kept, member)
		} else {
			m.loses(path+".capabilities."+member.Key, "portmap made no use of it")
		}
	}
	return kept
}

// portBackend chooses iptables where the configuration speaks of it; otherwise nftables does what iptables did.
func (m *migration) portBackend(path string, out *object) {
	if out.Get("backend") != nil {
		return
	}
	speaks := slices.ContainsFunc([]string{"conditionsV4", "conditionsV6"}, func(key string) bool {
		words, _ := out.Get(key).([]any)
		first := ""
		if len(words) > 0 {
			first, _ = words[0].(string)
		}
		return first != "" && (first[0] == '-' || first[0] == '!') // how portmap itself tells them apart
	})
	switch {
	case speaks:
		out.Set("backend", "iptables")
		m.changes(path, "\"backend\" is iptables, because the conditions are in its words")
	case out.Get("externalSetMarkChain") != nil:
		out.Drop("externalSetMarkChain")
		m.changes(path+".externalSetMarkChain", "nftables maps the ports now, and needs no mark of another program to masquerade; "+
			"with \"backend\": \"iptables\" the key can stay")
	case out.Get("markMasqBit") != nil:
		out.Drop("markMasqBit")
		m.changes(path+".markMasqBit", "nftables maps the ports now, and needs no mark to masquerade; with \"backend\": \"iptables\" the key can stay")
	default:
		m.changes(path, "nftables maps the ports now, where iptables did; \"backend\": \"iptables\" keeps it so")
	}
}
