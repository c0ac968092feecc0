// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package testnet

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Section is one kind of thing that a snapshot holds.
type Section string

// The sections of a snapshot. Those of the host alone are Files, Mounts and Namespaces.
const (
	Links      Section = "link"      // interfaces with their bridge and bridge port settings
	Addresses  Section = "address"   // IPv4 and IPv6, with flags and scope
	Routes     Section = "route"     // of all tables
	Rules      Section = "rule"      // policy routing
	Neighbours Section = "neighbour" // permanent and proxied ones
	FDB        Section = "fdb"       // static entries of bridges, and bridge VLANs
	TC         Section = "tc"        // queueing disciplines, classes and filters
	NFT        Section = "nft"       // nftables, which has the rules of iptables-nft too
	IPTables   Section = "iptables"  // the tables of iptables-legacy
	Sysctls    Section = "sysctl"    // net/ipv4, net/ipv6 and net/bridge
	Conntrack  Section = "conntrack" // only when asked for: entries come and go
	Namespaces Section = "namespace" // names in /run/netns
	Mounts     Section = "mount"     // of this process
	Files      Section = "file"      // /run, /etc/netns, /var/lib/cni and the roots given
)

// Object is one thing in a snapshot.
type Object struct {
	// Place is the name of the namespace that the thing is in: "host", or an NS' name.
	Place   string
	Section Section
	// Key says which thing it is, with all that makes it this one and not another.
	Key string
	// Fields are what about it can change.
	Fields []Field
	// order is what it holds in sequence: a chain its rules. Those are objects themselves.
	order []string
}

// Field is one value of an object.
type Field struct{ Name, Value string }

// Scope says what to take a snapshot of. The zero Scope is the host, without what changes by itself.
type Scope struct {
	// Namespaces are looked at besides the host. They may have lost their names, but not been closed.
	Namespaces []*NS
	// Roots are further directories to look at: the root directories of containers.
	Roots []string
	// Trees are looked at in place of /run, /etc/netns and /var/lib/cni. A tool needs them on a machine that is not a
	// test's: there /run has the root directories of all containers.
	Trees []string
	// Sections are the only ones to take; none means all but Conntrack.
	Sections []Section
	// Volatile adds what the kernel changes by itself, some time after its cause: interface and bridge port states,
	// routes and addresses it gives links, default qdiscs, learned neighbours, counters of iptables-legacy; and the files
	// that a plugin may leave: locks, and empty directories of ours.
	Volatile bool
}

// Snapshot is what the host and some namespaces look like at one time, without numbers that differ for equal things:
// interface indexes, handles.
type Snapshot struct {
	objects map[string]Object
}

// Snap takes a snapshot of the scope.
func Snap(scope Scope) (*Snapshot, error) {
	host, err := Host()
	if err != nil {
		return nil, err
	}
	defer func() { _ = host.Close() }()
	snapshot := &Snapshot{objects: map[string]Object{}}
	for i, ns := range append([]*NS{host}, scope.Namespaces...) {
		c := &collector{scope: scope, place: ns.Name, isHost: i == 0, into: snapshot}
		if err := ns.Do(c.collect); err != nil {
			return nil, fmt.Errorf("take snapshot of %s: %w", ns.Name, err)
		}
	}
	return snapshot, nil
}

// Take takes a snapshot of the host and the namespaces, without Conntrack and what is volatile.
func Take(t T, namespaces ...*NS) *Snapshot {
	t.Helper()
	return TakeScope(t, Scope{Namespaces: namespaces})
}

// TakeScope takes a snapshot of the scope.
func TakeScope(t T, scope Scope) *Snapshot {
	t.Helper()
	Need(t)
	snapshot, err := Snap(scope)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return snapshot
}

// Objects lists what is in the snapshot, sorted by place, section and key.
func (s *Snapshot) Objects() []Object {
	list := make([]Object, 0, len(s.objects))
	for _, object := range s.objects {
		list = append(list, object)
	}
	slices.SortFunc(list, compareObjects)
	return list
}

