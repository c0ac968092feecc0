// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package run

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/containernetworking/cni/libcni"
	"github.com/containernetworking/cni/pkg/types"
	"github.com/containernetworking/cni/pkg/version"
)

// Options say how to run a chain.
type Options struct {
	// Path are the directories with plugins.
	Path []string
	// CacheDir is libcni's, where an add leaves what check, del and gc need.
	CacheDir string
	// KeepFailed leaves what a failed add has made.
	KeepFailed bool
	// Watcher is told of the executions of plugins; it may be nil.
	Watcher Watcher
}

// Attachment is what a verb about one container is given. Without Capabilities or Args, check and del take those that
// the add was given.
type Attachment struct {
	Target       Target
	ContainerID  string
	IfName       string
	Capabilities map[string]any
	Args         [][2]string
}

// session is one verb on its way.
type session struct {
	chain    *Chain
	options  Options
	recorder *recorder
	cni      *libcni.CNIConfig
	rt       *libcni.RuntimeConf
	record   *Record
}

func newSession(c *Chain, o Options, verb string) *session {
	record := &Record{
		Verb: verb, Conflist: c.File, Network: c.List.Name, CNIVersion: c.List.CNIVersion, Calls: []*Call{},
	}
	r := &recorder{record: record, links: len(c.List.Plugins), watcher: o.Watcher, start: time.Now()}
	return &session{
		chain: c, options: o, recorder: r, record: record,
		cni: libcni.NewCNIConfigWithCacheDir(o.Path, o.CacheDir, r),
	}
}

func (s *session) attach(a Attachment) {
	s.rt = &libcni.RuntimeConf{
		ContainerID: a.ContainerID, NetNS: a.Target.Path, IfName: a.IfName, Args: a.Args, CapabilityArgs: a.Capabilities,
	}
	r := s.record
	r.ContainerID, r.IfName, r.NetNS, r.CapabilityArgs = a.ContainerID, a.IfName, a.Target.Path, a.Capabilities
}

// Add attaches the container. When a link fails after others have done their step, theirs is deleted again, as every
// runtime does, unless the attachment was there before.
func Add(ctx context.Context, c *Chain, a Attachment, o Options) *Record {
	s := newSession(c, o, "add")
	s.attach(a)
	existed := s.cached()
	result, err := s.cni.AddNetworkList(ctx, c.List, s.rt)
	r := s.finish(err)
	if err == nil {
		r.Result, err = json.Marshal(result)
		if err != nil {
			r.Errors = append(r.Errors, Failure{Link: -1, Error: Error{Msg: "encode the result: " + err.Error()}})
		}
		return r
	}
	made := slices.ContainsFunc(r.Calls, func(c *Call) bool { return c.Error == nil })
	if !made || existed || o.KeepFailed {
		return r
	}
	// What the add was stopped by must not stop this.
	if err := s.cni.DelNetworkList(context.WithoutCancel(ctx), c.List, s.rt); err != nil {
		r.Notes = append(r.Notes, "the links before could not all be deleted again: "+err.Error())
	}
	r.Cleanup = s.recorder.take()
	return r
}

// Check asks every link whether what it made is still as it made it.
func Check(ctx context.Context, c *Chain, a Attachment, o Options) *Record {
	s := newSession(c, o, "check")
	s.attach(a)
	if c.List.DisableCheck {
		s.note("disableCheck is set in the conflist: no link was asked")
	}
	if !s.cached() {
		return s.finish(fmt.Errorf("%s of container %s is not on record (%s): add it first, "+
			"with the same --container-id, --ifname and --cache-dir", a.IfName, a.ContainerID, s.cacheFile()))
	}
	s.recall()
	return s.finish(s.cni.CheckNetworkList(ctx, c.List, s.rt))
}

// Del detaches the container, whether it is attached or not.
func Del(ctx context.Context, c *Chain, a Attachment, o Options) *Record {
	s := newSession(c, o, "del")
	s.attach(a)
	if !s.cached() {
		s.note("no attachment is on record in %s: the links have only the names to go by", s.cacheFile())
	}
	s.recall()
	return s.finish(s.cni.DelNetworkList(ctx, c.List, s.rt))
}

