// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/containernetworking/cni/pkg/types"
)

// maxInput bounds what is read from stdin: 65,535 port mappings with their prevResult fit several times.
const maxInput = 32 << 20

// usualInput and usualOutput are bytes for most configurations and results. A buffer that grows has, at each of its
// sizes, two pages that the process has not had before.
const usualInput, usualOutput = 4 << 10, 2 << 10

// CmdArgs are the arguments of a call as the runtime gave them: the fields of skel.CmdArgs, which is not used because
// its package costs a process 0.07 ms and 0.25 MB (regexp above all).
type CmdArgs struct {
	ContainerID, Netns, IfName string
	// Args is CNI_ARGS, Path is CNI_PATH.
	Args, Path string
	// NetnsOverride is CNI_NETNS_OVERRIDE: "1" or "true" allows the plugin's own namespace.
	NetnsOverride string
	StdinData     []byte
}

// call is one invocation: the verb, its arguments as the runtime gave them, and where the answer goes.
type call struct {
	command string
	args    CmdArgs
	head    header
	trace   string // TRACEPARENT, for the log
	logging string // CNI_CHAIN_LOG
	log     io.Writer
	deliver func(types.Result) error
	stdout  io.Writer
	// ownProcess: the process is the plugin's, and so are its signals.
	ownProcess bool
}

// header is what the frame itself reads of a configuration, whatever the link.
type header struct {
	CNIVersion string          `json:"cniVersion"`
	Name       string          `json:"name"`
	Type       string          `json:"type"`
	PrevResult json.RawMessage `json:"prevResult"`
	Log        LogConfig       `json:"log"`
	// Valid is absent, null or a list: only an absent one means that there is nothing to do (spec, section GC).
	Valid json.RawMessage `json:"cni.dev/valid-attachments"`
	// Attachments is the name that libcni used first (containernetworking/cni#1101).
	Attachments json.RawMessage `json:"cni.dev/attachments"`
}

// version is the cniVersion to answer in.
func (c *call) version() string {
	if c == nil || c.head.CNIVersion == "" {
		return latestVersion
	}
	return c.head.CNIVersion
}

// readCall takes the call from environment and stdin. The call is never nil: an error is answered in its version.
func readCall(cmd string, proc Process) (*call, error) {
	c := &call{
		command: cmd,
		args: CmdArgs{
			ContainerID:   proc.Env("CNI_CONTAINERID"),
			Netns:         proc.Env("CNI_NETNS"),
			IfName:        proc.Env("CNI_IFNAME"),
			Args:          proc.Env("CNI_ARGS"),
			Path:          proc.Env("CNI_PATH"),
			NetnsOverride: proc.Env("CNI_NETNS_OVERRIDE"),
		},
		trace:   proc.Env("TRACEPARENT"),
		logging: proc.Env("CNI_CHAIN_LOG"),
		log:     proc.Stderr,
		stdout:  proc.Stdout,
	}
	if !known(cmd) {
		return c, Errorf(CodeEnvironment, "CNI_COMMAND is %q; it is one of %s", cmd, strings.Join(commands, ", "))
	}
	stdin := bytes.NewBuffer(make([]byte, 0, usualInput))
	if _, err := stdin.ReadFrom(io.LimitReader(proc.Stdin, maxInput+1)); err != nil {
		return c, Errorf(CodeIO, "read the configuration from stdin: %w", err)
	}
	c.args.StdinData = stdin.Bytes()
	return c, nil
}

var commands = []string{"ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION"}

func known(cmd string) bool { return slices.Contains(commands, cmd) }

// readHeader decodes what the frame needs of the configuration.
func (c *call) readHeader() error {
	data := c.args.StdinData
	switch {
	case len(bytes.TrimSpace(data)) == 0:
		return Errorf(CodeDecoding, "the configuration on stdin is empty; a runtime writes the plugin's object of the conflist there")
	case len(data) > maxInput:
		return Errorf(CodeDecoding, "the configuration on stdin is larger than %d MiB", maxInput>>20)
	}
	if err := c.head.decode(data); err != nil {
		return decodingError(data, err)
	}
	return nil
}

// decode fills the header, with an error as far as encoding/json does.
func (h *header) decode(data []byte) error {
	if valid(data) && h.read(data) {
		return nil
	}
	*h = header{} // what was read is a part of data, where encoding/json would write
	return json.Unmarshal(data, h)
}

