// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Package migrate turns a conflist with upstream's bridge, host-local and portmap into one with the links of this
// repository that does the same, and says what it could not carry over. It reads and writes text only: what is running
// is left alone.
package migrate

import (
	"errors"
	"fmt"
	"strings"

	"github.com/containernetworking/cni/pkg/version"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/jsontext"
	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/schema"
	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/source"
)

type object = jsontext.Object

// Remark is a line of the report: where in the original, and what became of it.
type Remark struct {
	Path string
	// Lost says that the new conflist lacks something that the old one did.
	Lost bool
	Text string
}

// String is the remark as a line of text.
func (r Remark) String() string {
	kind := "changed"
	if r.Lost {
		kind = "not carried over"
	}
	return fmt.Sprintf("%s: %s: %s", r.Path, kind, r.Text)
}

// Result is a new conflist and the report on it.
type Result struct {
	Conflist []byte
	Remarks  []Remark
	// Changed is false when there was nothing to migrate.
	Changed bool
}

// layout is how the conflists of this repository are written: a plugin's keys one below the other, what is in them on
// one line where it fits.
const (
	layoutWidth = 100
	layoutOpen  = 2
)

// migration is one conflist on its way.
type migration struct {
	schemas *schema.Set
	remarks []Remark
	changed bool
}

func (m *migration) changes(path, format string, args ...any) {
	m.remarks = append(m.remarks, Remark{Path: path, Text: fmt.Sprintf(format, args...)})
}

func (m *migration) loses(path, format string, args ...any) {
	m.remarks = append(m.remarks, Remark{Path: path, Lost: true, Text: fmt.Sprintf(format, args...)})
}

// Conflist migrates a conflist, or a single plugin, which becomes one.
func Conflist(doc *source.Document, set *schema.Set) (*Result, error) {
	m := &migration{schemas: set}
	root, ok := jsontext.Of(doc.Root).(object)
	if !ok {
		return nil, fmt.Errorf("%s: a conflist is an object, this is %s", doc.Name, doc.Root.Kind)
	}
	root, err := m.list(root)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doc.Name, err)
	}
	plugins, _ := root.Get("plugins").([]any) // list has made sure
	var links []any
	for i, p := range plugins {
		plugin, ok := p.(object)
		if !ok {
			return nil, fmt.Errorf("%s: plugins[%d] is no object", doc.Name, i)
		}
		for _, link := range m.plugin(fmt.Sprintf("plugins[%d]", i), plugin) {
			links = append(links, link)
		}
	}
	root.Set("plugins", links)
	m.version(&root)
	text, err := jsontext.Format(root, layoutWidth, layoutOpen)
	return &Result{Conflist: text, Remarks: m.remarks, Changed: m.changed}, err
}

// list makes a list of a single plugin.
func (m *migration) list(root object) (object, error) {
	switch plugins := root.Get("plugins"); {
	case plugins != nil:
		if _, ok := plugins.([]any); !ok {
			return nil, errors.New(`"plugins" is no list`)
		}
		return root, nil
	case root.Get("type") == nil:
		return nil, errors.New(`neither "plugins" nor "type": this is no CNI configuration`)
	}
	list, plugin := object{}, object{}
	for _, member := range root {
		if strings.EqualFold(member.Key, "cniVersion") || strings.EqualFold(member.Key, "name") {
			list = append(list, member)
		} else {
			plugin = append(plugin, member)
		}
	}
	m.changed = true
	m.changes("type", "a single plugin becomes a conflist")
	return append(list, jsontext.Member{Key: "plugins", Value: []any{plugin}}), nil
}

// version raises a version that has no chains.
func (m *migration) version(root *object) {
	const least = "0.3.1"
	given, _ := root.Get("cniVersion").(string)
	if enough, err := version.GreaterThanOrEqualTo(given, "0.3.0"); err == nil && enough || !m.changed {
		return
	}
	m.changes("cniVersion", "%q has no chains: now %q", given, least)
	if root.Get("cniVersion") == nil {
		*root = append(object{{Key: "cniVersion", Value: least}}, *root...)
	}
	root.Set("cniVersion", least)
}

// plugin is what a plugin becomes: one or two links of ours, or itself.
func (m *migration) plugin(path string, plugin object) []object {
	switch kind, _ := plugin.Get("type").(string); kind {
	case "bridge":
		m.changed = true
		return m.bridge(path, plugin)
	case "portmap":
		m.changed = true
		return []object{m.portmap(path, plugin)}
	}
	if ipam, ok := plugin.Get("ipam").(object); ok && ipam.Get("type") == "host-local" {
		m.changed = true
		plugin.Set("ipam", m.hostLocal(path+".ipam", ipam))
	}
	return []object{plugin}
}

// sorter deals the keys of an upstream plugin out to ours.
type sorter struct {
	m    *migration
	path string
	from *schema.Schema // of the upstream plugin
}

// key is the name of a key as its plugin's schema has it, and false for one that the plugin does not read. Keys of
// nobody, comments and extensions, are known to be that.
func (s *sorter) key(written string) (name string, known bool) {
	if strings.HasPrefix(written, "_") || strings.Contains(written, "/") {
		return written, true
	}
	name, property := s.from.Property(written)
	if property == nil {
		s.m.loses(s.path+"."+written, "the plugin never read this key, and a link of ours would refuse it")
		return "", false
	}
	if name != written {
		s.m.changes(s.path+"."+written, "written %q", name)
	}
	return name, true
}
