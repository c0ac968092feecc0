// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/containernetworking/cni/pkg/version"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/schema"
	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/source"
)

// extensions are those of files that libcni reads out of a directory.
var extensions = []string{".conf", ".conflist", ".json"}

// File is a conflist, or a file that should be one.
type File struct {
	Name string
	Data []byte
	// Doc is nil when the file is no JSON; Syntax says why.
	Doc    *source.Document
	Syntax *source.SyntaxError
	// Beside are files with one plugin each that belong to the chain, from the folder of the network's name.
	Beside []*source.Document
	// Links are the plugins in their order.
	Links []*Link
	// Chosen are the names of files beside this one that a runtime passes over, because of their extension.
	passedOver []string
}

// Link is a plugin of a chain.
type Link struct {
	Doc  *source.Document
	Node *source.Node
	Type string
	// Schema and Facts are nil for a plugin that nobody has described.
	Schema *schema.Schema
	Facts  *schema.Link
	// IPAM is what stands under "ipam" unless it is empty; the rest is about its plugin.
	IPAM       *source.Node
	IPAMType   string
	IPAMSchema *schema.Schema
}

// Load reads a file, and those with single plugins that belong to it.
func Load(name string) (*File, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read the conflist: %w", err)
	}
	f := Parse(name, data)
	if f.Doc == nil || truthy(f.Doc.Root.Get("loadOnlyInlinedPlugins")) {
		return f, nil
	}
	network := f.Doc.Root.Str("name")
	if network == "" || filepath.Base(network) != network {
		return f, nil
	}
	beside, err := filepath.Glob(filepath.Join(filepath.Dir(name), network, "*.conf"))
	if err != nil {
		return nil, err
	}
	for _, file := range beside {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read a plugin of the network %s: %w", network, err)
		}
		doc, err := source.Read(file, data)
		if syntax := (*source.SyntaxError)(nil); errors.As(err, &syntax) {
			f.Doc, f.Name, f.Data, f.Syntax = nil, file, data, syntax
			return f, nil
		}
		f.Beside = append(f.Beside, doc)
	}
	return f, nil
}

// Parse is Load for a text at hand.
func Parse(name string, data []byte) *File {
	f := &File{Name: name, Data: data}
	var err error
	if f.Doc, err = source.Read(name, data); err != nil {
		errors.As(err, &f.Syntax)
	}
	return f
}

// LoadDir reads what a runtime would find in a directory, in the order in which it looks.
func LoadDir(dir string) ([]*File, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read the directory: %w", err)
	}
	var files []*File
	var passedOver []string
	for _, entry := range entries {
		switch {
		case entry.IsDir():
		case slices.Contains(extensions, filepath.Ext(entry.Name())):
			f, err := Load(filepath.Join(dir, entry.Name()))
			if err != nil {
				return nil, err
			}
			files = append(files, f)
		case strings.Contains(entry.Name(), ".conf"):
			passedOver = append(passedOver, entry.Name())
		}
	}
	if len(files) > 0 {
		files[0].passedOver = passedOver
	}
	return files, nil
}

// understand finds the links and what is known of each.
func (f *File) understand(set *schema.Set) {
	if f.Doc == nil || f.Links != nil {
		return
	}
	root := f.Doc.Root
	if plugins := root.Get("plugins"); plugins != nil && plugins.Kind == source.List {
		for _, n := range plugins.Nodes {
			f.add(f.Doc, n, set)
		}
	} else if root.Str("type") != "" {
		f.add(f.Doc, root, set)
	}
	for _, doc := range f.Beside {
		f.add(doc, doc.Root, set)
	}
}

func (f *File) add(doc *source.Document, n *source.Node, set *schema.Set) {
	l := &Link{Doc: doc, Node: n, Type: n.Str("type")}
	if l.Schema = set.Plugin(l.Type); l.Schema != nil {
		l.Facts = l.Schema.Link
	}
	if ipam := n.Get("ipam"); ipam != nil && ipam.Kind == source.Object && len(ipam.Nodes) > 0 {
		l.IPAM, l.IPAMType = ipam, ipam.Str("type")
		if s := set.Plugin(l.IPAMType); s != nil && s.Link.IPAM {
			l.IPAMSchema = s
		}
	}
	f.Links = append(f.Links, l)
}

// ours says whether a link is one of this repository, which refuses what it does not know.
func (l *Link) ours() bool { return l.Facts != nil && l.Facts.Version == "" }

// set says whether a key of the link is there and says anything: not null, false, 0, "" or empty.
func (l *Link) set(key string) bool {
	if capability, ok := strings.CutPrefix(key, "capabilities."); ok {
		return l.declares(capability)
	}
	return truthy(l.Node.Get(key))
}

func truthy(n *source.Node) bool {
	if n == nil {
		return false
	}
	switch n.Kind {
	case source.Object, source.List:
		return len(n.Nodes) > 0
	case source.Null:
		return false
	}
	return n.Text != "" && n.Text != "false" && n.Text != "0"
}

// declares says whether the runtime is to pass a capability to this link.
func (l *Link) declares(capability string) bool { return l.Node.Get("capabilities").True(capability) }

// understands lists the capabilities that the link and its IPAM plugin take; all is true when nobody knows.
func (l *Link) understands() (capabilities []string, all bool) {
	if l.Facts == nil || l.IPAMType != "" && l.IPAMSchema == nil {
		return nil, true
	}
	capabilities = slices.Clone(l.Facts.Capabilities)
	if l.IPAMSchema != nil {
		for _, c := range l.IPAMSchema.Link.Capabilities {
			if !slices.Contains(capabilities, c) {
				capabilities = append(capabilities, c)
			}
		}
	}
	return capabilities, false
}

// version is the CNI version that a runtime of today takes: the highest of "cniVersions", or "cniVersion".
func (f *File) version() (string, *source.Node) {
	root := f.Doc.Root
	best, at := root.Str("cniVersion"), root.Get("cniVersion")
	if list := root.Get("cniVersions"); list != nil && list.Kind == source.List {
		for _, n := range list.Nodes {
			if higher, err := version.GreaterThan(n.Text, best); err == nil && higher {
				best, at = n.Text, n
			}
		}
	}
	return best, at
}

// name is the network's.
func (f *File) name() string {
	if f.Doc == nil {
		return ""
	}
	return f.Doc.Root.Str("name")
}

// lineOf is a line of a text, by its number from 1.
func lineOf(data []byte, number int) string {
	lines := bytes.Split(data, []byte{'\n'})
	if number > len(lines) {
		return ""
	}
	return string(bytes.TrimSuffix(lines[number-1], []byte{'\r'}))
}