// read fills the header from a valid document as encoding/json would, but that it gives up, with false, on a value that
// is of another type: that is for encoding/json to refuse, or to take for none.
func (h *header) read(data []byte) bool {
	s := scan{data: data}
	return s.object(func(key string) bool {
		switch {
		case strings.EqualFold(key, "cniVersion"):
			return s.string(&h.CNIVersion)
		case strings.EqualFold(key, "name"):
			return s.string(&h.Name)
		case strings.EqualFold(key, "type"):
			return s.string(&h.Type)
		case strings.EqualFold(key, "prevResult"):
			h.PrevResult = s.raw()
		case strings.EqualFold(key, "log"):
			return json.Unmarshal(s.raw(), &h.Log) == nil
		case strings.EqualFold(key, "cni.dev/valid-attachments"):
			h.Valid = s.raw()
		case strings.EqualFold(key, "cni.dev/attachments"):
			h.Attachments = s.raw()
		default:
			s.raw()
		}
		return true
	})
}

// checkEnvironment holds the variables to what the verb needs (spec, section 2) and names all that is wrong at once.
func (c *call) checkEnvironment() error {
	if c.command == "GC" || c.command == "STATUS" {
		return nil
	}
	var missing []string
	for _, v := range []struct{ name, value string }{
		{"CNI_CONTAINERID", c.args.ContainerID}, {"CNI_IFNAME", c.args.IfName}, {"CNI_NETNS", c.args.Netns},
	} {
		if v.value == "" && (v.name != "CNI_NETNS" || c.command != "DEL") {
			missing = append(missing, v.name)
		}
	}
	if len(missing) > 0 {
		return Errorf(CodeEnvironment, "%s needs %s in the environment", c.command, strings.Join(missing, ", "))
	}
	var errs []error
	if !validName(c.args.ContainerID) {
		errs = append(errs, Errorf(CodeEnvironment, "CNI_CONTAINERID %q: letters, digits, '_', '.' and '-' only, "+
			"the first a letter or digit", c.args.ContainerID))
	}
	if !ValidIfName(c.args.IfName) {
		errs = append(errs, Errorf(CodeEnvironment, "CNI_IFNAME %q is no interface name: at most 15 bytes, no '/', ':', "+
			"white space or control characters, not '.' or '..'", c.args.IfName))
	}
	return errors.Join(errs...)
}

// checkNetwork holds the configuration's name to the specification: it becomes part of paths, tags and rules.
func (c *call) checkNetwork() error {
	if !validName(c.head.Name) {
		return Invalid("name", c.head.Name, "the network needs a name of letters, digits, '_', '.' and '-', "+
			"the first a letter or digit")
	}
	return nil
}

// validName is the alphabet of network names and container IDs (SPEC.md, sections 1 and 2).
func validName(s string) bool {
	for i, r := range []byte(s) {
		alphanumeric := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !alphanumeric && (i == 0 || r != '_' && r != '.' && r != '-') {
			return false
		}
	}
	return s != ""
}

// ValidIfName says whether an interface can have the name: what the kernel allows (dev_valid_name in net/core/dev.c,
// IFNAMSIZ in linux/if.h) and the specification with it, but for control characters and what is not UTF-8. The name
// ends in lines of logs and of journals, in rules, in names of files and on terminals, where these act instead of being
// read, and JSON, which the result is, cannot hold the latter.
func ValidIfName(s string) bool {
	ok := s != "" && len(s) <= 15 && s != "." && s != ".." && utf8.ValidString(s)
	return ok && !strings.ContainsFunc(s, func(r rune) bool {
		return r == '/' || r == ':' || unicode.IsControl(r) || unicode.IsSpace(r)
	})
}

// valid is the list of attachments that GC keeps; ok is false when the runtime gave none, not even null.
func (c *call) valid() (list []types.GCAttachment, ok bool, err error) {
	raw, key := c.head.Valid, "cni.dev/valid-attachments"
	if raw == nil {
		raw, key = c.head.Attachments, "cni.dev/attachments"
	}
	if raw == nil {
		return nil, false, nil
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, false, Errorf(CodeDecoding, "%s: %w", key, err)
	}
	for i, a := range list {
		if a.ContainerID == "" || a.IfName == "" {
			return nil, false, Invalid(fmt.Sprintf("%s[%d]", key, i), a, "both containerID and ifname are needed, nothing is removed")
		}
	}
	return list, true, nil
}