// GC removes every attachment of the network that is not in keep.
func GC(ctx context.Context, c *Chain, keep []types.GCAttachment, o Options) *Record {
	s := newSession(c, o, "gc")
	s.record.Notes = c.GCNotes()
	if keep == nil {
		keep = []types.GCAttachment{}
	}
	return s.finish(s.cni.GCNetworkList(ctx, c.List, &libcni.GCArgs{ValidAttachments: keep}))
}

// Status asks every link whether it speaks the chain's version, and whether an add could work now.
func Status(ctx context.Context, c *Chain, o Options) *Record {
	s := newSession(c, o, "status")
	for i, plugin := range c.List.Plugins {
		info, err := s.cni.GetVersionInfo(ctx, plugin.Network.Type)
		if err != nil {
			return s.finish(err)
		}
		if !slices.Contains(info.SupportedVersions(), c.List.CNIVersion) {
			s.fail(i, Error{Code: 1, Msg: fmt.Sprintf("%s does not speak CNI %s, only %s", plugin.Network.Type,
				c.List.CNIVersion, strings.Join(info.SupportedVersions(), " "))})
		}
	}
	if len(s.record.Errors) > 0 {
		return s.finish(nil)
	}
	if !atLeast(c.List.CNIVersion, "1.1.0") {
		s.note("cniVersion %s has no STATUS: the links were asked for their versions only", c.List.CNIVersion)
	}
	return s.finish(s.cni.GetStatusNetworkList(ctx, c.List))
}

func (s *session) note(format string, args ...any) {
	s.record.Notes = append(s.record.Notes, fmt.Sprintf(format, args...))
}

func (s *session) cacheFile() string {
	name := fmt.Sprintf("%s-%s-%s", s.chain.List.Name, s.rt.ContainerID, s.rt.IfName)
	return filepath.Join(s.options.CacheDir, "results", name)
}

func (s *session) cached() bool {
	_, err := os.Stat(s.cacheFile())
	return err == nil
}

// recall gives check and del the arguments of the add, as a runtime does. A cache that cannot be read has none.
func (s *session) recall() {
	_, cached, err := s.cni.GetNetworkListCachedConfig(s.chain.List, s.rt)
	if err != nil || cached == nil {
		return
	}
	if s.rt.CapabilityArgs == nil {
		s.rt.CapabilityArgs, s.record.CapabilityArgs = cached.CapabilityArgs, cached.CapabilityArgs
	}
	if s.rt.Args == nil {
		s.rt.Args = cached.Args
	}
}

// finish closes the account of a verb: each error with the link and the place in the conflist.
func (s *session) finish(err error) *Record {
	r := s.record
	r.Calls = append(r.Calls, s.recorder.take()...)
	r.Took = Duration(s.recorder.elapsed())
	if err == nil {
		return r
	}
	for _, call := range r.Calls {
		if call.Error != nil {
			s.fail(call.Link, *call.Error)
		}
	}
	if len(r.Errors) == 0 {
		s.fail(s.blame(), Error{Msg: oneLine(err)})
	}
	return r
}

// blame is the link that an error of libcni's own is about: the last that ran, whose answer cannot be read. When every
// link has answered as it should, it is none.
func (s *session) blame() int {
	n := len(s.record.Calls)
	if n == 0 || s.record.Verb == "add" && n == len(s.chain.List.Plugins) && json.Valid(s.record.Calls[n-1].Stdout) {
		return -1
	}
	return s.record.Calls[n-1].Link
}

// fail notes an error of a link, -1 for one of none.
func (s *session) fail(link int, e Error) {
	f := Failure{Link: link, Error: e}
	if link >= 0 {
		f.Type = s.chain.List.Plugins[link].Network.Type
		f.Path, f.Position = s.chain.where(link, e)
	}
	s.record.Errors = append(s.record.Errors, f)
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

func atLeast(v, least string) bool {
	ok, err := version.GreaterThanOrEqualTo(v, least)
	return err == nil && ok
}
