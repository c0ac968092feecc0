// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package run

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/containernetworking/cni/libcni"
	"github.com/containernetworking/cni/pkg/invoke"
	"github.com/containernetworking/cni/pkg/types"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/source"
)

// Chain is a conflist that has been read, and where its parts stand in the file.
type Chain struct {
	File  string
	List  *libcni.NetworkConfigList
	Index source.Index
}

// Load reads a conflist as libcni does, with the plugins in the directory beside it that has the network's name
// (SPEC.md 1.1.0, section 1, loadOnlyInlinedPlugins). A syntax error says its line and column.
func Load(file string) (*Chain, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the conflist: %w", err)
	}
	c, err := Parse(file, data)
	if err != nil {
		return nil, err
	}
	if !c.List.LoadOnlyInlinedPlugins {
		plugins, err := libcni.NetworkPluginConfsFromFiles(filepath.Dir(file), c.List.Name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		c.List.Plugins = append(c.List.Plugins, plugins...)
	}
	if len(c.List.Plugins) == 0 {
		return nil, fmt.Errorf("%s: no plugins, neither in \"plugins\" nor as %s", file,
			filepath.Join(filepath.Dir(file), c.List.Name, "*.conf"))
	}
	return c, nil
}

// Parse reads a conflist that is complete in itself. The name is for messages.
func Parse(name string, data []byte) (*Chain, error) {
	index, err := source.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s:%w", name, err)
	}
	if _, ok := index.Find("plugins"); !ok {
		if _, ok := index.Find("type"); ok {
			return nil, fmt.Errorf("%s: a configuration of one plugin, not a conflist: put it into {\"cniVersion\": …, "+
				"\"name\": …, \"plugins\": [ … ]}", name)
		}
	}
	list, err := libcni.NetworkConfFromBytes(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &Chain{File: name, List: list, Index: index}, nil
}

// Declares are the capabilities that at least one link takes.
func (c *Chain) Declares() []string {
	var names []string
	for _, plugin := range c.List.Plugins {
		for name, on := range plugin.Network.Capabilities {
			if on && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// AsksGC says whether a gc asks the links themselves.
func (c *Chain) AsksGC() bool { return !c.List.DisableGC && atLeast(c.List.CNIVersion, "1.1.0") }

// GCNotes say why a gc does less than a person might expect.
func (c *Chain) GCNotes() []string {
	switch {
	case c.List.DisableGC:
		return []string{"disableGC is set in the conflist: no link is asked"}
	case !c.AsksGC():
		return []string{fmt.Sprintf("cniVersion %s has no GC: only attachments on record are deleted", c.List.CNIVersion)}
	}
	return nil
}

// Recorded are the attachments of the network that libcni has results of.
func Recorded(c *Chain, o Options) ([]types.GCAttachment, error) {
	cached, err := libcni.NewCNIConfigWithCacheDir(o.Path, o.CacheDir, nil).GetCachedAttachments("")
	if err != nil {
		return nil, fmt.Errorf("read the results in %s: %w", o.CacheDir, err)
	}
	var list []types.GCAttachment
	for _, a := range cached {
		if a.Network == c.List.Name {
			list = append(list, types.GCAttachment{ContainerID: a.ContainerID, IfName: a.IfName})
		}
	}
	return list, nil
}

// where is the place in the conflist that an error of a link is about: the key that its message names when the
// configuration is what is wrong, otherwise the link. Links of files of their own have none.
func (c *Chain) where(link int, e Error) (string, *source.Position) {
	prefix := fmt.Sprintf("plugins[%d]", link)
	if position, ok := c.Index.Find(prefix); !ok {
		return "", nil
	} else if !configuration(e.Code) {
		return prefix, &position
	}
	if entry, ok := c.Index.Named(prefix, e.Msg); ok {
		return entry.Path, &entry.Position
	}
	position, _ := c.Index.Find(prefix)
	return prefix, &position
}

// configuration says whether an error code blames the configuration (SPEC.md 1.1.0, section Error).
func configuration(code uint) bool { return code == 2 || code == 6 || code == 7 }

// MissingError names every plugin of a conflist that is nowhere to be found.
type MissingError struct {
	File    string
	Missing []string
	Path    []string
}

func (e *MissingError) Error() string {
	return fmt.Sprintf("%s names plugins that are not there:\n  %s\nlooked in:\n  %s\n"+
		"put them into one of these, or give their directory with --plugin-path or CNI_PATH",
		e.File, strings.Join(e.Missing, "\n  "), strings.Join(e.Path, "\n  "))
}

// FindPlugins looks for every plugin that the chain executes, the IPAM plugins too, and returns a *MissingError.
func (c *Chain) FindPlugins(path []string) error {
	var missing []string
	for i, plugin := range c.List.Plugins {
		at := fmt.Sprintf("plugins[%d]", i)
		missing = append(missing, c.find(plugin.Network.Type, at, path)...)
		// ip-config serves ip-pool in process.
		if ipam := plugin.Network.IPAM.Type; ipam != "" && (ipam != "ip-pool" || plugin.Network.Type != "ip-config") {
			missing = append(missing, c.find(ipam, at+".ipam", path)...)
		}
	}
	if len(missing) > 0 {
		return &MissingError{File: c.File, Missing: missing, Path: path}
	}
	return nil
}

func (c *Chain) find(plugin, at string, path []string) []string {
	if _, err := invoke.FindInPath(plugin, path); err == nil {
		return nil
	}
	if position, ok := c.Index.Find(at); ok {
		at += fmt.Sprintf(", line %d", position.Line)
	}
	return []string{fmt.Sprintf("%-14s (%s)", plugin, at)}
}

// PluginPath is where plugins are looked for when nobody says: in CNI_PATH when it is set, beside this program (and in
// "upstream" beside it, where make puts the reference plugins), and where runtimes keep theirs.
func PluginPath() []string {
	path := filepath.SplitList(os.Getenv("CNI_PATH"))
	if program, err := os.Executable(); err == nil {
		path = append(path, filepath.Dir(program))
		if upstream := filepath.Join(filepath.Dir(program), "upstream"); isDir(upstream) {
			path = append(path, upstream)
		}
	}
	path = append(path, "/opt/cni/bin")
	var once []string
	for _, dir := range path {
		if dir != "" && !slices.Contains(once, dir) {
			once = append(once, dir)
		}
	}
	return once
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// ReadCapabilities reads capability arguments (runtimeConfig) as a JSON object.
func ReadCapabilities(data []byte) (map[string]any, error) {
	if _, err := source.Parse(data); err != nil {
		return nil, err
	}
	var args map[string]any
	if err := json.Unmarshal(data, &args); err != nil || args == nil {
		return nil, errors.New("not a JSON object like {\"portMappings\": [{\"hostPort\": 8080, \"containerPort\": 80}]}")
	}
	if inner, ok := args["runtimeConfig"].(map[string]any); ok && len(args) == 1 {
		return inner, nil
	}
	return args, nil
}
