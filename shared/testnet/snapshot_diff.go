// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package testnet

import (
	"fmt"
	"slices"
	"strings"
)

// Change is an object that differs between two snapshots: Before is nil for one that is only in the second, After for
// one that is only in the first.
type Change struct{ Before, After *Object }

// Changes are the objects in which b differs from a, in the order of Objects. The sysctls of an interface that is in
// one of them only are left out.
func Changes(a, b *Snapshot) []Change {
	objects := a.Objects()
	for id, object := range b.objects {
		if _, both := a.objects[id]; !both {
			objects = append(objects, object)
		}
	}
	slices.SortFunc(objects, compareObjects)
	var changes []Change
	for _, object := range objects {
		before, inA := a.objects[object.id()]
		after, inB := b.objects[object.id()]
		switch {
		case !inB && goesWithLink(before, a.objects, b.objects), !inA && goesWithLink(after, b.objects, a.objects):
		case !inB:
			changes = append(changes, Change{Before: &before})
		case !inA:
			changes = append(changes, Change{After: &after})
		case len(changed(before, after)) > 0:
			changes = append(changes, Change{&before, &after})
		}
	}
	return changes
}

// Object is the object as it is, or as it was when it is no more.
func (c Change) Object() Object {
	if c.After != nil {
		return *c.After
	}
	return *c.Before
}

// Fields says what of an object that is in both has changed: "mtu 1500 -> 1400".
func (c Change) Fields() []string {
	if c.Before == nil || c.After == nil {
		return nil
	}
	return changed(*c.Before, *c.After)
}

// String is the change on one line, without its place.
func (c Change) String() string {
	switch {
	case c.After == nil:
		return "- " + c.Before.String()
	case c.Before == nil:
		return "+ " + c.After.String()
	}
	return fmt.Sprintf("~ %s %s: %s", c.After.Section, c.After.Key, strings.Join(c.Fields(), ", "))
}

// Diff says in what b differs from a, one line for each object under a heading for each place:
//
//	host:
//	  - link veth0: kind veth, mtu 1500      only in a
//	  + address eth0 192.0.2.1/24: scope global  only in b
//	  ~ link cni0: mtu 1500 -> 1400          in both
//
// It is "" when they are equal. The sysctls of an interface that is in one of them only are not listed.
func Diff(a, b *Snapshot) string {
	var text strings.Builder
	place := ""
	for _, c := range Changes(a, b) {
		if now := c.Object().Place; now != place {
			place = now
			fmt.Fprintf(&text, "%s:\n", place)
		}
		fmt.Fprintf(&text, "  %s\n", c)
	}
	return text.String()
}

// goesWithLink reports whether the object is a sysctl of an interface that is among the objects it is from, and not
// among the others.
func goesWithLink(object Object, from, others map[string]Object) bool {
	parts := strings.Split(object.Key, "/") // ipv4/conf/LINK/NAME
	if object.Section != Sysctls || len(parts) != 4 || parts[1] != "conf" {
		return false
	}
	link := Object{Place: object.Place, Section: Links, Key: parts[2]}.id()
	_, is := from[link]
	_, was := others[link]
	return is && !was
}

// changed lists the fields that differ.
func changed(before, after Object) []string {
	var changes []string
	for _, field := range before.Fields {
		now, ok := after.get(field.Name)
		switch {
		case !ok:
			changes = append(changes, fmt.Sprintf("%s %s -> none", field.Name, field.Value))
		case now != field.Value:
			changes = append(changes, fmt.Sprintf("%s %s -> %s", field.Name, field.Value, now))
		}
	}
	for _, field := range after.Fields {
		if _, ok := before.get(field.Name); !ok {
			changes = append(changes, fmt.Sprintf("%s none -> %s", field.Name, field.Value))
		}
	}
	if !slices.Equal(before.order, after.order) && samePieces(before.order, after.order) {
		changes = append(changes, "order of rules changed")
	}
	return changes
}

// samePieces reports whether two lists differ at most in order. When they differ in more, the pieces tell.
func samePieces(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// String is the object on one line, without its place, and without what is 0 of an interface, as most settings are.
func (o Object) String() string {
	var values []string
	for _, field := range o.Fields {
		if field.Value == "0" && o.Section == Links {
			continue
		}
		values = append(values, field.Name+" "+field.Value)
	}
	text := string(o.Section) + " " + o.Key
	if len(values) > 0 {
		text += ": " + strings.Join(values, ", ")
	}
	return text
}

// String is the whole snapshot, one line for each object.
func (s *Snapshot) String() string {
	var text strings.Builder
	for _, object := range s.Objects() {
		fmt.Fprintf(&text, "%s: %s\n", object.Place, object)
	}
	return text.String()
}
