// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"encoding/json"
	"io"
	"net"
	"slices"

	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"
	"github.com/containernetworking/cni/pkg/version"
)

// readPrev parses prevResult in the configuration's version. On DEL and GC one that cannot be read is none: libcni's
// cache may be of another time (containernetworking/cni#1055).
func (r *Request[C]) readPrev(cniVersion string, raw json.RawMessage, strict bool) error {
	r.Result = &current.Result{CNIVersion: current.ImplementedSpecVersion}
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	prev, err := r.parsePrev(cniVersion, raw)
	if err != nil && strict {
		return err
	}
	if err != nil {
		r.Log.Warn("going on without prevResult", "err", err)
		return nil
	}
	r.Prev, r.Result = prev, copyResult(prev)
	return nil
}

// copyResult is a copy that shares nothing with the result.
func copyResult(r *current.Result) *current.Result {
	c := &current.Result{CNIVersion: r.CNIVersion, DNS: *r.DNS.Copy()}
	for _, i := range r.Interfaces {
		c.Interfaces = append(c.Interfaces, i.Copy())
	}
	for _, ip := range r.IPs {
		ip := ip.Copy()
		ip.Address, ip.Gateway = copyNet(ip.Address), slices.Clone(ip.Gateway)
		c.IPs = append(c.IPs, ip)
	}
	for _, route := range r.Routes {
		route := route.Copy()
		route.Dst, route.GW = copyNet(route.Dst), slices.Clone(route.GW)
		c.Routes = append(c.Routes, route)
	}
	return c
}

func copyNet(n net.IPNet) net.IPNet {
	return net.IPNet{IP: slices.Clone(n.IP), Mask: slices.Clone(n.Mask)}
}

func (r *Request[C]) parsePrev(cniVersion string, raw json.RawMessage) (*current.Result, error) {
	if prev, ok := (&scan{data: raw}).result(); ok && prev.CNIVersion == cniVersion {
		prev.CNIVersion = current.ImplementedSpecVersion
		return prev, checkResult(prev)
	}
	r.carry = raw
	var own struct {
		CNIVersion string `json:"cniVersion"`
	}
	if err := json.Unmarshal(raw, &own); err != nil {
		return nil, Errorf(CodeDecoding, "prevResult: %w", err)
	}
	if own.CNIVersion != "" && !slices.Contains(versions, own.CNIVersion) {
		return nil, Errorf(CodeVersion, "prevResult is of cniVersion %q, which is not supported", own.CNIVersion)
	}
	if own.CNIVersion != cniVersion {
		// The type of the result goes by the configuration; the document may say another, or nothing before 1.0.0.
		var err error
		if raw, err = stamp(raw, cniVersion); err != nil {
			return nil, err
		}
	}
	parsed, err := version.NewResult(cniVersion, raw)
	if err != nil {
		return nil, Errorf(CodeDecoding, "prevResult: %w", err)
	}
	result, err := current.NewResultFromResult(parsed)
	if err != nil {
		return nil, Errorf(CodeDecoding, "prevResult: %w", err)
	}
	return result, checkResult(result)
}

// stamp writes the version into a result.
func stamp(raw json.RawMessage, cniVersion string) ([]byte, error) {
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, Errorf(CodeDecoding, "prevResult: %w", err)
	}
	doc["cniVersion"], _ = json.Marshal(cniVersion) // a string always can
	return json.Marshal(doc)
}

// maxList is how many entries each list of a prevResult may have. A container has a few; a link may do something for
// each of them, a system call on DEL at that, and has to end.
const maxList = 10_000

// checkResult refuses what would make every link check for nil, or take minutes.
func checkResult(r *current.Result) error {
	if most := max(len(r.Interfaces), len(r.IPs), len(r.Routes)); most > maxList {
		return Errorf(CodeConfig, "prevResult: a list of %d interfaces, ips or routes; %d of each are supported", most, maxList)
	}
	if slices.Contains(r.Interfaces, nil) || slices.Contains(r.IPs, nil) || slices.Contains(r.Routes, nil) {
		return Errorf(CodeDecoding, "prevResult: a null in interfaces, ips or routes")
	}
	return checkIndexes(r)
}

// checkIndexes holds ips[].interface to the interfaces there are.
func checkIndexes(r *current.Result) error {
	for i, ip := range r.IPs {
		if ip.Interface != nil && (*ip.Interface < 0 || *ip.Interface >= len(r.Interfaces)) {
			return Errorf(CodeConfig, "the result's ips[%d].interface is %d, but interfaces has %d", i, *ip.Interface, len(r.Interfaces))
		}
	}
	return nil
}

// writeResult prints a result. Fields of prevResult that the library's types do not have stay where they were; prev is
// nil where there are none.
func writeResult(w io.Writer, result types.Result, prev json.RawMessage) error {
	if r, ok := result.(*current.Result); ok && prev == nil {
		p := printer{buf: make([]byte, 0, usualOutput)}
		if p.result(r); !p.odd {
			return writeAnswer(w, p.buf)
		}
	}
	data, err := json.Marshal(result)
	if err != nil {
		return Errorf(CodeInternal, "encode the result: %w", err)
	}
	var doc map[string]any
	if err := json.Unmarshal(data, &doc); err != nil {
		return Errorf(CodeInternal, "encode the result: %w", err)
	}
	var before map[string]any
	if json.Unmarshal(prev, &before) == nil {
		carry(doc, before, "")
	}
	return writeJSON(w, doc)
}

// resultFields are the known ones per object of a result, in any version of the specification: what a link has removed
// stays removed, and what a conversion to an older version drops stays dropped.
var resultFields = map[string][]string{
	"":           {"cniVersion", "interfaces", "ips", "routes", "dns", "ip4", "ip6"},
	"interfaces": {"name", "mac", "mtu", "sandbox", "socketPath", "pciID"},
	"ips":        {"version", "address", "gateway", "interface"},
	"routes":     {"dst", "gw", "mtu", "advmss", "priority", "table", "scope"},
	"dns":        {"nameservers", "domain", "search", "options"},
}

// identity says which fields tell that two entries of a list are the same object.
var identity = map[string][]string{
	"interfaces": {"name", "sandbox"},
	"ips":        {"address"},
	"routes":     {"dst", "gw", "table"},
}

// carry copies the unknown fields of before into doc, object by object.
func carry(doc, before map[string]any, kind string) {
	for key, old := range before {
		if !slices.Contains(resultFields[kind], key) {
			if _, taken := doc[key]; !taken {
				doc[key] = old
			}
			continue
		}
		switch now := doc[key].(type) {
		case map[string]any:
			if old, ok := old.(map[string]any); ok {
				carry(now, old, key)
			}
		case []any:
			if old, ok := old.([]any); ok {
				carryList(now, old, key)
			}
		}
	}
}

func carryList(now, before []any, kind string) {
	objects := make(map[[3]any]map[string]any, len(before)) // each is looked up once, however many there are
	for _, b := range before {
		b, _ := b.(map[string]any)
		if id, ok := identify(b, kind); ok && objects[id] == nil {
			objects[id] = b
		}
	}
	for _, n := range now {
		n, _ := n.(map[string]any)
		if id, ok := identify(n, kind); ok {
			carry(n, objects[id], kind)
		}
	}
}

// identify gives the values of the identifying fields; ok is false where they cannot be told from another object's.
func identify(object map[string]any, kind string) (id [3]any, ok bool) {
	for i, key := range identity[kind] {
		switch value := object[key].(type) {
		case map[string]any, []any:
			return id, false
		default:
			id[i] = value
		}
	}
	return id, object != nil && len(identity[kind]) > 0
}
