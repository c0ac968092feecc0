// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package generate

import (
	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/jsontext"
)

// linkFact is what a link needs and gives; see schema.Link.
type linkFact struct {
	ipam           bool
	place          string
	needs          []string
	provides       []string
	providesWith   object
	needsWith      object
	uselessWithout []string
	excludes       []any
}

var facts = map[string]linkFact{
	"veth-bridge": {
		provides: []string{"interface", "host-interface", "bridge"},
		excludes: []any{list("hairpinMode", "promiscMode")},
	},
	"ip-config": {
		place: "later",
		needs: []string{"interface"},
		providesWith: object{
			{Key: "ipam", Value: list("addresses", "dns")},
			{Key: "addresses", Value: list("addresses")},
			{Key: "dns", Value: list("dns")},
		},
		needsWith: object{
			{Key: "isGateway", Value: list("bridge")},
			{Key: "isDefaultGateway", Value: list("bridge")},
		},
		uselessWithout: []string{"ipam", "addresses", "capabilities.ips"},
	},
	"resolv-conf": {provides: []string{"dns"}},
	"port-map": {
		place:          "later",
		needs:          []string{"addresses"},
		uselessWithout: []string{"portMappings", "capabilities.portMappings"},
		excludes:       []any{list("markMasqBit", "externalSetMarkChain")},
	},
	"ip-pool": {ipam: true},
}

// annotation is the "x-cni" of the schema.
func (f linkFact) annotation(capabilities []string) object {
	o := object{}
	if f.ipam {
		o.Set("ipam", true)
	}
	if f.place != "" {
		o.Set("place", f.place)
	}
	o.Set("minCNI", "0.3.0") // chain/version.go
	for _, group := range []struct {
		key    string
		values []string
	}{
		{"needs", f.needs}, {"provides", f.provides}, {"capabilities", capabilities}, {"uselessWithout", f.uselessWithout},
	} {
		if len(group.values) > 0 {
			o.Set(group.key, list(group.values...))
		}
	}
	for _, with := range []jsontext.Member{{Key: "providesWith", Value: f.providesWith}, {Key: "needsWith", Value: f.needsWith}} {
		if len(with.Value.(object)) > 0 {
			o = append(o, with)
		}
	}
	if len(f.excludes) > 0 {
		o.Set("excludes", f.excludes)
	}
	return o
}

func list(words ...string) (l []any) {
	for _, word := range words {
		l = append(l, word)
	}
	return l
}

var basics = map[string]object{
	"bool":   {{Key: "type", Value: "boolean"}},
	"string": {{Key: "type", Value: "string"}},
	"int":    {{Key: "type", Value: "integer"}},
	"uint32": {{Key: "type", Value: "integer"}, {Key: "minimum", Value: 0}},
	"uint64": {{Key: "type", Value: "integer"}, {Key: "minimum", Value: 0}},
}

// typeFacts are types that read their JSON themselves, or that are not ours.
var typeFacts = map[string]object{
	"types.DNS": {{Key: "$ref", Value: "plugin.json#/$defs/dns"}},
	// veth-bridge
	"MTU": {{Key: "anyOf", Value: []any{
		object{{Key: "type", Value: "integer"}, {Key: "minimum", Value: 0}, {Key: "maximum", Value: 65535}},
		object{{Key: "const", Value: "auto"}},
	}}},
	// ip-config
	"Masq": {{Key: "anyOf", Value: []any{
		object{{Key: "type", Value: "boolean"}},
		closed("", object{{Key: "ipv4", Value: basics["bool"]}, {Key: "ipv6", Value: basics["bool"]}}),
	}}},
	// resolv-conf
	"WriteTo": {{Key: "anyOf", Value: []any{place, object{{Key: "type", Value: "array"}, {Key: "items", Value: place}, {Key: "minItems", Value: 1}}}}},
}

// place is one of resolv-conf's places for the file.
var place = object{{Key: "anyOf", Value: []any{
	object{{Key: "enum", Value: []any{"auto", "netns", "rootfs", "none"}}},
	object{{Key: "type", Value: "string"}, {Key: "format", Value: "path"}},
}}}