func compareObjects(a, b Object) int {
	return strings.Compare(a.id(), b.id())
}

// Keep is the part of the snapshot for which keep is true.
func (s *Snapshot) Keep(keep func(Object) bool) *Snapshot {
	part := &Snapshot{objects: map[string]Object{}}
	for id, object := range s.objects {
		if keep(object) {
			part.objects[id] = object
		}
	}
	return part
}

// Only is the part of the snapshot in the sections.
func (s *Snapshot) Only(sections ...Section) *Snapshot {
	return s.Keep(func(o Object) bool { return slices.Contains(sections, o.Section) })
}

// Without is the part of the snapshot not in the sections.
func (s *Snapshot) Without(sections ...Section) *Snapshot {
	return s.Keep(func(o Object) bool { return !slices.Contains(sections, o.Section) })
}

// Get is the value of a field of an object; ok is false when the snapshot does not have it.
func (s *Snapshot) Get(place string, section Section, key, field string) (value string, ok bool) {
	object, ok := s.objects[Object{Place: place, Section: section, Key: key}.id()]
	if !ok {
		return "", false
	}
	return object.get(field)
}

// id tells objects apart. The host sorts before the namespaces.
func (o Object) id() string {
	rank := "2"
	if o.Place == "host" {
		rank = "1"
	}
	return strings.Join([]string{rank, o.Place, string(o.Section), o.Key}, "\x00")
}

func (o Object) get(field string) (value string, ok bool) {
	for _, f := range o.Fields {
		if f.Name == field {
			return f.Value, true
		}
	}
	return "", false
}

// collector fills a snapshot with what one namespace holds. It works on a thread that is in the namespace.
type collector struct {
	scope  Scope
	place  string
	isHost bool
	into   *Snapshot

	// links are the names of the interfaces, by their index.
	links            map[uint32]string
	route, netfilter socket
}

// collect looks at everything in the scope.
func (c *collector) collect() error {
	defer c.route.close()
	defer c.netfilter.close()
	parts := []struct {
		section Section
		onHost  bool
		collect func() error
	}{
		{Links, false, c.collectLinks}, // first, as others need the names
		{Addresses, false, c.collectAddresses},
		{Routes, false, c.collectRoutes},
		{Rules, false, c.collectRules},
		{Neighbours, false, c.collectNeighbours},
		{FDB, false, c.collectFDB},
		{TC, false, c.collectTC},
		{NFT, false, c.collectNFT},
		{IPTables, false, c.collectIPTables},
		{Sysctls, false, c.collectSysctls},
		{Conntrack, false, c.collectConntrack},
		{Namespaces, true, c.collectNamespaces},
		{Mounts, true, c.collectMounts},
		{Files, true, c.collectFiles},
	}
	for _, part := range parts {
		if part.section != Links && !c.wants(part.section) || part.onHost && !c.isHost {
			continue
		}
		if err := part.collect(); err != nil {
			return fmt.Errorf("%s: %w", part.section, err)
		}
	}
	return nil
}

// wants reports whether the section is in the scope.
func (c *collector) wants(section Section) bool {
	if len(c.scope.Sections) == 0 {
		return section != Conntrack
	}
	return slices.Contains(c.scope.Sections, section)
}

// add puts an object into the snapshot, numbered when an equal one is there.
func (c *collector) add(object Object) {
	if !c.wants(object.Section) {
		return
	}
	object.Place = c.place
	key := object.Key
	for n := 2; ; n++ {
		if _, taken := c.into.objects[object.id()]; !taken {
			break
		}
		object.Key = fmt.Sprintf("%s (%d)", key, n)
	}
	c.into.objects[object.id()] = object
}

// fields pairs names and values, leaving empty values out.
func fields(pairs ...string) []Field {
	var list []Field
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			list = append(list, Field{pairs[i], pairs[i+1]})
		}
	}
	return list
}

// isUnder reports whether path is dir or beneath it.
func isUnder(path, dir string) bool {
	rest, err := filepath.Rel(dir, path)
	return err == nil && rest != ".." && !strings.HasPrefix(rest, "../")
}
