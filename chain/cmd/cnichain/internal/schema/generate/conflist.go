// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package generate

// conflistSchema is a conflist, as section 1 of the specification has it. Runtimes pass over keys that they do not
// know, and some have their own (nerdctl), so it is not closed.
func conflistSchema(c chooser) object {
	flag := func(text string) object {
		return object{{Key: "description", Value: text}, {Key: "type", Value: []any{"boolean", "string"}}, {Key: "default", Value: false}}
	}
	version := object{{Key: "type", Value: "string"}, {Key: "format", Value: "cni-version"}}
	plugin := object{
		{Key: "type", Value: "object"},
		{Key: "properties", Value: object{{Key: "type", Value: object{
			{Key: "description", Value: "The plugin: the name of a program in the runtime's plugin directory."},
			{Key: "anyOf", Value: []any{object{{Key: "enum", Value: c.names}}, object{{Key: "type", Value: "string"}}}},
		}}}},
		{Key: "required", Value: []any{"type"}},
		{Key: "allOf", Value: c.cases},
	}
	return object{
		{Key: "$schema", Value: dialect},
		{Key: "title", Value: "conflist"},
		{Key: "description", Value: "A network: the chain of CNI plugins that a container passes through."},
		{Key: "type", Value: "object"},
		{Key: "properties", Value: object{
			{Key: "$schema", Value: object{{Key: "description", Value: "This schema, for editors. Runtimes pass over it."}, {Key: "type", Value: "string"}}},
			{Key: "cniVersion", Value: append(object{{Key: "description", Value: "The version of CNI that runtime and plugins speak."}}, version...)},
			{Key: "cniVersions", Value: object{
				{Key: "description", Value: "Versions that the chain can do: the runtime takes the highest that it knows."},
				{Key: "type", Value: "array"}, {Key: "items", Value: version},
			}},
			{Key: "name", Value: object{
				{Key: "description", Value: "The network's name, of its own on the host: what plugins make carries it."},
				{Key: "type", Value: "string"}, {Key: "format", Value: "network"},
			}},
			{Key: "disableCheck", Value: flag("No CHECK: for plugins that fail it for no reason.")},
			{Key: "disableGC", Value: flag("No GC: for a network that another program cleans up.")},
			{Key: "loadOnlyInlinedPlugins", Value: flag("Pass over the files *.conf in the folder of the network's name.")},
			{Key: "plugins", Value: object{
				{Key: "description", Value: "The links, in the order of ADD; DEL goes backwards."},
				{Key: "type", Value: "array"}, {Key: "items", Value: plugin},
			}},
		}},
		{Key: "required", Value: []any{"cniVersion", "name"}},
	}
}

// ipamSchema is what stands under "ipam": the configuration of an IPAM plugin. An empty object is none.
func ipamSchema(c chooser) object {
	return object{
		{Key: "$schema", Value: dialect},
		{Key: "title", Value: "ipam"},
		{Key: "description", Value: "The IPAM plugin that finds the addresses, and its configuration."},
		{Key: "type", Value: "object"},
		{Key: "properties", Value: object{{Key: "type", Value: object{
			{Key: "description", Value: "The plugin: the name of a program in the runtime's plugin directory."},
			{Key: "anyOf", Value: []any{object{{Key: "enum", Value: c.names}}, object{{Key: "type", Value: "string"}}}},
		}}}},
		{Key: "allOf", Value: c.cases},
	}
}