// fact is the schema of a type that has one in this file.
func (g *generator) fact(name, path string) (object, bool) {
	if name == "json.RawMessage" && path == "ipam" {
		return object{{Key: "$ref", Value: "ipam.json"}}, true
	}
	known, ok := typeFacts[name]
	return known, ok
}

// fieldFacts are what a comment says in other words, or the code alone: by link and path, or by path for all links.
var fieldFacts = map[string]object{
	"veth-bridge.vlan":              {{Key: "minimum", Value: 0}},
	"veth-bridge.mtu":               {{Key: "default", Value: 0}},
	"veth-bridge.vlanTrunk[].id":    vlan,
	"veth-bridge.vlanTrunk[].minID": vlan,
	"veth-bridge.vlanTrunk[].maxID": vlan,
	"ip-config.vlan":                {{Key: "minimum", Value: 0}},
	"ip-config.ipMasq":              {{Key: "default", Value: false}},
	"ip-config.ipamTimeout":         {{Key: "minimum", Value: 1}, {Key: "maximum", Value: 3600}},
	"port-map.portMappings[].range": {{Key: "minimum", Value: 0}, {Key: "maximum", Value: 65535}},
	"resolv-conf.writeTo":           {{Key: "default", Value: "auto"}},
	"resolv-conf.fallback":          {{Key: "items", Value: object{{Key: "type", Value: "string"}, {Key: "format", Value: "ip"}}}},
	"log.level":                     {{Key: "enum", Value: list("debug", "info", "warn", "error")}, {Key: "default", Value: "warn"}},
	"routes[].mtu":                  {{Key: "minimum", Value: 0}, {Key: "maximum", Value: 65535}},
	"routes[].advmss":               {{Key: "minimum", Value: 0}, {Key: "maximum", Value: 65535}},
	"routes[].priority":             metric,
	"routes[].table":                metric,
	"routes[].scope":                {{Key: "minimum", Value: 0}, {Key: "maximum", Value: 255}},
}

// required are the keys that a struct is nothing without.
var required = map[string][]any{
	"Mapping": list("hostPort", "containerPort"), "Address": list("address"), "Route": list("dst"), "Range": list("subnet"),
}

var (
	vlan   = object{{Key: "minimum", Value: 1}, {Key: "maximum", Value: 4094}}
	metric = object{{Key: "minimum", Value: 0}, {Key: "maximum", Value: 4294967295}}
)

// formats by key: what the keys of all links mean alike.
var formats = map[string]string{
	"subnet": "cidr", "dst": "cidr", "gw": "ip", "gateway": "ip", "rangeStart": "ip", "rangeEnd": "ip", "hostIP": "ip",
	"address": "address", "mac": "mac", "bridge": "interface", "uplink": "interface",
	"dataDir": "path", "resolvConf": "path", "importFrom": "path", "file": "path",
}

// wellKnown are keys of the specification, which our structs do not explain again.
var wellKnown = map[string]string{
	"dst":        "The destination with its prefix length, \"0.0.0.0/0\" for all of IPv4.",
	"gw":         "The router; the gateway of the address if left out.",
	"mtu":        "The MTU of the route.",
	"advmss":     "The MSS that TCP tells its peers on this route.",
	"priority":   "The metric: lower wins.",
	"table":      "The routing table.",
	"scope":      "0 everywhere, 253 on the link, 254 on the host.",
	"mac":        "The MAC of the container's interface.",
	"ips":        "Addresses that the attachment is to get.",
	"rangeStart": "The first address to lease.",
	"rangeEnd":   "The last address to lease.",
	"gateway":    "The router, never leased. Default: the first address of the subnet.",
	"id":         "One VLAN.",
	"minID":      "The first VLAN of several.",
	"maxID":      "The last VLAN of several.",
	"ipv4":       "IPv4 is masqueraded.",
	"ipv6":       "IPv6 is masqueraded.",
}
