// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package account

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"
	"github.com/containernetworking/cni/pkg/types/create"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/run"
	"github.com/cni-chain/cni-chain/shared/netns"
)

// Change is one difference between the result that a link got and the one that it handed on.
type Change struct {
	// Sign is "+", "-" or "~".
	Sign string
	// Kind is interface, address, route or dns; What the object; Detail its fields, or what changed of them.
	Kind, What, Detail string
}

// Changes are what an ADD did to the result. An answer that is no result changes nothing.
func Changes(c *run.Call) []Change {
	before, after := Results(c)
	if after == nil {
		return nil
	}
	return compare(objects(before), objects(after))
}

// Results are the result that an ADD was given, which may be empty, and the one that it returned, nil when that is
// none.
func Results(c *run.Call) (before, after *current.Result) {
	var stdin struct {
		CNIVersion string          `json:"cniVersion"`
		PrevResult json.RawMessage `json:"prevResult"`
	}
	if json.Unmarshal(c.Stdin, &stdin) != nil || c.Error != nil {
		return &current.Result{}, nil
	}
	if before = Result(stdin.CNIVersion, stdin.PrevResult); before == nil {
		before = &current.Result{}
	}
	return before, Result(stdin.CNIVersion, c.Stdout)
}

// Result reads a result of any version; nil when it is none. cniVersion is that of the configuration, for a plugin that
// leaves it out.
func Result(cniVersion string, data json.RawMessage) *current.Result {
	if len(data) == 0 || string(data) == "null" {
		return nil
	}
	var own struct {
		CNIVersion string `json:"cniVersion"`
	}
	if json.Unmarshal(data, &own) != nil {
		return nil
	}
	if own.CNIVersion != "" {
		cniVersion = own.CNIVersion
	}
	parsed, err := create.Create(cniVersion, data)
	if err != nil {
		return nil
	}
	result, err := current.NewResultFromResult(parsed)
	if err != nil {
		return nil
	}
	return result
}

// object is one thing in a result, its fields as text.
type object struct {
	kind, name string
	fields     []field
}

type field struct{ name, value string }

func (o object) detail() string {
	var parts []string
	for _, f := range o.fields {
		if f.value != "" {
			parts = append(parts, strings.TrimSpace(f.name+" "+f.value))
		}
	}
	return strings.Join(parts, ", ")
}

// objects lists a result in the order of the contract.
func objects(r *current.Result) []object {
	var all []object
	for _, i := range r.Interfaces {
		if i == nil {
			continue
		}
		mtu := ""
		if i.Mtu > 0 {
			mtu = fmt.Sprint(i.Mtu)
		}
		all = append(all, object{"interface", i.Name + " " + Place(i.Sandbox), []field{{"mac", i.Mac}, {"mtu", mtu}}})
	}
	for _, ip := range r.IPs {
		if ip == nil {
			continue
		}
		gateway := ""
		if ip.Gateway != nil {
			gateway = ip.Gateway.String()
		}
		all = append(all, object{"address", ip.Address.String(), []field{{"on", holder(r, ip)}, {"gateway", gateway}}})
	}
	for _, route := range r.Routes {
		if route != nil {
			all = append(all, routeObject(route))
		}
	}
	return append(all, dnsObjects(r.DNS)...)
}

func routeObject(r *types.Route) object {
	o := object{kind: "route", name: r.Dst.String()}
	if r.GW != nil {
		o.name += " via " + r.GW.String()
	}
	if r.Table != nil {
		o.name += fmt.Sprintf(" table %d", *r.Table)
	}
	for _, f := range []struct {
		name  string
		value int
	}{{"mtu", r.MTU}, {"advmss", r.AdvMSS}, {"priority", r.Priority}} {
		if f.value != 0 {
			o.fields = append(o.fields, field{f.name, fmt.Sprint(f.value)})
		}
	}
	return o
}

func dnsObjects(dns types.DNS) []object {
	var all []object
	for _, list := range []struct {
		name   string
		values []string
	}{{"nameserver", dns.Nameservers}, {"domain", []string{dns.Domain}}, {"search", dns.Search}, {"option", dns.Options}} {
		for _, value := range list.values {
			if value != "" {
				all = append(all, object{"dns", list.name + " " + value, nil})
			}
		}
	}
	return all
}

// holder is the name of the interface that has the address.
func holder(r *current.Result, ip *current.IPConfig) string {
	if i := ip.Interface; i != nil && *i >= 0 && *i < len(r.Interfaces) && r.Interfaces[*i] != nil {
		return r.Interfaces[*i].Name
	}
	return ""
}

// Place says where an interface is: on the host, or in which namespace.
func Place(sandbox string) string {
	switch {
	case sandbox == "":
		return "on the host"
	case filepath.Dir(sandbox) == netns.Dir:
		return "in " + filepath.Base(sandbox)
	}
	return "in " + sandbox
}

// compare lists what is new or different in the order of after, then what is gone.
func compare(before, after []object) []Change {
	var changes []Change
	same := func(a object) func(object) bool {
		return func(b object) bool { return a.kind == b.kind && a.name == b.name }
	}
	for _, a := range after {
		i := slices.IndexFunc(before, same(a))
		if i < 0 {
			changes = append(changes, Change{"+", a.kind, a.name, a.detail()})
		} else if detail := difference(before[i], a); detail != "" {
			changes = append(changes, Change{"~", a.kind, a.name, detail})
		}
	}
	for _, b := range before {
		if !slices.ContainsFunc(after, same(b)) {
			changes = append(changes, Change{"-", b.kind, b.name, b.detail()})
		}
	}
	return changes
}

// difference are the fields that changed; both objects are of one kind.
func difference(before, after object) string {
	var parts []string
	for _, f := range after.fields {
		i := slices.IndexFunc(before.fields, func(b field) bool { return b.name == f.name })
		old := ""
		if i >= 0 {
			old = before.fields[i].value
		}
		if old != f.value {
			parts = append(parts, fmt.Sprintf("%s %s -> %s", f.name, orNone(old), orNone(f.value)))
		}
	}
	for _, b := range before.fields {
		if !slices.ContainsFunc(after.fields, func(f field) bool { return f.name == b.name }) {
			parts = append(parts, fmt.Sprintf("%s %s -> none", b.name, orNone(b.value)))
		}
	}
	return strings.Join(parts, ", ")
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}
